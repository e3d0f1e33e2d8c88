import { describe, expect, test } from "vitest";
import {
  create,
  type FlowEvent,
  type FlowEventType,
  type FlowOptions,
  joinK,
  LoopbackTransport,
  MemoryCheckpointStore,
  type Message,
  type PauseTicket,
  node,
  payloadNode,
  predicateRouter,
  remoteNode,
  type RouteChoice,
  shape,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { recorder, tidy, within } from "../fixtures/watched-flow.ts";

const START = Date.UTC(2026, 0, 1);

/** Creates a flow's options, and a record of its events. */
function watched(options: FlowOptions = {}) {
  const clock = new TestClock();
  const watch = recorder();
  return { clock, ...watch, options: { clock, name: "docs", middlewares: [watch.middleware], ...options } };
}
const echo = payloadNode("echo", (value: number) => value);
const sleeper = (policy: { concurrency?: number; timeoutMs?: number } = {}) =>
  payloadNode({ name: "sleeper", policy }, async (ms: number, ctx) => {
    await ctx.sleep(ms);
    return ms;
  });
/** Creates a node that ignores its signal. */
const stubborn = (clock: TestClock, policy: { timeoutMs?: number } = {}) =>
  payloadNode({ name: "stubborn", policy }, async (ms: number) => {
    await new Promise<void>((resolve) => clock.setTimer(resolve, ms));
    return ms;
  });

describe("every event", () => {
  test("carries time, flow, trace and tenant, and those of nodes attempt, queue depth and work in flight", async () => {
    const { clock, options, events } = watched();
    const flow = tidy(create(sleeper({ concurrency: 2 }).to(), options).run());
    await clock.advance(5);
    const outcomes = [1, 2, 3].map((index) => flow.outcome(10, { traceId: `t${index}`, tenant: "acme" }));
    await clock.advance(100);
    await Promise.all(outcomes);
    await flow.flush();
    for (const event of events) {
      expect(event).toMatchObject({
        flow: "docs",
        tenant: "acme",
        traceId: expect.stringMatching(/^t[123]$/) as string,
      });
      expect(event.at).toBeGreaterThanOrEqual(START + 5);
      expect(Object.isFrozen(event)).toBe(true);
    }
    const starts = events.filter((event) => event.type === "node_start");
    expect(starts.map(({ traceId, attempt }) => [traceId, attempt])).toEqual([
      ["t1", 1],
      ["t2", 1],
      ["t3", 1],
    ]);
    expect(starts[2]).toMatchObject({ queueDepth: 0, at: START + 15 });
    for (const { inflight, queueDepth } of starts) {
      expect(inflight).toBeGreaterThanOrEqual(1);
      expect(inflight).toBeLessThanOrEqual(2);
      expect(queueDepth).toBeLessThanOrEqual(1);
    }
  });
});

describe("a trace that completes", () => {
  test("is reported as start, its nodes, end", async () => {
    const { options, events } = watched();
    const flow = tidy(create(echo.to(), options).run());
    await flow.call(1, { traceId: "t", topic: "birds" });
    await flow.flush();
    const base = { at: START, flow: "docs", traceId: "t", tenant: "default" };
    expect(events[0]).toEqual({ ...base, seq: 1, type: "trace_start", topic: "birds" });
    expect(events.at(-1)).toEqual({
      ...base,
      seq: 4,
      type: "trace_end",
      status: "completed",
      durationMs: 0,
      results: 1,
    });
    expect(events.map((event) => event.type)).toEqual(["trace_start", "node_start", "node_success", "trace_end"]);
  });

  test("reports how long each message waited, ran, and was sent, once each", async () => {
    const { clock, options, of } = watched({ queueMaxSize: 1 });
    const first = payloadNode({ name: "first", policy: { concurrency: 1 } }, async (ms: number, ctx) => {
      await ctx.sleep(7);
      return ms;
    });
    const flow = tidy(create(first.to(sleeper({ concurrency: 1 })), options).run());
    const calls = [100, 100, 100].map((ms, index) => flow.call(ms, { traceId: `t${index}` }));
    await clock.advance(1_000);
    await Promise.all(calls);
    await flow.flush();
    const split = (name: string) =>
      of("node_success")
        .filter((event) => event.node === name)
        .map(({ traceId, queueMs, runMs, emitMs, latencyMs }) => [traceId, queueMs, runMs, emitMs, latencyMs]);
    // t0 starts at 0, t1 at 7, t2 at 14; sleeper takes t0 at 7, t1 at 107, t2 at 207: the third waits for its place
    expect(split("first")).toEqual([
      ["t0", 0, 7, 0, 7],
      ["t1", 7, 7, 0, 7],
      ["t2", 14, 7, 86, 93],
    ]);
    expect(split("sleeper")).toEqual([
      ["t0", 0, 100, 0, 100],
      ["t1", 93, 100, 0, 100],
      ["t2", expect.any(Number), 100, 0, 100],
    ]);
    expect(of("node_start").map(({ traceId, queueMs }) => [traceId, queueMs])).toEqual(
      expect.arrayContaining([
        ["t1", 7],
        ["t2", 14],
        ["t1", 93],
      ]),
    );
  });

  test("reports success of a node only when everything it sent was accepted", async () => {
    const { clock, options, events } = watched({ queueMaxSize: 1 });
    const burst = payloadNode("burst", async (many: number, ctx) => {
      for (let index = 0; index < many; index += 1) await ctx.emit(10, { to: "sleeper" });
      return 10;
    });
    const flow = tidy(create(burst.to(sleeper({ concurrency: 1 })), options).run());
    const call = flow.call(2);
    await clock.advance(100);
    await call;
    await flow.flush();
    const success = events.findIndex((event) => event.type === "node_success" && event.node === "burst");
    expect(events[success]).toMatchObject({ runMs: 0, emitMs: 10, latencyMs: 10 });
  });
});

describe("an attempt that fails", () => {
  test("is reported as error, retry and, when no retry is left, failed, each with the structured error", async () => {
    const { clock, options, events, of } = watched();
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 50, jitter: 0 } },
      async (_: number, ctx) => {
        await ctx.sleep(3);
        throw new RangeError("too far", { cause: new TypeError("no map") });
      },
    );
    const flow = tidy(create(flaky.to(), options).run());
    const outcome = flow.outcome(1, { traceId: "t" });
    await clock.advance(100);
    await outcome;
    await flow.flush();
    expect(events.map((event) => event.type)).toEqual([
      "trace_start",
      "node_start",
      "node_error",
      "node_retry",
      "node_start",
      "node_error",
      "node_failed",
      "trace_end",
    ]);
    expect(of("node_retry")).toMatchObject([{ attempt: 1, delayMs: 50, node: "flaky" }]);
    expect(of("node_start").map((event) => event.attempt)).toEqual([1, 2]);
    for (const [index, event] of of("node_error").entries()) {
      expect(event).toMatchObject({
        attempt: index + 1,
        latencyMs: 3,
        error: {
          name: "FlowError",
          code: "NODE_EXCEPTION",
          node: "flaky",
          traceId: "t",
          attempt: index + 1,
          latencyMs: 3,
          retryable: true,
          cause: { name: "RangeError", message: "too far", cause: { name: "TypeError", message: "no map" } },
        },
      });
      expect(event.error.cause?.stack).toContain("flow-event.test");
      expect(event.error.stack).toBeDefined();
      expect(JSON.parse(JSON.stringify(event.error))).toEqual(event.error);
    }
    expect(of("node_failed")).toMatchObject([{ attempt: 2, error: of("node_error")[1]!.error }]);
    expect(of("trace_end")).toMatchObject([{ status: "failed", error: of("node_error")[1]!.error }]);
  });

  test("by validation says so in its code, and is no retry", async () => {
    const { options, events, of } = watched();
    const strict = payloadNode(
      { name: "strict", input: shape<number>(), output: shape<never>(), policy: { maxRetries: 3 } },
      () => {
        throw Object.assign(new Error("never mind"), { retryable: false });
      },
    );
    const flow = tidy(create(strict.to(), options).run());
    await flow.outcome(1);
    await flow.flush();
    expect(events.filter((event) => event.type === "node_retry")).toEqual([]);
    expect(of("node_failed")).toHaveLength(1);
  });

  test("by its timeout is reported as node_timeout with the error, and its late return as node_late", async () => {
    const clock = new TestClock();
    const watch = recorder();
    const flow = tidy(
      create(stubborn(clock, { timeoutMs: 20 }).to(), { clock, middlewares: [watch.middleware], graceMs: 100 }).run(),
    );
    const outcome = flow.outcome(50);
    await clock.advance(60);
    expect((await outcome).status).toBe("failed");
    await flow.flush();
    expect(watch.types()).toEqual([
      "trace_start",
      "node_start",
      "node_timeout",
      "node_failed",
      "trace_end",
      "node_late",
    ]);
    expect(watch.of("node_timeout")).toMatchObject([
      { node: "stubborn", attempt: 1, latencyMs: 20, error: { code: "NODE_TIMEOUT", retryable: true, latencyMs: 20 } },
    ]);
    expect(watch.of("node_late")).toMatchObject([{ node: "stubborn", at: START + 50 }]);
  });
});

