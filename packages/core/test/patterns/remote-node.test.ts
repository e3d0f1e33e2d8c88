import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowOptions,
  flowToMermaid,
  LoopbackTransport,
  MemoryStateStore,
  Message,
  type NodePolicy,
  node,
  payloadNode,
  type RemoteCallRequest,
  type RemoteInterrupt,
  remoteNode,
  type RemoteNodeOptions,
  type RemoteStreamEvent,
  type RemoteTask,
  remoteTasks,
  type RemoteTransport,
  type Schema,
  shape,
  type StreamItem,
  WM,
} from "penguiflow";
import { lintFlow } from "penguiflow/lint";
import { settle, TestClock } from "penguiflow/testing";
import { logbook, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

type Answering = (request: RemoteCallRequest, call: number) => AsyncGenerator<RemoteStreamEvent, void, undefined>;

/** An agent with scripted answers that records its requests. */
class FakeAgent implements RemoteTransport {
  readonly requests: RemoteCallRequest[] = [];
  readonly cancelled: string[] = [];
  readonly resubscribed: RemoteTask[] = [];
  readonly #answer: Answering;
  /** The answer to a resumed task. */
  again: (call: number) => AsyncGenerator<RemoteStreamEvent, void, undefined> = async function* () {};
  cancelling: (signal: AbortSignal | undefined) => Promise<void> = () => Promise.resolve();

  constructor(answer: Answering) {
    this.#answer = answer;
  }

  stream(request: RemoteCallRequest): AsyncIterable<RemoteStreamEvent> {
    this.requests.push(request);
    return this.#answer(request, this.requests.length);
  }

  async send(request: RemoteCallRequest) {
    let last: RemoteStreamEvent | undefined;
    for await (const event of this.stream(request)) last = event;
    if (last?.done !== true) throw new Error("The connection was lost");
    return { result: last.result, state: last.state, spent: last.spent };
  }

  resubscribe(task: RemoteTask): AsyncIterable<RemoteStreamEvent> {
    this.resubscribed.push(task);
    return this.again(this.resubscribed.length);
  }

  async cancel(task: RemoteTask, options: { signal?: AbortSignal } = {}): Promise<void> {
    this.cancelled.push(`${task.tenant} ${task.agentUrl} ${task.taskId}`);
    await this.cancelling(options.signal);
  }
}

/** Returns a promise that never settles until the call is aborted. */
const silence = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));

/** Begins a task and sends nothing more. */
const silent: Answering = async function* ({ onTask, signal }, call) {
  onTask?.({ taskId: `task ${call}` });
  yield await silence(signal);
};

type Options = Partial<RemoteNodeOptions<Schema<unknown, unknown>, Schema<unknown, unknown>>>;

/** Creates a flow of one remote node, with its own clock. */
function calling(transport: RemoteTransport, options: Options = {}, flowOptions: FlowOptions = {}) {
  const clock = new TestClock();
  const ask = remoteNode("ask", { transport, agentUrl: "agent", skill: "find", ...options });
  const flow = tidy(create(ask.to(), { clock, ...flowOptions }).run());
  return { clock, flow };
}

async function read(items: AsyncIterable<StreamItem<unknown>>) {
  const texts: string[] = [];
  const ends: string[] = [];
  const results: unknown[] = [];
  const seqs: number[] = [];
  for await (const item of items) {
    if (item.type === "result") results.push(item.result);
    else if (item.type === "chunk") {
      if (item.chunk.text !== "") texts.push(item.chunk.text);
      seqs.push(item.chunk.seq);
      if (item.chunk.end !== undefined) ends.push(item.chunk.end);
    }
  }
  return { texts, ends, results, seqs };
}

