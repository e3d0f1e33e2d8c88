import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "vitest";
import {
  type Context,
  create,
  type FallbackContext,
  FlowError,
  type FlowEvent,
  joinK,
  limiter,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  type Policy,
  shape,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { z } from "zod";
import { CutCheckpoints } from "../../durable/cut-checkpoint-store.ts";
import { logbook, recorder, rejection, tidy, within } from "../../fixtures/watched-flow.ts";

const broken = (): number => {
  throw new Error("broken");
};
const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const typesOf = (events: readonly FlowEvent[]): string[] =>
  events.map(({ type }) => type).filter((type) => type.startsWith("node_"));

describe("a failure that becomes a value", () => {
  test("is sent on as the node's output, with the message's envelope, and the trace completes", async () => {
    const asked: unknown[] = [];
    const policy = {
      onFailed: (error: FlowError, message: Message<number>) => {
        asked.push([error.code, error.unwrap(), message.payload]);
        return -message.payload;
      },
    };
    const double = payloadNode("double", (value: number) => value * 2);
    const flow = tidy(create(node({ name: "broken", policy }, (_: Message<number>) => broken()).to(double)).run());
    const outcome = await within(1_000, flow.outcome(4, { tenant: "acme", traceId: "t" }));
    expect(outcome).toMatchObject({ status: "completed", results: [-8], traceId: "t" });
    expect(asked).toEqual([["NODE_EXCEPTION", new Error("broken"), 4]]);
    expect(flow.stats()).toMatchObject({ traces: 0 });
  });

  test("may be a message, or nothing at all", async () => {
    const envelope = node(
      { name: "envelope", policy: { onFailed: (_, message) => message.with({ payload: 7, meta: { failed: true } }) } },
      (_: Message<number>) => broken(),
    );
    const read = node("read", (message: Message<number>) => [message.payload, message.meta["failed"]]);
    const silent = payloadNode({ name: "silent", policy: { onFailed: () => {} } }, (_: number) => broken());
    expect(await tidy(create(envelope.to(read)).run()).call(1)).toEqual([7, true]);
    expect(await tidy(create(silent.to()).run()).outcome(1)).toMatchObject({ status: "empty" });
  });

  test("comes after the last retry; what the last attempt emitted and held back is dropped", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0, onFailed: () => 0 } },
      async (value: number, ctx) => {
        await ctx.emit(value + ctx.attempt);
        return broken();
      },
    );
    const flow = tidy(create(flaky.to(), { clock, middlewares: [seen.middleware] }).run());
    const outcome = flow.outcome(5);
    await clock.advance(50);
    expect(await within(1_000, outcome)).toMatchObject({ status: "completed", results: [0] });
    await flow.flush();
    expect(typesOf(seen.events)).toEqual([
      "node_start",
      "node_error",
      "node_retry",
      "node_start",
      "node_error",
      "node_fallback",
    ]);
    expect(seen.of("node_fallback")).toMatchObject([{ node: "flaky", attempt: 2, error: { code: "NODE_EXCEPTION" } }]);
  });

  test("follows what a node without retries has emitted before", async () => {
    const chatty = payloadNode({ name: "chatty", policy: { onFailed: () => 0 } }, async (value: number, ctx) => {
      await ctx.emit(value + 1);
      await ctx.emit(value + 2);
      return broken();
    });
    const keys = new Set<string>();
    const end = payloadNode("end", (value: number, ctx) => {
      keys.add(ctx.idempotencyKey);
      return value;
    });
    expect(await tidy(create(chatty.to(end)).run()).outcome(1)).toMatchObject({ results: [2, 3, 0] });
    expect(keys.size).toBe(3);
  });

  test.each([
    ["throws", 0],
    ["times out", 1_000],
  ])("follows what waits for room when its handler %s: each is sent once, in order", async (_what, delayMs) => {
    const clock = new TestClock();
    const open = Promise.withResolvers<void>();
    const chatty = payloadNode(
      { name: "chatty", policy: { timeoutMs: 10, onFailed: () => 0 } },
      async (value: number, ctx) => {
        for (let more = 1; more < 6; more += 1) ctx.emit(value + more).catch(() => {});
        await ctx.sleep(delayMs);
        return broken();
      },
    );
    const end = payloadNode({ name: "end", policy: { concurrency: 1 } }, async (value: number) => {
      await open.promise;
      return value;
    });
    const flow = tidy(create(chatty.to(end), { clock, queueMaxSize: 1 }).run());
    const outcome = flow.outcome(0);
    await clock.advance(20);
    open.resolve();
    expect(await within(1_000, outcome)).toMatchObject({ status: "completed", results: [1, 2, 3, 4, 5, 0] });
  });

  test("gives the messages that the failed handler fetched back to the node", async () => {
    const greedy = payloadNode(
      { name: "greedy", policy: { onFailed: (_, message) => -Number(message.payload) } },
      async (value: number, ctx) => {
        if (value !== 1) return value;
        await ctx.fetch();
        return broken();
      },
    );
    const source = payloadNode("source", async (_: null, ctx) => {
      await ctx.emit(1);
      await ctx.emit(2);
      return 3;
    });
    const outcome = await within(1_000, tidy(create(source.to(greedy)).run()).outcome(null));
    expect(outcome).toMatchObject({ status: "completed" });
    expect(new Set(outcome.results)).toEqual(new Set([-1, 2, 3]));
  });

  test("replaces a timeout at once; the handler keeps its slot until it returns, and what it does then is too late", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const started: number[] = [];
    let late: unknown;
    const stubborn = payloadNode(
      { name: "stubborn", policy: { timeoutMs: 10, concurrency: 1, onFailed: (error) => codeOf(error) } },
      async (value: number, ctx) => {
        started.push(clock.now());
        await new Promise<void>((resolve) => clock.setTimer(resolve, 40));
        late ??= await rejection(Promise.resolve().then(() => ctx.emit("late")));
        return value;
      },
    );
    const flow = tidy(create(stubborn.to(), { clock, middlewares: [seen.middleware], graceMs: 1_000 }).run());
    const outcomes = [flow.outcome(1), flow.outcome(2)];
    await clock.advance(11);
    expect(await within(1_000, outcomes[0] as Promise<unknown>)).toMatchObject({ results: ["NODE_TIMEOUT"] });
    expect(started).toEqual([0]);
    await clock.advance(100);
    expect(await within(1_000, outcomes[1] as Promise<unknown>)).toMatchObject({ results: ["NODE_TIMEOUT"] });
    expect(started).toEqual([0, 40]);
    expect(codeOf(late)).toBe("NODE_TIMEOUT");
    await flow.flush();
    expect(typesOf(seen.events).filter((type) => type !== "node_start" && type !== "node_late")).toEqual([
      "node_timeout",
      "node_fallback",
      "node_timeout",
      "node_fallback",
    ]);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0, zombies: 0 });
  });

  test("waits for room like any output, and holds the slot meanwhile: no more messages are taken", async () => {
    const clock = new TestClock();
    let handled = 0;
    const open = Promise.withResolvers<void>();
    const times = payloadNode(
      { name: "times", policy: { timeoutMs: 5, concurrency: 1, onFailed: (_, { payload }) => Number(payload) } },
      async (value: number, ctx) => {
        handled += 1;
        await ctx.sleep(1_000);
        return value;
      },
    );
    const blocked = payloadNode({ name: "blocked", policy: { concurrency: 1 } }, async (value: number) => {
      await open.promise;
      return value;
    });
    const flow = tidy(create(times.to(blocked), { clock, queueMaxSize: 1 }).run());
    const results = [1, 2, 3, 4, 5, 6].map((value) => flow.call(value));
    for (let ms = 0; ms < 20; ms += 1) await clock.advance(5);
    // one in the blocked handler, one on its edge, one that waits for room
    expect(handled).toBe(3);
    open.resolve();
    for (let ms = 0; ms < 20; ms += 1) await clock.advance(5);
    expect(await within(1_000, Promise.all(results))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0 });
  });

  test("returns the limiter's permit when its handler has returned, though its value still waits for room", async () => {
    const clock = new TestClock();
    const open = Promise.withResolvers<void>();
    const shared = limiter({ concurrency: 1 });
    const times = payloadNode(
      { name: "times", policy: { timeoutMs: 5, limiter: shared, onFailed: (_, { payload }) => Number(payload) } },
      async (value: number, ctx) => {
        await ctx.sleep(1_000);
        return value;
      },
    );
    const throws = payloadNode({ name: "throws", policy: { limiter: shared, onFailed: () => 0 } }, (_: number) =>
      broken(),
    );
    const blocked = payloadNode({ name: "blocked", policy: { concurrency: 1 } }, async (value: number) => {
      await open.promise;
      return value;
    });
    const echo = payloadNode({ name: "echo", policy: { limiter: shared } }, (text: string) => text);
    const flow = tidy(create(times.to(blocked), throws.to(blocked), { clock, queueMaxSize: 1 }).run());
    const other = tidy(create(echo.to()).run());
    const results = [1, 2, 3].map((value) => flow.call(value, { to: "times" }));
    for (let ms = 0; ms < 10; ms += 1) await clock.advance(5);
    results.push(flow.call(4, { to: "throws" }));
    await settle();
    expect(await within(1_000, other.call("served"))).toBe("served");
    open.resolve();
    for (let ms = 0; ms < 10; ms += 1) await clock.advance(5);
    expect(await within(1_000, Promise.all(results))).toEqual([1, 2, 3, 0]);
  });

  test("keeps the order of its trace", async () => {
    const odd = payloadNode(
      { name: "odd", policy: { timeoutMs: 5, onFailed: (_, { payload }) => Number(payload) } },
      async (value: number, ctx) => {
        if (value % 3 === 1) return broken();
        if (value % 3 === 2) await ctx.sleep(50);
        return value;
      },
    );
    const source = payloadNode("source", async (_: null, ctx) => {
      for (let value = 1; value < 9; value += 1) await ctx.emit(value);
    });
    const clock = new TestClock();
    const flow = tidy(create(source.to(odd as never), { clock, queueMaxSize: 2 }).run());
    const outcome = flow.outcome(null);
    await clock.advance(500);
    expect((await within(1_000, outcome)).results).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test("covers invalid input and output; the message is the one that was sent", async () => {
    const seen: unknown[] = [];
    const strict = payloadNode(
      {
        name: "strict",
        input: z.string().transform(Number),
        output: z.number().max(9).transform(String),
        policy: {
          onFailed: (error, message) => {
            seen.push([error.code, message.payload]);
            return 0;
          },
        },
      },
      (value) => value,
    );
    const flow = tidy(create(strict.to()).run());
    expect(await flow.call("12")).toBe("0");
    expect(await flow.call(5 as never)).toBe("0");
    expect(await flow.call("3")).toBe("3");
    expect(seen).toEqual([
      ["OUTPUT_INVALID", "12"],
      ["INPUT_INVALID", 5],
    ]);
  });

  const unusable: [string, Policy<unknown, unknown>][] = [
    ["throws", { onFailed: () => broken() }],
    ["does not fit the output schema", { onFailed: () => "text" }],
    ["rejects", { onFailed: () => Promise.reject(new Error("later")) }],
    ["resolves with a value that does not fit the output schema", { onFailed: async () => "text" }],
    ["gives a reason that is no text", { onFailed: (_, __, ctx) => ctx.because(7 as never) }],
  ];
  test.each(unusable)("that %s is logged, and the trace fails with the first failure", async (_what, policy) => {
    const logger = logbook();
    const seen = recorder();
    const bad = payloadNode(
      { name: "bad", output: z.number(), policy: policy as Policy<unknown, number> },
      (): number => {
        throw new Error("first");
      },
    );
    const flow = tidy(create(bad.to(), { logger, middlewares: [seen.middleware] }).run());
    const outcome = await within(1_000, flow.outcome(1));
    expect(outcome).toMatchObject({ status: "failed", error: { code: "NODE_EXCEPTION" } });
    expect(outcome).toHaveProperty("error.message", 'Node "bad" failed: first');
    await flow.flush();
    expect(typesOf(seen.events)).toEqual(["node_start", "node_error", "node_failed"]);
    expect(logger.lines.map(({ message }) => message)).toContain("on_failed_failed");
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0 });
  });

  test("is not asked for when the trace is cancelled, exhausted or stopped", async () => {
    let asked = 0;
    const clock = new TestClock();
    const slow = payloadNode({ name: "slow", policy: { onFailed: () => (asked += 1) } }, async (value: number, ctx) => {
      await ctx.sleep(100);
      return value;
    });
    const flow = create(slow.to(), { clock }).run();
    const cancelled = flow.outcome(1, { traceId: "c" });
    const exhausted = flow.outcome(2, { timeoutMs: 10 });
    const stopped = flow.outcome(3);
    await flow.cancel("c");
    await clock.advance(20);
    await flow.stop();
    expect((await Promise.all([cancelled, exhausted, stopped])).map(({ status }) => status)).toEqual([
      "cancelled",
      "exhausted",
      "stopped",
    ]);
    expect(asked).toBe(0);
  });

  test("runs in its trace's async context, after a timeout too, and may cancel its trace", async () => {
    const clock = new TestClock();
    const caller = new AsyncLocalStorage<string>();
    const callers: unknown[] = [];
    const fails = payloadNode(
      {
        name: "fails",
        policy: {
          timeoutMs: 5,
          onFailed: (error) => {
            callers.push([codeOf(error), caller.getStore()]);
            if (caller.getStore() === "c") void flow.cancel("c");
            return 0;
          },
        },
      },
      async (value: number, ctx): Promise<number> => (value === 0 ? broken() : ctx.sleep(100).then(() => value)),
    );
    const flow = tidy(create(fails.to(), { clock }).run());
    const outcomes = [
      caller.run("a", () => flow.outcome(0)),
      caller.run("b", () => flow.outcome(1)),
      caller.run("c", () => flow.outcome(1, { traceId: "c" })),
    ];
    await clock.advance(10);
    expect((await within(1_000, Promise.all(outcomes))).map(({ status }) => status)).toEqual([
      "completed",
      "completed",
      "cancelled",
    ]);
    expect(callers).toEqual([
      ["NODE_EXCEPTION", "a"],
      ["NODE_TIMEOUT", "b"],
      ["NODE_TIMEOUT", "c"],
    ]);
    await clock.advance(10_000);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0, zombies: 0 });
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0 });
  });

  test("ends the stream of the failed handler with an error", async () => {
    const streams = payloadNode({ name: "streams", policy: { onFailed: () => -1 } }, async (_: number, ctx) => {
      await ctx.emitChunk({ text: "begun" });
      return broken();
    });
    const ends: unknown[] = [];
    for await (const item of tidy(create(streams.to()).run()).stream(4))
      ends.push(item.type === "chunk" ? item.chunk.end : item.type === "result" ? item.result : item);
    expect(ends).toEqual([undefined, "error", -1]);
  });

  test("is a member of a join's group", async () => {
    const fails = payloadNode({ name: "fails", policy: { onFailed: () => -1 } }, (_: number) => broken());
    const works = payloadNode("works", (value: number) => value);
    const source = payloadNode("source", (value: number) => value);
    const join = joinK("join", 2, { input: shape<number>() });
    const flow = tidy(create(source.to(fails, works), fails.to(join), works.to(join)).run());
    expect(new Set(await flow.call(4))).toEqual(new Set([-1, 4]));
  });
});