describe("a trace that is cancelled", () => {
  test("is told from trace_cancel_start to trace_cancel_finish, with what was dropped and aborted between", async () => {
    const { clock, options, types, of, events } = watched();
    const flow = tidy(create(sleeper({ concurrency: 1 }).to(), options).run());
    await flow.emit(50, { traceId: "t" });
    await flow.emit(50, { traceId: "t" });
    await clock.advance(10);
    await within(1_000, flow.cancel("t", { reason: new Error("user left") }));
    await flow.flush();
    expect(of("trace_cancel_start")).toMatchObject([{ reason: "user left", at: START + 10 }]);
    expect(of("message_drop")).toMatchObject([
      { node: "sleeper", reason: expect.stringContaining("cancelled") as string },
    ]);
    expect(of("node_cancelled")).toMatchObject([{ node: "sleeper", attempt: 1 }]);
    expect(of("trace_cancel_finish")).toMatchObject([{ dropped: 1, aborted: 1, zombies: 0, traceId: "t" }]);
    expect(types()).toEqual([
      "trace_start",
      "node_start",
      "trace_cancel_start",
      "message_drop",
      "node_cancelled",
      "trace_end",
      "trace_cancel_finish",
    ]);
    expect(events.at(-2)).toMatchObject({ status: "cancelled", error: { code: "TRACE_CANCELLED" } });
  });

  test("reports a handler that will not stop as a zombie", async () => {
    const clock = new TestClock();
    const watch = recorder();
    const flow = tidy(create(stubborn(clock).to(), { clock, middlewares: [watch.middleware], graceMs: 100 }).run());
    const outcome = flow.outcome(500, { traceId: "t" });
    await clock.advance(10);
    const report = flow.cancel("t");
    await clock.advance(100);
    expect(await within(1_000, report)).toEqual({ found: true, dropped: 0, aborted: 1, zombies: 1 });
    expect((await outcome).status).toBe("cancelled");
    await flow.flush();
    expect(watch.types().slice(2)).toEqual([
      "trace_cancel_start",
      "node_cancelled",
      "trace_end",
      "node_zombie",
      "trace_cancel_finish",
    ]);
    expect(watch.of("node_zombie")).toMatchObject([{ node: "stubborn", at: START + 110 }]);
    expect(watch.of("trace_cancel_finish")).toMatchObject([{ zombies: 1 }]);
    await clock.advance(500);
    await flow.flush();
    expect(watch.types().at(-1)).toBe("node_late");
  });

  test("cancelled again, or when it has ended, is no event", async () => {
    const { options, types } = watched();
    const flow = tidy(create(echo.to(), options).run());
    await flow.call(1, { traceId: "t" });
    expect(await flow.cancel("t")).toMatchObject({ found: false });
    await flow.flush();
    expect(types()).not.toContain("trace_cancel_start");
  });
});