describe("a remote node", () => {
  test("sends what the agent answers", async () => {
    const agent = new FakeAgent(async function* ({ message }) {
      yield { done: true, result: `about ${String(message.payload)}` };
    });
    expect(await calling(agent).flow.call("penguins")).toBe("about penguins");
    expect(await calling(agent, { streaming: true }).flow.call("penguins")).toBe("about penguins");
    expect(agent.cancelled).toEqual([]);
  });

  test("has tenant, trace, shrunk deadline, budgets, the caller's place and the allowed meta travel, and no more", async () => {
    const agent = new FakeAgent(async function* () {
      yield { done: true, result: 1 };
    });
    const { clock, flow } = calling(agent, { meta: ["lang", "absent"], policy: { timeoutMs: 1_000 } });
    const now = clock.epochNow();
    const payload = new WM({ query: "q", hops: 2, budgetHops: 5, tokensUsed: 70 });
    const meta = { lang: "de", secret: "s", traceparent: "00-a-b-01", tracestate: "x=y" };
    const budget = { toolCalls: 3 };
    await flow.call(payload, { tenant: "acme", topic: "birds", traceId: "t", meta, timeoutMs: 60_000, budget });
    const [asked] = agent.requests;
    expect(asked).toMatchObject({
      skill: "find",
      agentUrl: "agent",
      traceparent: "00-a-b-01",
      tracestate: "x=y",
      budget: { hops: 3, tokens: null },
      traceBudget: { toolCalls: 3 },
    });
    expect(asked?.message).toMatchObject({
      payload,
      traceId: "t",
      headers: { tenant: "acme", topic: "birds" },
      deadlineAt: now + 1_000,
    });
    expect(asked?.message.meta).toEqual({ lang: "de" });

    await flow.call("x", { timeoutMs: 400 });
    expect(agent.requests[1]).toMatchObject({ message: { deadlineAt: now + 400 }, traceparent: undefined });
    expect(agent.requests[1]?.budget).toBeUndefined();
    expect(agent.requests[1]?.traceBudget).toBeUndefined();
    expect(agent.requests[1]?.message.meta).toEqual({});
    expect(agent.requests[1]?.idempotencyKey).not.toBe(asked?.idempotencyKey);
  });

  test("passes the agent's text into the trace's stream as it comes, and ends that once", async () => {
    const agent = new FakeAgent(async function* ({ onTask }) {
      onTask?.({ taskId: "t" });
      yield { text: "looking… ", done: false };
      yield { text: "pen", at: 0, done: false };
      yield { text: "guins", at: 3, done: false };
      yield { done: true, result: 8 };
    });
    const { flow } = calling(agent, { streaming: true });
    expect(await read(flow.stream("x"))).toEqual({
      texts: ["looking… ", "pen", "guins"],
      seqs: [0, 1, 2, 3],
      ends: ["done"],
      results: [8],
    });
    const quiet = calling(agent, { streaming: false });
    expect(await read(quiet.flow.stream("x"))).toMatchObject({ texts: [], results: [8] });
  });

  test("applies backpressure to the agent while its answer is not read", async () => {
    let sent = 0;
    const agent = new FakeAgent(async function* () {
      for (; sent < 100; sent += 1) yield { text: "x", at: sent, done: false };
      yield { done: true, result: sent };
    });
    const { flow } = calling(agent, { streaming: true }, { streamWindow: 4 });
    const items = flow.stream("x");
    await items.next();
    await settle();
    expect(sent).toBeLessThan(10);
    expect((await read(items)).results).toEqual([100]);
  });

  test("checks what the agent answers, as any node does", async () => {
    const agent = new FakeAgent(async function* () {
      yield { done: true, result: "many" };
    });
    const whole: Schema<unknown, unknown> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }),
      },
    };
    for (const interrupts of ["fail", "send"] as const) {
      const outcome = await calling(agent, { output: whole, interrupts }).flow.outcome("x");
      expect(outcome).toMatchObject({ status: "failed", error: { code: "OUTPUT_INVALID", node: "ask" } });
    }
  });

  test("is drawn as what it is, and found by the linter when it has no timeout", () => {
    const agent = new FakeAgent(silent);
    const flow = (policy?: NodePolicy) =>
      create(remoteNode("ask", { transport: agent, agentUrl: "agent", skill: "find", policy }).to());
    expect(flowToMermaid(flow())).toMatch(/\[\/.*ask.*find.*\/\]/);
    expect(lintFlow(flow()).map(({ rule }) => rule)).toEqual(["io-without-timeout"]);
    expect(lintFlow(flow({ timeoutMs: 10 }))).toEqual([]);
  });

  test("refuses options it cannot use", () => {
    const agent = new FakeAgent(silent);
    const made = (options: object) => () =>
      remoteNode("ask", { transport: agent, agentUrl: "agent", skill: "find", ...options });
    expect(made({ skil: "x" })).toThrow(/Unknown option "skil" of remote node "ask"/);
    expect(made({ transport: { send: () => {} } })).toThrow(/transport\.stream" of "remote node "ask"/);
    expect(made({ skill: "" })).toThrow(/"skill" of remote node "ask" must be a non-empty string/);
    expect(made({ agentUrl: 3 })).toThrow(/"agentUrl" of remote node "ask"/);
    expect(made({ meta: "lang" })).toThrow(/"meta" of remote node "ask" must be a list of keys/);
    expect(made({ interrupts: "drop" })).toThrow(/"interrupts" must be one of "fail", "send"/);
    expect(made({ cancelTimeoutMs: -1 })).toThrow(/"cancelTimeoutMs"/);
    expect(made({ maxResubscribes: 0.5 })).toThrow(/"maxResubscribes"/);
    expect(made({ continues: {} })).toThrow(/"continues" must be a function/);
  });
});