describe("in a durable flow", () => {
  test("a fallback that was handed on before a crash stays, and a message whose fallback was not is handled again", async () => {
    const memory = new MemoryCheckpointStore();
    const cut = new CutCheckpoints(memory);
    const run = (checkpoints: CutCheckpoints | MemoryCheckpointStore, works: boolean) => {
      const fails = payloadNode({ name: "fails", policy: { onFailed: () => "replaced" } }, (value: number): string => {
        if (!works) throw new Error("broken");
        return `handled ${value}`;
      });
      const end = payloadNode({ name: "end", policy: { concurrency: 1 } }, async (text: string) => {
        if (!works) await new Promise<never>(() => {});
        return text;
      });
      const durability = durable({ checkpoints });
      return create(fails.to(end), { durability, logger: logbook(), graceMs: 1, queueMaxSize: 1 }).run();
    };
    const before = run(cut, false);
    for (const value of [1, 2, 3]) await before.emit(value, { traceId: `t${value}` });
    await settle();
    await settle();
    cut.cut();
    await before.stop();
    await using after = run(memory, true);
    const ids = ["t1", "t2", "t3"];
    const items = await within(1_000, Promise.all(ids.map((traceId) => after.fetch({ traceId }))));
    expect(items.map((item) => (item as Message).payload)).toEqual(["replaced", "replaced", "handled 3"]);
  });

  test("a value that cannot be stored is no fallback", async () => {
    const fails = payloadNode(
      { name: "fails", output: shape<unknown>(), policy: { onFailed: () => () => {} } },
      broken,
    );
    const durability = durable({ checkpoints: new MemoryCheckpointStore() });
    await using flow = create(fails.to(), { durability, logger: logbook() }).run();
    expect(await within(1_000, flow.outcome(undefined as never))).toMatchObject({
      status: "failed",
      error: { code: "NODE_EXCEPTION" },
    });
  });

  test("drops the pauses of a handler that fails for good, and goes on", async () => {
    const checkpoints = new MemoryCheckpointStore();
    let fails = false;
    const asks = payloadNode({ name: "asks", policy: { onFailed: () => "gave up" } }, async (_: number, ctx) => {
      if (fails) return broken();
      return ctx.pause<string>({ reason: "may I?" });
    });
    const build = () => create(asks.to(), { durability: durable({ checkpoints }), logger: logbook() }).run();
    const before = build();
    const paused = await before.outcome(1, { traceId: "t" });
    expect(paused.status).toBe("paused");
    await before.stop();
    fails = true;
    await using after = build();
    const [ticket] = await after.pauses.list();
    expect(await within(1_000, after.pauses.resume(ticket?.token ?? "", "yes"))).toMatchObject({
      status: "completed",
      results: ["gave up"],
    });
    expect(await after.pauses.list()).toEqual([]);
  });
});