describe("what is given up is told", () => {
  test("as deadline_skip when its deadline passed while it waited", async () => {
    const { clock, options, of } = watched();
    const flow = tidy(create(sleeper({ concurrency: 1 }).to(), options).run());
    const first = flow.outcome(100, { traceId: "first" });
    const second = flow.outcome(100, { traceId: "second", timeoutMs: 50 });
    await clock.advance(100);
    await Promise.all([first, second]);
    await flow.flush();
    expect(of("deadline_skip")).toMatchObject([{ traceId: "second", node: "sleeper", at: START + 50 }]);
    expect(of("trace_end").find((event) => event.traceId === "second")).toMatchObject({
      status: "exhausted",
      error: { code: "DEADLINE_EXCEEDED" },
    });
  });

  test("as message_drop when it waited for a retry", async () => {
    const { clock, options, of } = watched();
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 1_000, jitter: 0 } },
      (): number => {
        throw new Error("busy");
      },
    );
    const flow = tidy(create(flaky.to(), options).run());
    const outcome = flow.outcome(1, { traceId: "t" });
    await clock.advance(10);
    expect(await within(1_000, flow.cancel("t"))).toMatchObject({ dropped: 1, aborted: 0 });
    await outcome;
    await flow.flush();
    expect(of("message_drop")).toMatchObject([{ node: "flaky", traceId: "t" }]);
  });

  test("as message_drop when another node failed", async () => {
    const { clock, options, of } = watched();
    const split = payloadNode("split", (ms: number) => ms);
    const failing = payloadNode("failing", async (_: number, ctx) => {
      await ctx.sleep(5);
      throw new Error("boom");
    });
    const pass = payloadNode("pass", async (ms: number, ctx) => {
      await ctx.emit(ms, { to: "sleeper" });
      await ctx.emit(ms, { to: "sleeper" });
    });
    const flow = tidy(create(split.to(failing, pass), pass.to(sleeper({ concurrency: 1 }) as never), options).run());
    const outcome = flow.outcome(100);
    await clock.advance(10);
    expect((await outcome).status).toBe("failed");
    await flow.flush();
    expect(of("message_drop")).toMatchObject([{ node: "sleeper", reason: expect.stringContaining("boom") as string }]);
    expect(of("node_cancelled")).toMatchObject([{ node: "sleeper" }]);
  });

  test("as result_drop when the caller wanted fewer results", async () => {
    const { options, of } = watched({ limits: { maxResults: 2 } });
    const many = payloadNode("many", async (count: number, ctx) => {
      for (let index = 0; index < count; index += 1) await ctx.emit(index);
      return undefined as number | undefined;
    });
    const flow = tidy(create(many.to(), options).run());
    expect(await flow.outcome(5, { traceId: "kept2" })).toMatchObject({ results: [0, 1], droppedResults: 3 });
    expect(await flow.call(3, { traceId: "kept1" })).toBe(0);
    await flow.flush();
    expect(of("result_drop").filter((event) => event.traceId === "kept2")).toHaveLength(3);
    expect(of("result_drop").filter((event) => event.traceId === "kept1")).toHaveLength(2);
    expect(of("result_drop")[0]).toMatchObject({ node: "many", reason: expect.any(String) as string });
    expect(flow.stats().droppedResults).toBe(5);
  });

  test("as trace_end with the diagnosis when nothing reached the Rookery", async () => {
    const { options, events } = watched();
    const nothing = payloadNode("nothing", (_: number) => undefined as number | undefined);
    const flow = tidy(create(nothing.to(), options).run());
    await flow.outcome(1);
    await flow.flush();
    expect(events.at(-1)).toMatchObject({
      type: "trace_end",
      status: "empty",
      results: 0,
      error: { code: "NO_RESULT", message: expect.stringContaining("nothing") as string },
    });
  });
});

