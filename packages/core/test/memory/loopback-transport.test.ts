import { describe, expect, test } from "vitest";
import {
  create,
  type FlowError,
  LoopbackTransport,
  type MessageInit,
  Message,
  node,
  payloadNode,
  type RemoteCallRequest,
  type RemoteStreamEvent,
  WM,
} from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { rejection, tidy, within } from "../fixtures/watched-flow.ts";

const request = (
  skill: string,
  init: MessageInit<unknown>,
  signal = new AbortController().signal,
): RemoteCallRequest => ({
  message: new Message({ traceId: "t", headers: { tenant: "acme" }, ...init }),
  skill,
  agentUrl: "loopback://agent",
  idempotencyKey: `${skill} ${String(init.payload)} ${(keys += 1)}`,
  signal,
});
let keys = 0;
const taskOf = (taskId: string, tenant = "acme") => ({ tenant, agentUrl: "x", taskId });
const agent = () => {
  const clock = new TestClock();
  const words = payloadNode("words", async (text: string, ctx) => {
    for (const word of text.split(" ")) {
      await ctx.emitChunk({ text: word });
      await ctx.sleep(10);
    }
    return text.length;
  });
  const flow = tidy(create(words.to(), { clock }).run());
  return { clock, flow, transport: new LoopbackTransport({ words: flow }) };
};