describe("a task that is no longer wanted", () => {
  type Flow = ReturnType<typeof calling>["flow"];
  const ways: Record<string, (flow: Flow, clock: TestClock) => Promise<unknown>> = {
    async "its trace is cancelled"(flow, clock) {
      const outcome = flow.outcome("x", { traceId: "t", tenant: "acme" });
      await clock.advance(5);
      await flow.cancel("t");
      await flow.cancel("t");
      return (await outcome).status;
    },
    async "its caller's signal aborts"(flow, clock) {
      const abort = new AbortController();
      const outcome = flow.outcome("x", { tenant: "acme", signal: abort.signal });
      await clock.advance(5);
      abort.abort(new Error("gone"));
      return (await outcome).status;
    },
    async "the reader of its stream leaves"(flow, clock) {
      const items = flow.stream("x", { tenant: "acme" });
      const first = items.next();
      await clock.advance(5);
      await items.return();
      await first;
      return "cancelled";
    },
    async "its deadline passes"(flow, clock) {
      const outcome = flow.outcome("x", { tenant: "acme", timeoutMs: 20 });
      await clock.advance(20);
      return (await outcome).status;
    },
    async "its node's time is over"(flow, clock) {
      const outcome = flow.outcome("x", { tenant: "acme" });
      await clock.advance(50);
      return (await outcome).status;
    },
    async "the flow stops"(flow, clock) {
      const outcome = flow.outcome("x", { tenant: "acme" });
      await clock.advance(5);
      await flow.stop();
      return (await outcome).status;
    },
  };
  const statuses: Record<string, string> = {
    "its trace is cancelled": "cancelled",
    "its caller's signal aborts": "cancelled",
    "the reader of its stream leaves": "cancelled",
    "its deadline passes": "exhausted",
    "its node's time is over": "failed",
    "the flow stops": "stopped",
  };
  const cases = Object.keys(ways).flatMap((way) => [[way, "send"] as const, [way, "stream"] as const]);

  test.each(cases)("is cancelled once when %s: %s", async (way, kind) => {
    const agent = new FakeAgent(silent);
    const seen = recorder();
    const { clock, flow } = calling(
      agent,
      { streaming: kind === "stream", policy: { timeoutMs: 50 } },
      { middlewares: [seen.middleware] },
    );
    expect(await within(1_000, ways[way]!(flow, clock))).toBe(statuses[way]);
    await clock.advance(2_000);
    expect(agent.cancelled).toEqual(["acme agent task 1"]);
    // the agent was told before the connection was closed
    expect(agent.requests[0]?.signal.aborted).toBe(true);
    if (flow.isRunning) await flow.flush();
    expect(seen.of("remote_call_cancelled")).toMatchObject([{ taskId: "task 1", wasHeard: true }]);
    expect(seen.of("remote_call_error")).toEqual([]);
    expect(agent.resubscribed).toEqual([]);
  });

  test("is waited for when its id is not known yet, and cancelled as soon as it is", async () => {
    let begin = (): void => {};
    const agent = new FakeAgent(async function* ({ onTask, signal }) {
      begin = () => onTask?.({ taskId: "late" });
      yield await silence(signal);
    });
    const { clock, flow } = calling(agent);
    const outcome = flow.outcome("x", { traceId: "t" });
    await clock.advance(5);
    const report = flow.cancel("t");
    await clock.advance(400);
    expect(agent.cancelled).toEqual([]);
    expect(agent.requests[0]?.signal.aborted).toBe(false);
    begin();
    expect(await within(1_000, report)).toMatchObject({ found: true, aborted: 1, zombies: 0 });
    expect(agent.cancelled).toEqual(["default agent late"]);
    expect((await outcome).status).toBe("cancelled");
  });

  test("is given up when its id does not come in time", async () => {
    const agent = new FakeAgent(async function* ({ signal }) {
      yield await silence(signal);
    });
    const seen = recorder();
    const { clock, flow } = calling(agent, { cancelTimeoutMs: 300 }, { middlewares: [seen.middleware] });
    const outcome = flow.outcome("x", { traceId: "t" });
    await clock.advance(5);
    const report = flow.cancel("t");
    await clock.advance(299);
    expect(agent.requests[0]?.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(await within(1_000, report)).toMatchObject({ zombies: 0 });
    expect(agent.requests[0]?.signal.aborted).toBe(true);
    expect(agent.cancelled).toEqual([]);
    await outcome;
    await flow.flush();
    expect(seen.of("remote_call_cancelled")).toMatchObject([{ wasHeard: false, latencyMs: 305 }]);
  });

  test.each(["with its answer", "never"])(
    "is left alone when it was over before its id was known, %s",
    async (when) => {
      let finish = (): void => {};
      const agent = new FakeAgent(async function* () {
        await new Promise<void>((resolve) => (finish = resolve));
        yield { done: true, result: 1, ...(when === "never" ? {} : { taskId: "over" }) };
      });
      const { clock, flow } = calling(agent, { streaming: true });
      const outcome = flow.outcome("x", { traceId: "t" });
      await clock.advance(5);
      const report = flow.cancel("t");
      await clock.advance(5);
      finish();
      await within(1_000, report);
      expect((await outcome).status).toBe("cancelled");
      expect(agent.cancelled).toEqual([]);
    },
  );

  test.each<[string, (signal: AbortSignal | undefined) => Promise<void>]>([
    ["fails", () => Promise.reject(new Error("agent away"))],
    ["hangs", () => new Promise(() => {})],
  ])("whose cancel %s blocks nothing, and logs a warning", async (_, cancelling) => {
    const agent = new FakeAgent(silent);
    agent.cancelling = cancelling;
    const logger = logbook();
    const { clock, flow } = calling(agent, { cancelTimeoutMs: 100 }, { logger });
    const outcome = flow.outcome("x", { traceId: "t" });
    await clock.advance(5);
    const report = flow.cancel("t");
    await clock.advance(100);
    expect(await within(1_000, report)).toMatchObject({ zombies: 0 });
    expect((await outcome).status).toBe("cancelled");
    expect(logger.lines).toMatchObject([
      { level: "warn", message: "remote_cancel_failed", fields: { taskId: "task 1" } },
    ]);
  });

  test("is cancelled before its node's next attempt has another", async () => {
    const agent = new FakeAgent(async function* (request, call) {
      if (call === 1) yield* silent(request, call);
      request.onTask?.({ taskId: `task ${call}` });
      yield { done: true, result: call };
    });
    const { clock, flow } = calling(agent, { policy: { timeoutMs: 50, maxRetries: 1, backoffBaseMs: 0 } });
    const result = flow.call("x");
    await clock.advance(100);
    expect(await result).toBe(2);
    expect(agent.cancelled).toEqual(["default agent task 1"]);
    const [first, second] = agent.requests.map(({ idempotencyKey }) => idempotencyKey);
    expect(second).toBe(`${first}-2`);
  });
});

describe("a call that fails", () => {
  const policy = { maxRetries: 2, backoffBaseMs: 0 };

  test("is repeated under the same key while no task is known", async () => {
    const agent = new FakeAgent(async function* (_, call) {
      if (call < 3) throw new FlowError({ code: "REMOTE_UNAVAILABLE", message: "away", retryable: true });
      yield { done: true, result: call };
    });
    const { clock, flow } = calling(agent, { policy });
    const result = flow.call("x");
    await clock.advance(10);
    expect(await result).toBe(3);
    expect(new Set(agent.requests.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1);
  });

  test("is repeated under another key when its task has failed, and keeps its code", async () => {
    const agent = new FakeAgent(async function* ({ onTask }, call) {
      onTask?.({ taskId: `task ${call}` });
      yield { done: false };
      throw new FlowError({ code: "REMOTE_FAILED", message: "no luck", retryable: true, details: { state: "failed" } });
    });
    const { clock, flow } = calling(agent, { policy, streaming: true });
    const outcome = flow.outcome("x");
    await clock.advance(10);
    expect(await outcome).toMatchObject({
      status: "failed",
      error: { code: "REMOTE_FAILED", message: "no luck", node: "ask", attempt: 3, details: { state: "failed" } },
    });
    expect(new Set(agent.requests.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    expect(agent.cancelled).toEqual([]);
    expect(agent.resubscribed).toEqual([]);
  });

  test.each(["REMOTE_REFUSED", "REMOTE_FAILED"] as const)("is not repeated after %s that says so", async (code) => {
    const agent = new FakeAgent(async function* () {
      yield { done: false };
      throw new FlowError({ code, message: "never" });
    });
    const { flow } = calling(agent, { policy, streaming: true });
    expect(await flow.outcome("x")).toMatchObject({ status: "failed", error: { code, attempt: 1 } });
    expect(agent.requests).toHaveLength(1);
  });

  test("with an error that is no FlowError fails its node like any other", async () => {
    const agent = new FakeAgent(async function* () {
      yield { done: false };
      throw new Error("boom");
    });
    const { flow } = calling(agent, { streaming: true });
    const { error } = (await flow.outcome("x")) as { error: FlowError };
    expect(error).toMatchObject({ code: "NODE_EXCEPTION", node: "ask" });
    expect(error.unwrap()).toEqual(new Error("boom"));
  });

  test("because its deadline has passed at the agent first ends the trace as exhausted", async () => {
    const clock = new TestClock();
    let now = 0;
    const agent = new FakeAgent(async function* ({ onTask }) {
      onTask?.({ taskId: "t" });
      yield { done: false };
      // the instant has come, but its timer has not fired yet
      now = 50;
      throw new FlowError({ code: "REMOTE_FAILED", message: "deadline exceeded" });
    });
    const late = {
      now: () => clock.now(),
      epochNow: () => now,
      setTimer: (callback: () => void, delayMs: number) => clock.setTimer(callback, delayMs),
    };
    const { flow } = calling(agent, { streaming: true }, { clock: late });
    expect(await flow.outcome("x", { deadlineAt: 50 })).toMatchObject({
      status: "exhausted",
      error: { code: "DEADLINE_EXCEEDED" },
    });
  });
});

describe("an answer that breaks off", () => {
  const cutAfter = (...pieces: [string, number][]): Answering =>
    async function* ({ onTask }) {
      onTask?.({ taskId: "t", contextId: "c" });
      for (const [text, at] of pieces) yield { text, at, done: false };
    };

  test("is taken up again without a gap, and nothing is told twice", async () => {
    const agent = new FakeAgent(cutAfter(["pen", 0], ["gu", 3]));
    agent.again = async function* (call) {
      yield { text: "pengui", at: 0, done: false };
      if (call === 1) throw new Error("The connection was lost");
      yield { text: "ns", at: 6, done: false };
      yield { done: true, result: "all" };
    };
    const { clock, flow } = calling(agent, { streaming: true });
    const told = read(flow.stream("x", { tenant: "acme" }));
    await clock.advance(1_000);
    expect(await told).toEqual({
      texts: ["pen", "gu", "i", "ns"],
      seqs: [0, 1, 2, 3, 4],
      ends: ["done"],
      results: ["all"],
    });
    expect(agent.resubscribed).toEqual(
      Array.from({ length: 2 }, () => ({ tenant: "acme", agentUrl: "agent", taskId: "t", contextId: "c" })),
    );
    expect(agent.cancelled).toEqual([]);
  });

  test("tells pieces that come twice, overlap or come out of order once and in order", async () => {
    const agent = new FakeAgent(async function* () {
      for (const [text, at] of [
        ["ab", 0],
        ["ef", 4],
        ["ab", 0],
        ["fgh", 5],
        ["bcd", 1],
        ["", 8],
      ] as const)
        yield { text, at, done: false };
      yield { done: true, result: 1 };
    });
    const { flow } = calling(agent, { streaming: true });
    expect((await read(flow.stream("x"))).texts.join("")).toBe("abcdefgh");
  });

  test("fails with a code of its own when it cannot be taken up, its task is cancelled, and no part passes for all", async () => {
    const agent = new FakeAgent(cutAfter(["pen", 0]));
    const { clock, flow } = calling(agent, { streaming: true, maxResubscribes: 2 });
    const items = flow.stream("x");
    const told: string[] = [];
    const failure = rejection(
      (async () => {
        for await (const item of items)
          told.push(item.type === "chunk" ? (item.chunk.end ?? item.chunk.text) : item.type);
      })(),
    );
    await clock.advance(299);
    expect(agent.resubscribed).toHaveLength(1);
    await clock.advance(1);
    expect(await within(1_000, failure)).toMatchObject({ code: "REMOTE_CUT", node: "ask" });
    expect(told).toEqual(["pen", "error"]);
    expect(agent.resubscribed).toHaveLength(2);
    expect(agent.cancelled).toEqual(["default agent t"]);
  });

  test("fails so too when a piece of its text never comes, though it says that it is done", async () => {
    const agent = new FakeAgent(async function* ({ onTask }) {
      onTask?.({ taskId: "t" });
      yield { text: "guins", at: 3, done: false };
      yield { done: true, result: 1 };
    });
    const { flow } = calling(agent, { streaming: true, maxResubscribes: 0 });
    expect(await flow.outcome("x")).toMatchObject({ status: "failed", error: { code: "REMOTE_CUT" } });
  });

  test("fails so when it ends without a task or a last event, and when the agent has forgotten the task", async () => {
    const nothing = new FakeAgent(async function* () {});
    expect(await calling(nothing, { streaming: true }).flow.outcome("x")).toMatchObject({
      error: { code: "REMOTE_CUT" },
    });
    const forgetful = new FakeAgent(cutAfter(["pen", 0]));
    forgetful.again = async function* () {
      yield { text: "pen", at: 0, done: false };
      throw new FlowError({ code: "REMOTE_REFUSED", message: "no such task" });
    };
    const { clock, flow } = calling(forgetful, { streaming: true });
    const outcome = flow.outcome("x");
    await clock.advance(100);
    expect(await outcome).toMatchObject({ error: { code: "REMOTE_CUT", retryable: true } });
    expect(forgetful.resubscribed).toHaveLength(1);
  });

  test("is had by its task when a call without a stream has lost its connection", async () => {
    const agent = new FakeAgent(cutAfter());
    agent.again = async function* () {
      yield { text: "all of it", at: 0, done: false };
      yield { done: true, result: "all" };
    };
    const { clock, flow } = calling(agent);
    const told = read(flow.stream("x"));
    await clock.advance(100);
    expect(await told).toMatchObject({ texts: [], results: ["all"] });
  });

  test("is not taken up again when its attempt is over", async () => {
    const agent = new FakeAgent(cutAfter());
    const { clock, flow } = calling(agent, { streaming: true });
    const outcome = flow.outcome("x", { traceId: "t" });
    await clock.advance(50);
    await within(1_000, flow.cancel("t"));
    await clock.advance(1_000);
    expect((await outcome).status).toBe("cancelled");
    expect(agent.resubscribed).toEqual([]);
    expect(agent.cancelled).toEqual(["default agent t"]);
  });
});

describe("a task that waits for its caller", () => {
  const asking = (state: "input-required" | "auth-required") =>
    new FakeAgent(async function* ({ onTask, continues }) {
      onTask?.({ taskId: "t", contextId: "c" });
      if (continues === undefined) yield { done: true, state, result: { question: "which one?" } };
      else yield { done: true, result: `went on with ${continues.taskId}` };
    });

  test.each(["input-required", "auth-required"] as const)("fails its node with %s, and is cancelled", async (state) => {
    const agent = asking(state);
    const { flow } = calling(agent, { policy: { maxRetries: 2 } });
    expect(await flow.outcome("x")).toMatchObject({
      status: "failed",
      error: { code: "REMOTE_INTERRUPTED", attempt: 1, details: { state, taskId: "t", contextId: "c" } },
    });
    expect(agent.requests).toHaveLength(1);
    expect(agent.cancelled).toEqual(["default agent t"]);
  });

  test("is sent on as plain data where that is wanted, past the schema of answers, and can be continued", async () => {
    const agent = asking("input-required");
    const none: Schema<string, string> = {
      "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "no" }] }) },
    };
    const { flow } = calling(agent, { interrupts: "send", output: none });
    const interrupt = (await flow.call("x")) as RemoteInterrupt;
    expect(interrupt).toEqual({
      kind: "input-required",
      prompt: { question: "which one?" },
      skill: "find",
      agentUrl: "agent",
      taskId: "t",
      contextId: "c",
    });
    expect(agent.cancelled).toEqual([]);

    const { flow: answering } = calling(agent, {
      continues: ({ payload }) => ({ taskId: (payload as RemoteInterrupt).taskId }),
    });
    expect(await answering.call(interrupt)).toBe("went on with t");
    // an agent's answer does not pass the schema by looking like an interrupt
    const copied = new FakeAgent(async function* () {
      yield { done: true, result: { ...interrupt } };
    });
    const outcome = await calling(copied, { interrupts: "send", output: none }).flow.outcome("x");
    expect(outcome).toMatchObject({ error: { code: "OUTPUT_INVALID" } });
  });
});

test("a flow that pauses is asked and answered through remote nodes, as often as it pauses", async () => {
  const book = payloadNode("book", async (to: string, ctx) => {
    const seat = await ctx.pause({ reason: "Which seat?", resumeSchema: shape<string>() });
    const meal = await ctx.pause({ reason: "Which meal?" });
    return `${to}, ${seat}, ${String(meal)}`;
  });
  const agent = tidy(create(book.to()).run());
  const transport = new LoopbackTransport({ book: agent });
  const remote = { transport, agentUrl: "agent", skill: "book", interrupts: "send" } as const;
  const ask = tidy(create(remoteNode("ask", remote).to()).run());
  const continues = ({ meta }: Message): RemoteInterrupt => meta["interrupt"] as RemoteInterrupt;
  const reply = tidy(create(remoteNode("reply", { ...remote, streaming: true, continues }).to()).run());
  const first = (await ask.call("Lisbon")) as RemoteInterrupt;
  expect(first.prompt).toEqual({ reason: "Which seat?", payload: undefined });
  const second = (await reply.call("window", { meta: { interrupt: first } })) as RemoteInterrupt;
  expect(second).toMatchObject({ kind: "input-required", taskId: first.taskId, prompt: { reason: "Which meal?" } });
  expect(await reply.call("fish", { meta: { interrupt: second } })).toBe("Lisbon, window, fish");
  expect(await reply.outcome("more", { meta: { interrupt: second } })).toMatchObject({
    error: { code: "REMOTE_REFUSED" },
  });

  // an unwanted task is cancelled even though it waits
  const fails = tidy(create(remoteNode("fails", { ...remote, interrupts: "fail" }).to()).run());
  expect(await fails.outcome("Porto")).toMatchObject({ error: { code: "REMOTE_INTERRUPTED" } });
  expect(agent.stats()).toMatchObject({ traces: 0, outcomes: { completed: 1, cancelled: 1 } });
});

test("an answer that continues with a task tells the text from where it was told before", async () => {
  const agent = new FakeAgent(async function* ({ onTask }) {
    onTask?.({ taskId: "t" });
    yield { text: "and ", at: 12, done: false };
  });
  agent.again = async function* () {
    yield { text: "told before and on", at: 0, done: false };
    yield { done: true, result: 1 };
  };
  const { clock, flow } = calling(agent, { streaming: true, continues: () => ({ taskId: "t" }) });
  const told = read(flow.stream("x"));
  await clock.advance(100);
  expect(await told).toMatchObject({ texts: ["and ", "on"], results: [1] });
});

describe("which task works for a trace", () => {
  test("is kept by the flow's store, and found, read and cancelled by another process", async () => {
    const stateStore = new MemoryStateStore();
    const count = payloadNode("count", async (to: number, ctx) => {
      for (let number = 1; number <= to; number += 1) {
        await ctx.emitChunk({ text: `${number} ` });
        await ctx.sleep(10);
      }
      return to;
    });
    const clock = new TestClock();
    const agent = tidy(create(count.to(), { clock }).run());
    const transport = new LoopbackTransport({ count: agent });
    const ask = remoteNode("ask", { transport, agentUrl: "agent", skill: "count" });
    const flow = create(ask.to(), { clock, stateStore }).run();
    const outcomes = ["t", "other"].map((traceId) => flow.outcome(3, { tenant: "acme", traceId }));
    await clock.advance(15);
    await flow.flush();

    const key = { tenant: "acme", traceId: "t", stateStore, transport };
    const [task, ...others] = await remoteTasks(key);
    expect(others).toEqual([]);
    expect(task?.binding).toMatchObject({ tenant: "acme", traceId: "t", node: "ask", agentUrl: "agent" });
    expect(await remoteTasks({ ...key, tenant: "rival" })).toEqual([]);

    const texts: string[] = [];
    const answer = task?.answer({ onText: (text) => texts.push(text) });
    await clock.advance(100);
    expect(await answer).toMatchObject({ result: 3 });
    expect(texts.join("")).toBe("1 2 3 ");
    await Promise.all(outcomes);
    await flow.stop();
    await task?.cancel();

    const begun = flow.run().outcome(1_000, { tenant: "acme", traceId: "long" });
    await clock.advance(15);
    await flow.flush();
    const [long] = await remoteTasks({ ...key, traceId: "long" });
    await long?.cancel();
    await clock.advance(0);
    expect(await within(1_000, begun)).toMatchObject({ error: { code: "REMOTE_FAILED" } });
    expect(agent.stats().outcomes.cancelled).toBe(1);
    await flow.stop();
  });

  test("ends a reading when its signal aborts", async () => {
    const agent = new FakeAgent(silent);
    agent.again = async function* () {
      yield { text: "begun", at: 0, done: false };
      throw new Error("lost");
    };
    const stateStore = new MemoryStateStore();
    await stateStore.saveRemoteBinding({ ...TASK, node: "ask", traceId: "t" });
    const [task] = await remoteTasks({ tenant: "acme", traceId: "t", stateStore, transport: agent });
    const abort = new AbortController();
    const answer = task?.answer({ signal: abort.signal, onText: () => abort.abort(new Error("enough")) });
    expect(await within(1_000, rejection(answer as Promise<unknown>))).toEqual(new Error("enough"));
    expect(agent.resubscribed).toHaveLength(1);
  });

  test("is kept once, however often the agent says which it is", async () => {
    const agent = new FakeAgent(async function* ({ onTask }) {
      onTask?.({ taskId: "t" });
      yield { text: "a", at: 0, taskId: "t", done: false };
      yield { done: true, result: 1, taskId: "t" };
    });
    const stateStore = new MemoryStateStore();
    const saved: unknown[] = [];
    stateStore.saveRemoteBinding = async (binding) => void saved.push(binding);
    const { flow } = calling(agent, { streaming: true }, { stateStore });
    await flow.call("x", { tenant: "acme", traceId: "trace" });
    await flow.flush();
    expect(saved).toEqual([{ ...TASK, traceId: "trace", node: "ask" }]);
  });

  test("is logged when the store fails, and the call does not mind", async () => {
    const agent = new FakeAgent(async function* ({ onTask }) {
      onTask?.({ taskId: "t" });
      yield { done: true, result: 1 };
    });
    const logger = logbook();
    const stateStore = new MemoryStateStore();
    stateStore.saveRemoteBinding = () => Promise.reject(new Error("disk full"));
    const { flow } = calling(agent, {}, { stateStore, logger });
    expect(await flow.call("x")).toBe(1);
    await flow.flush();
    expect(logger.lines).toMatchObject([
      { level: "error", message: "remote_binding_save_failed", fields: { agentUrl: "agent", taskId: "t" } },
    ]);
  });
});

const TASK: RemoteTask & { contextId: undefined } = {
  tenant: "acme",
  agentUrl: "agent",
  taskId: "t",
  contextId: undefined,
};

describe("the events of a remote call", () => {
  const place = { node: "ask", attempt: 1, skill: "find", agentUrl: "agent" };

  test("tell beginning, parts and end, with ids as they become known and bytes as the transport counts them", async () => {
    const agent = new FakeAgent(async function* ({ onTask, onBytes }) {
      onBytes?.({ sent: 40, received: 0 });
      onTask?.({ taskId: "t", contextId: "c" });
      onBytes?.({ sent: 0, received: 100 });
      yield { text: "hi", at: 0, done: false };
      onBytes?.({ sent: 0, received: 23 });
      yield { done: true, result: 1 };
    });
    const seen = recorder();
    const { flow } = calling(agent, { streaming: true }, { middlewares: [seen.middleware] });
    await flow.call("x");
    await flow.flush();
    expect(seen.types()).toEqual([
      "trace_start",
      "node_start",
      "remote_call_start",
      "remote_stream_event",
      "remote_stream_event",
      "remote_call_success",
      "node_success",
      "trace_end",
    ]);
    const ids = { taskId: "t", contextId: "c" };
    expect(seen.of("remote_call_start")).toMatchObject([{ ...place, taskId: undefined }]);
    expect(seen.of("remote_stream_event")).toMatchObject([
      { ...place, ...ids, index: 0, done: false, bytesReceived: 100 },
      { ...place, ...ids, index: 1, done: true, bytesReceived: 23 },
    ]);
    expect(seen.of("remote_call_success")).toMatchObject([
      { ...place, ...ids, state: "completed", latencyMs: 0, bytesSent: 40, bytesReceived: 123 },
    ]);
  });

  test("report a failure and omit bytes that were not counted", async () => {
    const agent = new FakeAgent(async function* () {
      yield { done: false };
      throw new FlowError({ code: "REMOTE_REFUSED", message: "no such skill" });
    });
    const seen = recorder();
    const { flow } = calling(agent, {}, { middlewares: [seen.middleware] });
    await flow.outcome("x");
    await flow.flush();
    expect(seen.types().slice(1, 5)).toEqual(["node_start", "remote_call_start", "remote_call_error", "node_error"]);
    const [event] = seen.of("remote_call_error");
    expect(event).toMatchObject({ ...place, error: { code: "REMOTE_REFUSED" } });
    expect(event?.bytesSent).toBeUndefined();
  });
});

test("a remote node wants the ctx of a running flow", async () => {
  const ask = remoteNode("ask", { transport: new FakeAgent(silent), agentUrl: "agent", skill: "find" });
  const ctx = { node: "ask" } as never;
  expect(() => (ask.handler as (message: unknown, ctx: never) => unknown)(new Message({ payload: 1 }), ctx)).toThrow(
    'Remote node "ask" must be called by a running flow',
  );
});

test("a hundred calls at once get their own answers", async () => {
  const echo = node("echo", ({ payload }: Message<number>) => payload * 2);
  const agent = tidy(create(echo.to()).run());
  const transport = new LoopbackTransport({ echo: agent });
  const ask = remoteNode("ask", { transport, agentUrl: "agent", skill: "echo", output: shape<number>() });
  const flow = tidy(create(ask.to(payloadNode("next", (value: number) => value + 1))).run());
  const numbers = Array.from({ length: 100 }, (_, index) => index);
  const calls = numbers.map((number) => flow.call(number, { tenant: `tenant ${number % 7}` }));
  expect(await Promise.all(calls)).toEqual(numbers.map((number) => number * 2 + 1));
  expect(transport.openTasks).toBe(0);
});

describe("what an agent has spent", () => {
  const asking = (transport: RemoteTransport) => remoteNode("ask", { transport, agentUrl: "loop", skill: "work" });
  const answering = (spent: unknown) =>
    new FakeAgent(async function* () {
      yield { done: true, result: "done", spent: spent as Record<string, number> };
    });

  test("is charged to the trace of its caller when the node's message is committed", async () => {
    const work = payloadNode("work", (text: string, { budget }) => {
      budget.spend({ toolCalls: 2, costUsd: 0.25 });
      return text;
    });
    const agent = tidy(create(work.to()).run());
    const after = payloadNode("after", (_: unknown, { budget }) => budget.left);
    const flow = tidy(create(asking(new LoopbackTransport({ work: agent })).to(after)).run());
    const outcome = await flow.outcome("x", { budget: { toolCalls: 5 } });
    expect(outcome).toMatchObject({ results: [{ toolCalls: 3 }], spent: { toolCalls: 2, costUsd: 0.25 } });
    // without limits it is counted
    expect(await flow.outcome("x")).toMatchObject({ spent: { toolCalls: 2, costUsd: 0.25 } });
  });

  test("is charged once, though the message is handled again", async () => {
    const agent = answering({ toolCalls: 2 });
    let fails = 1;
    const output: Schema<unknown, unknown> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) => (fails-- > 0 ? { issues: [{ message: "not yet" }] } : { value }),
      },
    };
    const policy = { maxRetries: 1, backoffBaseMs: 0, retryIf: () => true };
    const ask = remoteNode("ask", { transport: agent, agentUrl: "loop", skill: "work", output, policy });
    const flow = tidy(create(ask.to()).run());
    expect(await flow.outcome("x", { budget: { toolCalls: 9 } })).toMatchObject({ spent: { toolCalls: 2 } });
    expect(agent.requests).toHaveLength(2);
  });

  test("beyond what is left takes all that is left, and its result is not lost", async () => {
    const flow = tidy(create(asking(answering({ toolCalls: 7 })).to()).run());
    const outcome = await flow.outcome("x", { budget: { toolCalls: 5 } });
    expect(outcome).toMatchObject({ status: "completed", result: "done", spent: { toolCalls: 5 } });
  });

  test.each([[{ toolCalls: -1 }], [{ toolCalls: "many" }], ["nothing"], [null]])(
    "is ignored when it is no budget: %j",
    async (spent) => {
      const logger = logbook();
      const flow = tidy(create(asking(answering(spent)).to(), { logger }).run());
      expect(await flow.outcome("x", { budget: { toolCalls: 5 } })).toMatchObject({ status: "completed", spent: {} });
      expect(logger.lines.map(({ message }) => message)).toEqual(["remote_spent_ignored"]);
    },
  );

  test("in a task that waited for its caller is charged when that is complete, once for all its calls", async () => {
    const work = payloadNode("work", async (text: string, ctx) => {
      ctx.budget.spend({ toolCalls: 1 });
      return `${text} ${await ctx.pause<string>({ reason: "well?" })}`;
    });
    const transport = new LoopbackTransport({ work: tidy(create(work.to()).run()) });
    const ask = remoteNode("ask", { transport, agentUrl: "loop", skill: "work", interrupts: "send" });
    const before: unknown[] = [];
    const look = payloadNode("look", (asked: unknown, ctx) => {
      before.push(ctx.budget.spent);
      return { ...(asked as RemoteInterrupt) };
    });
    const answer = remoteNode("answer", {
      transport,
      agentUrl: "loop",
      skill: "work",
      continues: ({ payload }) => ({ taskId: (payload as RemoteInterrupt).taskId }),
    });
    const flow = tidy(create(ask.to(look), look.to(answer)).run());
    const outcome = await flow.outcome("x", { budget: { toolCalls: 5 } });
    expect(before).toEqual([{}]);
    // the handler that paused is called again
    expect(outcome).toMatchObject({ status: "completed", spent: { toolCalls: 2 } });
  });
});