test("trace_end is the last event of a trace whose handlers have all returned, and comes exactly once", async () => {
  const { clock, options, events } = watched();
  const work = payloadNode("work", async (kind: number, ctx) => {
    await ctx.sleep(kind);
    if (kind % 3 === 0) throw new Error("third");
    return kind % 5 === 0 ? undefined : kind;
  });
  const flow = tidy(create(work.to(), options).run());
  const outcomes = Array.from({ length: 40 }, (_, kind) =>
    flow.outcome(kind, { traceId: `t${kind}`, ...(kind % 7 === 0 ? { timeoutMs: 5 } : {}) }),
  );
  await clock.advance(8);
  await flow.cancel("t31");
  await clock.advance(100);
  await Promise.all(outcomes);
  await flow.flush();
  const byTrace = Map.groupBy(events, (event) => event.traceId);
  expect(byTrace.size).toBe(40);
  for (const [traceId, own] of byTrace) {
    const types = own.map((event) => event.type).filter((type) => type !== "trace_cancel_finish");
    expect([traceId, types[0], types.at(-1)]).toEqual([traceId, "trace_start", "trace_end"]);
    expect(types.filter((type) => type === "trace_end")).toHaveLength(1);
  }
});

/** One way to produce each kind of event; the compiler checks that none is missing. */
const ways: Record<
  Exclude<FlowEventType, `app.${string}`>,
  (options: FlowOptions, clock: TestClock) => Promise<unknown>