describe("a second way that takes its time", () => {
  interface Shops {
    readonly second: (item: string, signal: AbortSignal) => Promise<string>;
  }

  test("replaces the node's own timeout after its retries, reads the run's resources and says its reason", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const asked: unknown[] = [];
    const find = payloadNode(
      {
        name: "find",
        policy: {
          timeoutMs: 10,
          maxRetries: 2,
          backoffBaseMs: 5,
          jitter: 0,
          onFailed: async (error, message: Message<string>, ctx) => {
            asked.push([error.code, ctx.node, ctx.attempt, ctx.tenant, ctx.deadlineAt, ctx.signal.aborted]);
            await ctx.sleep(8);
            ctx.because("first_shop_slow");
            return { item: await ctx.resources.second(message.payload, ctx.signal), by: "second" };
          },
        },
      },
      async (item: string, ctx: Context<Shops>) => {
        await ctx.sleep(1_000);
        return { item, by: "first" };
      },
    );
    const flow = create(find.to(), { clock, middlewares: [seen.middleware] });
    tidy(flow).run({ resources: { second: async (item) => `${item}!` } });
    const deadlineAt = clock.epochNow() + 500;
    const outcome = flow.outcome("tea", { tenant: "acme", deadlineAt });
    await clock.advance(100);
    expect(await within(1_000, outcome)).toMatchObject({
      status: "completed",
      results: [{ item: "tea!", by: "second" }],
    });
    expect(asked).toEqual([["NODE_TIMEOUT", "find", 3, "acme", deadlineAt, false]]);
    await flow.flush();
    expect(seen.of("node_fallback")).toMatchObject([
      { attempt: 3, reason: "first_shop_slow", error: { code: "NODE_TIMEOUT" } },
    ]);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0, zombies: 0 });
  });

  test("says the failure's code where it gives no reason", async () => {
    const seen = recorder();
    const fails = payloadNode({ name: "fails", policy: { onFailed: async () => 0 } }, (_: number) => broken());
    const flow = tidy(create(fails.to(), { middlewares: [seen.middleware] }).run());
    expect(await flow.call(1)).toBe(0);
    await flow.flush();
    expect(seen.of("node_fallback")).toMatchObject([{ reason: "NODE_EXCEPTION" }]);
  });

  test("has the node's timeoutMs, counted anew; then the trace fails with the first failure", async () => {
    const clock = new TestClock();
    const logger = logbook();
    const seen = recorder();
    let reason: unknown;
    const slow = payloadNode(
      {
        name: "slow",
        policy: {
          timeoutMs: 10,
          concurrency: 1,
          onFailed: async (_, __, ctx) => {
            ctx.signal.addEventListener("abort", () => (reason = codeOf(ctx.signal.reason)));
            await ctx.sleep(1_000);
            return 0;
          },
        },
      },
      async (_: number, ctx) => {
        await ctx.sleep(9);
        return broken();
      },
    );
    const flow = tidy(create(slow.to(), { clock, logger, middlewares: [seen.middleware] }).run());
    const outcome = flow.outcome(1);
    await clock.advance(18);
    expect(flow.stats().traces).toBe(1);
    await clock.advance(2);
    expect(await within(1_000, outcome)).toMatchObject({ status: "failed", error: { code: "NODE_EXCEPTION" } });
    expect(reason).toBe("NODE_TIMEOUT");
    expect(logger.lines.filter(({ message }) => message === "on_failed_failed")).toMatchObject([
      { fields: { node: "slow", error: { code: "NODE_TIMEOUT" } } },
    ]);
    await flow.flush();
    expect(typesOf(seen.events)).toEqual(["node_start", "node_error", "node_failed"]);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0, zombies: 0 });
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0 });
  });

  test.each(["throws", "times out"])(
    "ends with its trace when the handler %s: cancel, deadline and stop",
    async (how) => {
      const clock = new TestClock();
      const reasons: unknown[] = [];
      let begun = 0;
      const slow = payloadNode(
        {
          name: "slow",
          policy: {
            perMessage: ({ headers }) => (how === "throws" ? {} : { timeoutMs: headers.topic === "no" ? 1 : 5 }),
            onFailed: async (_, __, ctx) => {
              begun += 1;
              await new Promise<void>((resolve) => {
                ctx.signal.addEventListener("abort", () => {
                  reasons.push(codeOf(ctx.signal.reason));
                  resolve();
                });
              });
              return 0;
            },
          },
        },
        async (_: number, ctx) => {
          if (how === "throws") return broken();
          await ctx.sleep(100);
          return 1;
        },
      );
      const flow = create(slow.to(), { clock }).run();
      const ids = ["cancelled", "exhausted", "stopped"];
      const outcomes = ids.map((traceId) =>
        flow.outcome(1, { traceId, ...(traceId === "exhausted" ? { timeoutMs: 8 } : {}) }),
      );
      await clock.advance(5);
      expect(begun).toBe(3);
      const report = await within(1_000, flow.cancel("cancelled"));
      expect(report).toMatchObject({ found: true, aborted: 1, zombies: 0 });
      await clock.advance(3);
      await settle();
      expect(flow.stats()).toMatchObject({ traces: 1, zombies: 0 });
      expect(await within(1_000, flow.stop())).toMatchObject({ cancelled: 1, abandoned: 0 });
      expect((await within(1_000, Promise.all(outcomes))).map(({ status }) => status)).toEqual(ids);
      expect(reasons).toEqual(["TRACE_CANCELLED", "DEADLINE_EXCEEDED", "FLOW_STOPPED"]);
    },
  );

  test("holds the slot of a handler that threw; keeps the trace's order; what it does too late is refused", async () => {
    const clock = new TestClock();
    let atWork = 0;
    let most = 0;
    const late: unknown[] = [];
    const contexts: FallbackContext[] = [];
    const fails = payloadNode(
      {
        name: "fails",
        policy: {
          concurrency: 2,
          onFailed: async (_, message, ctx) => {
            contexts.push(ctx);
            most = Math.max(most, (atWork += 1));
            await ctx.sleep(10 - Number(message.payload));
            atWork -= 1;
            return Number(message.payload);
          },
        },
      },
      (_: number): number => broken(),
    );
    const source = payloadNode("source", async (_: null, ctx) => {
      for (let value = 1; value < 6; value += 1) await ctx.emit(value);
    });
    const flow = tidy(create(source.to(fails as never), { clock, queueMaxSize: 2 }).run());
    const outcomes = [flow.outcome(null), flow.outcome(null), flow.outcome(null)];
    await clock.advance(500);
    for (const outcome of await within(1_000, Promise.all(outcomes))) expect(outcome.results).toEqual([1, 2, 3, 4, 5]);
    expect(most).toBe(2);
    for (const act of [(ctx: FallbackContext) => ctx.sleep(1), async (ctx: FallbackContext) => ctx.because("late")])
      late.push(codeOf(await rejection(act(contexts[0] as FallbackContext))));
    expect(late).toEqual(["ATTEMPT_OVER", "ATTEMPT_OVER"]);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0 });
  });

  test("shares the effects, the log and the budget of its trace, and its timer is gone when it is in time", async () => {
    const fails = payloadNode(
      {
        name: "fails",
        policy: {
          timeoutMs: 1_000,
          onFailed: async (_, __, ctx) => {
            const paid = await ctx.once("pay", () => "again");
            const key = ctx.idempotencyKey;
            ctx.budget.spend({ calls: 1 });
            await ctx.log.append(["second way"]);
            return { paid, key, log: await ctx.log.read() };
          },
        },
      },
      async (_: number, ctx): Promise<unknown> => {
        const paid = await ctx.once("pay", () => `paid ${ctx.idempotencyKey}`);
        await ctx.log.append(["undone"]);
        throw new Error(paid);
      },
    );
    const clock = new TestClock();
    const flow = tidy(create(fails.to(), { clock }).run());
    const outcome = await within(1_000, flow.outcome(1, { budget: { calls: 2 } }));
    const [result] = outcome.results as { paid: string; key: string; log: unknown }[];
    expect(result).toMatchObject({ paid: `paid ${String(result?.key)}`, log: ["second way"] });
    expect(outcome.spent).toEqual({ calls: 1 });
    expect(flow.stats().timers).toBe(0);
  });

  test("runs again after a crash only if the handler, which is called again, fails again", async () => {
    const memory = new MemoryCheckpointStore();
    const cut = new CutCheckpoints(memory);
    const calls: string[] = [];
    const run = (checkpoints: CutCheckpoints | MemoryCheckpointStore, works: boolean) => {
      const policy = {
        maxRetries: 1,
        backoffBaseMs: 1,
        onFailed: async (): Promise<string> => {
          calls.push("fallback");
          return works ? "replaced" : await new Promise<never>(() => {});
        },
      };
      const fails = payloadNode({ name: "fails", policy }, (value: string, ctx): string => {
        calls.push(`handler ${ctx.attempt}`);
        if (!works || value === "bad") throw new Error("broken");
        return `handled ${value}`;
      });
      return create(fails.to(), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
    };
    const before = run(cut, false);
    await before.emit("bad", { traceId: "bad" });
    await expect.poll(() => calls.at(-1)).toBe("fallback");
    await settle();
    cut.cut();
    await before.stop();
    expect(calls.splice(0)).toEqual(["handler 1", "handler 2", "fallback"]);
    await using after = run(memory, true);
    expect(((await within(1_000, after.fetch({ traceId: "bad" }))) as Message).payload).toBe("replaced");
    expect(calls).toEqual(["handler 2", "fallback"]);
  });
});