async function collect(events: AsyncIterable<RemoteStreamEvent>): Promise<RemoteStreamEvent[]> {
  const all: RemoteStreamEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("the loopback transport", () => {
  test("answers a call with the skill's first result, its task and its context", async () => {
    const { clock, transport } = agent();
    const answer = transport.send(request("words", { payload: "a bc" }));
    await clock.advance(100);
    expect(await answer).toEqual({ result: 4, taskId: expect.any(String) as string, contextId: "t" });
    expect(transport.openTasks).toBe(0);
  });

  test("yields the text in parts with their places, then the result on the one event that is done", async () => {
    const { clock, transport } = agent();
    const all = collect(transport.stream(request("words", { payload: "a bc" })));
    await clock.advance(100);
    const events = await all;
    const [taskId] = new Set(events.map((event) => event.taskId));
    expect(new Set(events.map((event) => event.taskId)).size).toBe(1);
    expect(events).toEqual([
      { taskId, contextId: "t", text: "a", at: 0, done: false },
      { taskId, contextId: "t", text: "bc", at: 1, done: false },
      { taskId, contextId: "t", result: 4, done: true },
    ]);
  });

  test("passes tenant, priority, topic, meta and deadline on", async () => {
    const clock = new TestClock();
    const show = node("show", (message: Message<string>, ctx) => ({
      headers: { ...message.headers },
      meta: message.meta,
      deadlineAt: ctx.deadlineAt,
    }));
    const flow = tidy(create(show.to(), { clock }).run());
    const transport = new LoopbackTransport({ show: flow });
    const deadlineAt = clock.epochNow() + 500;
    const { result } = await transport.send(
      request("show", {
        payload: "x",
        headers: { tenant: "acme", topic: "birds", priority: 2 },
        meta: { lang: "de" },
        deadlineAt,
      }),
    );
    expect(result).toEqual({
      headers: { tenant: "acme", topic: "birds", priority: 2 },
      meta: { lang: "de" },
      deadlineAt,
    });
  });

  test("keeps a first result that is null", async () => {
    const two = payloadNode("two", async (_: string, ctx) => {
      await ctx.emit(null);
      return 5;
    });
    const flow = tidy(create(two.to()).run());
    const transport = new LoopbackTransport({ two: flow });
    expect(await transport.send(request("two", { payload: "x" }))).toMatchObject({ result: null });
  });

  test("rejects with the skill's error", async () => {
    const failing = payloadNode("failing", (_: string): number => {
      throw new Error("boom");
    });
    const transport = new LoopbackTransport({ failing: tidy(create(failing.to()).run()) });
    const error = (await rejection(transport.send(request("failing", { payload: "x" })))) as FlowError;
    expect(error).toMatchObject({ code: "REMOTE_FAILED", retryable: true, cause: { code: "NODE_EXCEPTION" } });
    expect((error.unwrap() as FlowError).unwrap()).toEqual(new Error("boom"));
    expect(transport.openTasks).toBe(0);
  });

  test("ends with the deadline that was passed on", async () => {
    const { clock, transport } = agent();
    const answer = rejection(
      transport.send(request("words", { payload: "a b c d", deadlineAt: clock.epochNow() + 15 })),
    );
    await clock.advance(15);
    expect(await within(1_000, answer)).toMatchObject({
      code: "REMOTE_FAILED",
      retryable: false,
      cause: { code: "DEADLINE_EXCEEDED" },
    });
  });

  test("names the skills there are when one is asked for that is not", async () => {
    const { transport } = agent();
    for (const skill of ["missing", "toString", "__proto__"]) {
      const error = (await rejection(transport.send(request(skill, { payload: "x" })))) as FlowError;
      expect(error.code).toBe("REMOTE_REFUSED");
      expect(error.message).toMatch(new RegExp(`no skill "${skill}".*"words"`));
    }
    expect(transport.openTasks).toBe(0);
  });

  test("ends a call when its signal aborts, and leaves its task to run on", async () => {
    const { clock, flow, transport } = agent();
    const controller = new AbortController();
    const answer = rejection(transport.send(request("words", { payload: "a b c" }, controller.signal)));
    await clock.advance(5);
    expect(flow.stats().traces).toBe(1);
    controller.abort(new Error("no longer wanted"));
    expect(await within(1_000, answer)).toEqual(new Error("no longer wanted"));
    expect(transport.openTasks).toBe(1);
    await clock.advance(50);
    expect(transport.openTasks).toBe(0);
    expect(flow.stats()).toMatchObject({ traces: 0, outcomes: { completed: 1 } });
  });

  test("takes nothing up when the caller's signal has aborted already", async () => {
    const { flow, transport } = agent();
    const answer = rejection(transport.send(request("words", { payload: "a" }, AbortSignal.abort(new Error("over")))));
    expect(await within(1_000, answer)).toBeInstanceOf(Error);
    expect(flow.stats().traces).toBe(0);
    expect(transport.openTasks).toBe(0);
  });

  test("ends the agent's trace when the task is cancelled; unknown and finished tasks are no error", async () => {
    const { clock, transport } = agent();
    let taskId = "";
    const asked = {
      ...request("words", { payload: "a b c" }),
      onTask: (task: { taskId: string }) => void ({ taskId } = task),
    };
    const events = transport.stream(asked);
    const rest = rejection(collect(events));
    await clock.advance(5);
    await transport.cancel(taskOf("unknown"));
    expect(transport.openTasks).toBe(1);
    await transport.cancel(taskOf(taskId));
    expect(await within(1_000, rest)).toMatchObject({ code: "REMOTE_FAILED", cause: { code: "TRACE_CANCELLED" } });
    await transport.cancel(taskOf(taskId));
    expect(transport.openTasks).toBe(0);
  });

  test("runs on when the reader leaves, and gives the whole answer to one who comes later", async () => {
    const { clock, transport } = agent();
    let taskId = "";
    const asked = {
      ...request("words", { payload: "a b c" }),
      onTask: (task: { taskId: string }) => void ({ taskId } = task),
    };
    const reading = (async () => {
      for await (const event of transport.stream(asked)) if (event.text === "a") break;
    })();
    await clock.advance(15);
    await within(1_000, reading);
    expect(transport.openTasks).toBe(1);
    const later = collect(transport.resubscribe(taskOf(taskId), asked));
    await clock.advance(50);
    const ids = { taskId, contextId: "t" };
    expect(await later).toEqual([
      { ...ids, text: "a", at: 0, done: false },
      { ...ids, text: "b", at: 1, done: false },
      { ...ids, text: "c", at: 2, done: false },
      { ...ids, result: 5, done: true },
    ]);
    expect(await collect(transport.resubscribe(taskOf(taskId), asked))).toEqual([
      { ...ids, text: "a", at: 0, done: false },
      { ...ids, text: "b", at: 1, done: false },
      { ...ids, text: "c", at: 2, done: false },
      { ...ids, result: 5, done: true },
    ]);
    expect(await rejection(collect(transport.resubscribe(taskOf(taskId, "rival"), asked)))).toMatchObject({
      code: "REMOTE_REFUSED",
    });
  });

  test("keeps the last hundred tasks that are over, and no more", async () => {
    let handled = 0;
    const echo = payloadNode("echo", (value: number) => {
      handled += 1;
      return value;
    });
    const transport = new LoopbackTransport({ echo: tidy(create(echo.to()).run()) });
    const ids: string[] = [];
    const onTask = ({ taskId }: { taskId: string }): void => void ids.push(taskId);
    for (let number = 0; number <= 100; number += 1)
      await transport.send({
        ...request("echo", { payload: number }),
        onTask,
        ...(number === 0 ? { idempotencyKey: "first" } : {}),
      });
    const asked = request("echo", { payload: 0 });
    const [oldest = "", next = ""] = ids;
    expect(await rejection(collect(transport.resubscribe(taskOf(oldest), asked)))).toMatchObject({
      message: 'Agent "x" has no task "' + oldest + '"',
    });
    expect(await collect(transport.resubscribe(taskOf(next), asked))).toMatchObject([{ result: 1, done: true }]);
    expect(handled).toBe(101);
    await transport.send({ ...asked, idempotencyKey: "first" });
    expect(handled, "a call that was forgotten is made again").toBe(102);
    await transport.send({ ...asked, idempotencyKey: "first" });
    expect(handled).toBe(102);
  });

  test("has the skill wait for a reader that takes its time", async () => {
    let sent = 0;
    const many = payloadNode("many", async (count: number, ctx) => {
      for (; sent < count; sent += 1) await ctx.emitChunk({ text: "x" });
      return sent;
    });
    const transport = new LoopbackTransport({ many: tidy(create(many.to(), { streamWindow: 1 }).run()) });
    const events = transport.stream(request("many", { payload: 1_000 }));
    await events.next();
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
    expect(sent).toBeGreaterThan(60);
    expect(sent).toBeLessThan(80);
    expect((await collect(events)).at(-1)).toMatchObject({ result: 1_000, done: true });
  });

  test("passes on what is left of a budget, and the conversation that is continued", async () => {
    const plan = payloadNode("plan", (wm: WM) => ({ budgetHops: wm.budgetHops, budgetTokens: wm.budgetTokens }));
    const transport = new LoopbackTransport({ plan: tidy(create(plan.to()).run()) });
    const asked = request("plan", { payload: new WM({ query: "q", hops: 1, budgetTokens: 50 }) });
    const answer = await transport.send({
      ...asked,
      budget: { hops: 2, tokens: null },
      continues: { contextId: "talk" },
    });
    expect(answer).toMatchObject({ result: { budgetHops: 3, budgetTokens: 50 }, contextId: "talk" });
    const { taskId } = answer;
    const next = { ...asked, idempotencyKey: "next", continues: { taskId } };
    expect(await rejection(transport.send(next))).toMatchObject({
      code: "REMOTE_REFUSED",
    });
  });

  test("runs calls of one trace id side by side, since each has a task of its own", async () => {
    const { clock, transport } = agent();
    const both = Promise.all([
      transport.send(request("words", { payload: "a" })),
      transport.send(request("words", { payload: "abc" })),
    ]);
    await clock.advance(100);
    const [one, other] = await both;
    expect([one.result, other.result]).toEqual([1, 3]);
    expect(one.taskId).not.toBe(other.taskId);
  });
});