> = {
  trace_start: completes,
  trace_end: completes,
  node_start: completes,
  node_success: completes,
  node_error: fails,
  node_retry: fails,
  node_failed: fails,
  node_fallback: async (options) => {
    const broken = payloadNode({ name: "broken", policy: { onFailed: () => 0 } }, (): number => {
      throw new Error("broken");
    });
    const flow = tidy(create(broken.to(), options).run());
    await flow.call(1);
    await flow.flush();
  },
  node_timeout: timesOut,
  node_late: timesOut,
  node_zombie: timesOut,
  node_cancelled: isCancelled,
  message_drop: isCancelled,
  trace_cancel_start: isCancelled,
  trace_cancel_finish: isCancelled,
  node_pause: pausesAndGoesOn,
  trace_pause: pausesAndGoesOn,
  trace_unload: async (options, clock) => {
    const ask = payloadNode("ask", async (n: number, ctx) => n + (await ctx.pause<number>({ reason: "?" })));
    const durability = durable({ checkpoints: new MemoryCheckpointStore({ clock }), unloadAfterMs: 10 });
    await using flow = create(ask.to(), { ...options, durability });
    flow.run();
    await flow.outcome(1);
    await clock.advance(10);
    await flow.flush();
  },
  node_resume: pausesAndGoesOn,
  node_sleep: async (options, clock) => {
    const nap = payloadNode("nap", async (n: number, ctx) => {
      await ctx.sleep(10, { name: "nap" });
      return n;
    });
    const flow = tidy(create(nap.to(), options).run());
    const called = flow.call(1);
    await clock.advance(10);
    await called;
    await flow.flush();
  },
  signal_accept: signalled,
  signal_wait: signalled,
  signal_drop: signalled,
  deadline_skip: async (options, clock) => {
    const flow = tidy(create(sleeper({ concurrency: 1 }).to(), options).run());
    const outcomes = [flow.outcome(10), flow.outcome(10, { timeoutMs: 5 })];
    await clock.advance(20);
    await Promise.all(outcomes);
    await flow.flush();
  },
  route_drop: async (options) => {
    const router = predicateRouter("router", (_: Message<number>): RouteChoice => null);
    const flow = tidy(create(router.to(echo), options).run());
    await flow.outcome(1);
    await flow.flush();
  },
  result_drop: async (options) => {
    const twice = payloadNode("twice", async (value: number, ctx) => {
      await ctx.emit(value);
      return value;
    });
    const flow = tidy(create(twice.to(), options).run());
    await flow.call(1);
    await flow.flush();
  },
  join_wait: async (options) => {
    const flow = tidy(create(joinK("join", 1, { input: shape<number>() }).to(), options).run());
    await flow.call(1);
    await flow.flush();
  },
  remote_call_start: callsAgents,
  remote_stream_event: callsAgents,
  remote_call_success: callsAgents,
  remote_call_error: callsAgents,
  remote_call_cancelled: callsAgents,
  deadlock: async (options, clock) => {
    type Ball = { hops: number };
    const ping = node("ping", async (message: Message<Ball>, ctx) => {
      for (let copy = 0; copy < 40; copy += 1)
        await ctx.emit(message.with({ payload: { hops: message.payload.hops + 1 } }));
      return undefined as Ball | undefined;
    });
    const pong = node("pong", async (message: Message<Ball>, ctx) => {
      for (let copy = 0; copy < 40; copy += 1)
        await ctx.emit(message.with({ payload: { hops: message.payload.hops + 1 } }));
      return undefined as Ball | undefined;
    });
    const start = node("start", (message: Message<Ball>) => message);
    const flow = tidy(
      create(start.to(ping), ping.to(pong), pong.to(ping as never), {
        ...options,
        allowCycles: true,
        queueMaxSize: 1,
      }).run(),
    );
    const outcome = flow.outcome({ hops: 0 });
    await clock.advance(10);
    expect(await within(2_000, outcome)).toMatchObject({ status: "failed", error: { code: "DEADLOCK" } });
    await flow.flush();
  },
};

test.each(Object.entries(ways))("%s is really sent", async (type, way) => {
  const { clock, options, events } = watched({ graceMs: 20 });
  await way(options, clock);
  const found = events.find((event): event is FlowEvent => event.type === type);
  expect(found).toBeDefined();
  expect(JSON.parse(JSON.stringify(found))).toMatchObject({ type, flow: "docs", tenant: "default" });
});

async function completes(options: FlowOptions): Promise<void> {
  const flow = tidy(create(echo.to(), options).run());
  await flow.call(1);
  await flow.flush();
}

async function fails(options: FlowOptions, clock: TestClock): Promise<void> {
  const failing = payloadNode({ name: "failing", policy: { maxRetries: 1, jitter: 0 } }, (): number => {
    throw new Error("boom");
  });
  const flow = tidy(create(failing.to(), options).run());
  const outcome = flow.outcome(1);
  await clock.advance(1_000);
  await outcome;
  await flow.flush();
}

async function timesOut(options: FlowOptions, clock: TestClock): Promise<void> {
  const flow = tidy(create(stubborn(clock, { timeoutMs: 10 }).to(), options).run());
  const outcome = flow.outcome(100);
  await clock.advance(200);
  await outcome;
  await flow.flush();
}

/** Calls an agent that answers, one that fails, and one that is abandoned. */
async function callsAgents(options: FlowOptions, clock: TestClock): Promise<void> {
  const work = payloadNode("work", async (value: number, ctx) => {
    await ctx.emitChunk({ text: "begun" });
    await ctx.sleep(value);
    if (value === 2) throw new Error("boom");
    return value;
  });
  const agent = tidy(create(work.to(), { clock }).run());
  const remote = {
    transport: new LoopbackTransport({ work: agent }),
    agentUrl: "agent",
    skill: "work",
    streaming: true,
  };
  const flow = tidy(create(remoteNode("remote", remote).to(), options).run());
  const outcomes = [flow.outcome(1), flow.outcome(2), flow.outcome(100, { timeoutMs: 5 })];
  await clock.advance(10);
  await Promise.all(outcomes);
  await clock.advance(0);
  await flow.flush();
}

/** Waits for a signal and is sent two. */
async function signalled(options: FlowOptions): Promise<void> {
  const listen = payloadNode("listen", async (_: number, ctx) => (await ctx.signals("steer").next()).value);
  const flow = tidy(create(listen.to(), options).run());
  const called = flow.call(1, { traceId: "t" });
  await settle();
  await Promise.all([flow.signal("t", "steer", "left"), flow.signal("t", "steer", "right")]);
  await called;
  await flow.flush();
}

async function pausesAndGoesOn(options: FlowOptions): Promise<void> {
  const ask = payloadNode("ask", async (_: number, ctx) => await ctx.pause<number>({ reason: "how many?" }));
  const flow = tidy(create(ask.to(), options).run());
  const paused = await flow.outcome(1);
  if (paused.status === "paused") await flow.pauses.resume((paused.pauses[0] as PauseTicket).token, 2);
  await flow.flush();
}

async function isCancelled(options: FlowOptions, clock: TestClock): Promise<void> {
  const flow = tidy(create(sleeper({ concurrency: 1 }).to(), options).run());
  await flow.emit(100, { traceId: "t" });
  await flow.emit(100, { traceId: "t" });
  await clock.advance(1);
  await flow.cancel("t");
  await flow.flush();
}
