import { describe, expect, test } from "vitest";
import {
  type Context,
  create,
  FlowError,
  type FlowOptions,
  type CheckpointStore,
  MemoryCheckpointStore,
  payloadNode,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, isPending, passing, range, running } from "../fixtures/quiet-flow.ts";
import { logbook, recorder, rejection, within } from "../fixtures/watched-flow.ts";

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);

type Handle = (n: number, ctx: Context) => Promise<unknown>;

/** Creates a flow with one node of one slot. */
function oneNode(handle: Handle, options: FlowOptions = {}) {
  const work = payloadNode(
    { name: "work", policy: { concurrency: 1 } },
    async (n: number, ctx) => await handle(n, ctx),
  );
  return create(work.to(), { logger: logbook(), ...options });
}

/** Receives signals up to the first that is "end". */
async function toEnd(ctx: Context, name = "steer"): Promise<string[]> {
  const values: string[] = [];
  for await (const value of ctx.signals<string>(name)) {
    if (value === "end") break;
    values.push(value);
  }
  return values;
}

describe("a signal", () => {
  test("that was sent before a handler asks for it waits in its trace", async () => {
    const begin = gate();
    const flow = running(
      oneNode(async (_, ctx) => {
        await begin.passed;
        return ctx.signals("steer").take();
      }),
    );
    const called = flow.call(1, { traceId: "t" });
    await flow.signal("t", "steer", "left");
    await flow.signal("t", "other", "up");
    await flow.signal("t", "steer", "right");
    begin.open();
    expect(await within(2_000, called)).toEqual(["left", "right"]);
  });

  test("calls a handler again that waits for it, from its beginning, which holds no slot meanwhile", async () => {
    const calls: unknown[] = [];
    const flow = running(
      oneNode(async (n, ctx) => {
        if (n === 2) return "beside it";
        calls.push("call");
        ctx.signal.addEventListener("abort", () => calls.push(codeOf(ctx.signal.reason)));
        return (await ctx.signals("steer").next()).value;
      }),
    );
    const called = flow.call(1, { traceId: "t" });
    expect(await isPending(called)).toBe(true);
    expect(await within(2_000, flow.call(2))).toBe("beside it");
    await flow.signal("t", "other", "up");
    expect(await isPending(called)).toBe(true);
    await flow.signal("t", "steer", "left");
    expect(await within(2_000, called)).toBe("left");
    expect(calls).toEqual(["call", "TRACE_PAUSED", "call"]);
  });

  test("is received in the order of sending by a loop over the signals of its name", async () => {
    const flow = running(oneNode(async (_, ctx) => await toEnd(ctx)));
    const called = flow.call(1, { traceId: "t" });
    for (const value of ["a", "b", "c", "end"]) {
      await flow.signal("t", "steer", value);
      await settle();
    }
    expect(await within(2_000, called)).toEqual(["a", "b", "c"]);
  });

  test("is received again by a retry, in the same order, and by no other message before that", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const [hold, failed] = [gate(), gate()];
    const start = payloadNode("start", async (n: number) => {
      await hold.passed;
      return n;
    });
    const first = payloadNode(
      { name: "first", policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0 } },
      async (_: number, ctx) => {
        seen.push(ctx.signals("steer").take());
        failed.open();
        if (ctx.attempt === 1) throw new Error("not yet");
      },
    );
    const second = payloadNode("second", async (_: number, ctx) => {
      await failed.passed;
      seen.push(ctx.signals("steer").take());
      return "done";
    });
    const flow = running(create(start.to(first, second), { clock, logger: logbook() }), clock);
    const called = flow.call(1, { traceId: "t" });
    await flow.signal("t", "steer", "a");
    await flow.signal("t", "steer", "b");
    hold.open();
    await clock.advance(20);
    expect(await within(2_000, called)).toBe("done");
    expect(seen).toEqual([["a", "b"], [], ["a", "b"]]);
  });

  test("is delivered to one of several messages, and each message is called for one", async () => {
    const begin = payloadNode("begin", async (count: number, ctx) => {
      for (const index of range(count)) await ctx.emit(index);
    });
    let calls = 0;
    const work = payloadNode({ name: "work", policy: { ordering: "none" } }, async (_: number, ctx) => {
      calls += 1;
      return (await ctx.signals("job").next()).value;
    });
    const flow = running(create(begin.to(work), { logger: logbook() }));
    const outcome = flow.outcome(3, { traceId: "t" });
    await settle();
    for (const value of range(3)) await flow.signal("t", "job", value);
    expect(await within(2_000, outcome)).toMatchObject({ status: "completed", results: [0, 1, 2] });
    expect(calls).toBe(6);
  });

  test("goes to another handler that waits, if the one that was called for it does not receive it", async () => {
    let isAsked = true;
    const start = payloadNode("start", (n: number) => n);
    const fickle = payloadNode("fickle", async (_: number, ctx) => {
      if (isAsked) await ctx.signals("job").next();
      return "fickle";
    });
    const patient = payloadNode("patient", async (_: number, ctx) => (await ctx.signals("job").next()).value);
    const flow = running(create(start.to(fickle, patient), { logger: logbook() }));
    const outcome = flow.outcome(1, { traceId: "t" });
    await settle();
    isAsked = false;
    await flow.signal("t", "job", "patient");
    expect(await within(2_000, outcome)).toMatchObject({ status: "completed", results: ["fickle", "patient"] });
  });

  test("is consumed when its message is done, and those behind it stay for the next message", async () => {
    const words: unknown[] = [];
    const hear = <Name extends string>(name: Name) =>
      payloadNode(name, async (n: number, ctx) => {
        words.push((await ctx.signals("word").next()).value);
        return n;
      });
    const { middleware, of } = recorder();
    const [a, b] = [hear("a"), hear("b")];
    const flow = running(create(a.to(b), { logger: logbook(), middlewares: [middleware] }));
    const called = flow.call(1, { traceId: "t" });
    await settle();
    await Promise.all([flow.signal("t", "word", "one"), flow.signal("t", "word", "two")]);
    await within(2_000, called);
    await flow.flush();
    expect(words).toEqual(["one", "two"]);
    expect(of("signal_wait")).toMatchObject([{ node: "a", signal: "word" }]);
    expect(of("signal_accept")).toMatchObject([{ signal: "word" }, { signal: "word" }]);
    expect(of("signal_drop")).toEqual([]);
  });

  test("that a failed handler has received is consumed with the value of onFailed", async () => {
    const seen: unknown[] = [];
    const hold = gate();
    const held = payloadNode("held", async (n: number) => {
      await hold.passed;
      return n;
    });
    const fails = payloadNode(
      { name: "fails", policy: { onFailed: () => 0 } },
      async (_: number, ctx): Promise<number> => {
        seen.push(ctx.signals("job").take());
        throw new Error("down");
      },
    );
    const after = payloadNode("after", (_: number, ctx) => ctx.signals("job").take());
    const flow = running(create(held.to(fails), fails.to(after), { logger: logbook() }));
    const called = flow.call(1, { traceId: "t" });
    await flow.signal("t", "job", "a");
    hold.open();
    expect(await within(2_000, called)).toEqual([]);
    expect(seen).toEqual([["a"]]);
  });
});

describe("a wait for a signal", () => {
  test("ends at expiresAt, which the first call fixes", async () => {
    const clock = new TestClock();
    const flow = running(
      oneNode(
        async (_, ctx) => {
          const values: unknown[] = [];
          for await (const value of ctx.signals("steer", { expiresAt: ctx.message.createdAt + 1_000 }))
            values.push(value);
          return [values, clock.now()];
        },
        { clock },
      ),
      clock,
    );
    const called = flow.call(1, { traceId: "t" });
    await clock.advance(600);
    await flow.signal("t", "steer", "a");
    await clock.advance(399);
    expect(await isPending(called)).toBe(true);
    await clock.advance(1);
    expect(await within(2_000, called)).toEqual([["a"], 1_000]);
  });

  test("tells no caller, and ends with its trace", async () => {
    const clock = new TestClock();
    const flow = running(
      oneNode(async (_, ctx) => await ctx.signals("steer").next(), { clock }),
      clock,
    );
    const exhausted = flow.outcome(1, { timeoutMs: 100 });
    const cancelled = flow.outcome(1, { traceId: "c" });
    await clock.advance(99);
    expect(await isPending(Promise.race([exhausted, cancelled]))).toBe(true);
    expect(await flow.cancel("c")).toMatchObject({ found: true, dropped: 1 });
    await clock.advance(1);
    expect((await cancelled).status).toBe("cancelled");
    expect((await exhausted).status).toBe("exhausted");
    expectEmpty(flow);
  });

  test("beside a pause goes on when either arrives", async () => {
    const flow = running(
      oneNode(async (_, ctx) => {
        const [answer, { value }] = await Promise.all([
          ctx.pause<string>({ reason: "which?" }),
          ctx.signals("steer").next(),
        ]);
        return [answer, value];
      }),
    );
    const paused = await within(2_000, flow.outcome(1, { traceId: "t" }));
    const token = paused.status === "paused" ? paused.pauses[0]?.token : undefined;
    await flow.signal("t", "steer", "left");
    expect(await within(2_000, flow.pauses.resume(token ?? "", "this"))).toMatchObject({ result: ["this", "left"] });
  });

  test("in a playbook is for signals of the outermost trace", async () => {
    const inner = () =>
      create(payloadNode("listen", async (_: number, ctx) => await toEnd(ctx)).to(), { logger: logbook() });
    const flow = running(oneNode(async (n, ctx) => await ctx.callPlaybook(inner, n)));
    const called = flow.call(1, { traceId: "t" });
    for (const value of ["a", "b", "end"]) {
      await settle();
      await flow.signal("t", "steer", value);
    }
    expect(await within(2_000, called)).toEqual(["a", "b"]);
  });
});

describe("signal", () => {
  test("ignores one whose sequence the trace has accepted, also in the run of a later process", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const listening = () =>
      running(oneNode((_, ctx) => toEnd(ctx), { clock, durability: durable({ checkpoints, leaseMs: 1_000 }) }));
    const first = listening();
    const called = first.call(1, { traceId: "t" });
    called.catch(() => {});
    await settle();
    for (const [value, sequence] of [
      ["a", 3],
      ["a again", 3],
      ["earlier", 2],
      ["b", 4],
    ] as const)
      await first.signal("t", "steer", value, { sequence });
    await first.signal("t", "steer", "without one");
    await first.stop();
    const second = listening();
    await second.ready();
    await second.signal("t", "steer", "b again", { sequence: 4 });
    const done = second.fetch({ traceId: "t" });
    await second.signal("t", "steer", "end", { sequence: 5 });
    expect(await done).toMatchObject({ payload: ["a", "b", "without one"] });
    await second.stop();
  });
  test("rejects for a trace that is unknown, has ended, or belongs to another tenant", async () => {
    const flow = running(oneNode(async (_, ctx) => await ctx.signals("steer").next()));
    expect(codeOf(await rejection(flow.signal("t", "steer", 1)))).toBe("TRACE_UNKNOWN");
    const id = await flow.emit(1, { tenant: "acme" });
    expect(codeOf(await rejection(flow.signal(id, "steer", 1, { tenant: "bob" })))).toBe("TRACE_UNKNOWN");
    await flow.signal(id, "steer", 1, { tenant: "acme" });
    await settle();
    expect(codeOf(await rejection(flow.signal(id, "steer", 1, { tenant: "acme" })))).toBe("TRACE_ENDED");
    await flow.fetch({ traceId: id, tenant: "acme" });
    expect(codeOf(await rejection(flow.signal(id, "steer", 1, { tenant: "acme" })))).toBe("TRACE_UNKNOWN");
  });

  test("is refused when the trace keeps as many as limits.maxSignals", async () => {
    const hold = gate();
    const flow = running(
      oneNode(
        async (_, ctx) => {
          await hold.passed;
          return ctx.signals("steer").take();
        },
        { limits: { maxSignals: 2 } },
      ),
    );
    const called = flow.call(1, { traceId: "t" });
    await flow.signal("t", "steer", 1);
    await flow.signal("t", "steer", 2);
    const error = (await rejection(flow.signal("t", "steer", 3))) as FlowError;
    expect(error).toMatchObject({ code: "QUEUE_FULL", retryable: true });
    hold.open();
    expect(await within(2_000, called)).toEqual([1, 2]);
  });

  test("refuses wrong use by name", async () => {
    const errors: unknown[] = [];
    const flow = running(
      oneNode(async (_, ctx) => {
        for (const wrong of [() => ctx.signals(""), () => ctx.signals("a", { expiresAt: -1 })]) {
          try {
            wrong();
          } catch (error) {
            errors.push(error);
          }
        }
        return 1;
      }),
    );
    await flow.call(1);
    expect(errors).toMatchObject([
      { name: "TypeError", message: 'The name of a signal must be a string that is not empty: got ""' },
      { name: "RangeError", message: expect.stringContaining('"expiresAt"') as string },
    ]);
    expect(await rejection(flow.signal("t", "", 1))).toBeInstanceOf(TypeError);
    expect(await rejection(flow.signal("t", "a", 1, { tenants: "a" } as object))).toBeInstanceOf(TypeError);
  });

  test("that no handler has consumed is dropped with its trace, with an event", async () => {
    const { middleware, of } = recorder();
    const hold = gate();
    const flow = running(
      oneNode(
        async (_, ctx) => {
          await hold.passed;
          return (await ctx.signals("steer").next()).value;
        },
        { middlewares: [middleware] },
      ),
    );
    const called = flow.call(1, { traceId: "t" });
    for (const value of ["a", "b", "c"]) await flow.signal("t", "steer", value);
    hold.open();
    expect(await within(2_000, called)).toBe("a");
    await flow.flush();
    expect(of("signal_drop")).toMatchObject([{ traceId: "t", signals: 2 }]);
  });
});

/** Runs a release of a durable flow. */
async function release(checkpoints: CheckpointStore, clock: TestClock, handle: Handle, options: FlowOptions = {}) {
  const flow = oneNode(handle, { name: "flow", clock, durability: durable({ checkpoints }), ...options });
  flow.run();
  await passing(clock, flow.ready(), 0);
  return { flow, stop: () => passing(clock, flow.stop(), 0) };
}

describe("a signal in a durable flow", () => {
  test("is received after a restart, unread or received before, in its order", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const handle: Handle = async (_, ctx) => await toEnd(ctx);
    const before = await release(checkpoints, clock, handle);
    await within(2_000, before.flow.emit(1, { traceId: "t" }));
    for (const value of ["a", "b"]) await within(2_000, before.flow.signal("t", "steer", value));
    await settle();
    await before.stop();
    const { flow, stop } = await release(checkpoints, clock, handle);
    const fetched = flow.fetch({ traceId: "t" });
    for (const value of ["c", "end"]) await within(2_000, flow.signal("t", "steer", value));
    await clock.advance(0);
    expect(await within(2_000, fetched)).toMatchObject({ payload: ["a", "b", "c"] });
    await stop();
  });

  test("that the handler of a later run does not receive again is not consumed", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const { middleware, of } = recorder();
    const before = await release(checkpoints, clock, async (_, ctx) => {
      await ctx.signals("steer").next();
      await ctx.signals("other").next();
    });
    await within(2_000, before.flow.emit(1, { traceId: "t" }));
    await within(2_000, before.flow.signal("t", "steer", "a"));
    await settle();
    await before.stop();
    const { flow, stop } = await release(checkpoints, clock, async (n) => n, { middlewares: [middleware] });
    await within(2_000, flow.signal("t", "other", "b"));
    expect(await within(2_000, flow.fetch({ traceId: "t" }))).toMatchObject({ payload: 1 });
    await flow.flush();
    expect(of("signal_drop")).toMatchObject([{ traceId: "t", signals: 2 }]);
    await stop();
  });

  test("is kept with a failed trace, whose retry receives it again", async () => {
    const clock = new TestClock();
    let isDown = true;
    const { middleware, of } = recorder();
    const handle: Handle = async (_, ctx) => {
      const { value } = await ctx.signals("steer").next();
      if (isDown) throw new Error("down");
      return value;
    };
    const { flow, stop } = await release(new MemoryCheckpointStore({ clock }), clock, handle, {
      middlewares: [middleware],
    });
    const failed = flow.outcome(1, { traceId: "t" });
    await settle();
    await within(2_000, flow.signal("t", "steer", "a"));
    expect((await within(2_000, failed)).status).toBe("failed");
    isDown = false;
    await flow.recovery.retryFailed("t");
    expect(await within(2_000, flow.fetch({ traceId: "t" }))).toMatchObject({ payload: "a" });
    await flow.flush();
    expect(of("signal_drop")).toEqual([]);
    await stop();
  });

  test("a wait that expires does so after a restart with what is left", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const handle: Handle = async (_, ctx) => {
      const { done } = await ctx.signals("steer", { expiresAt: clock.epochNow() + 1_000 }).next();
      return [done, clock.now()];
    };
    const before = await release(checkpoints, clock, handle);
    await within(2_000, before.flow.emit(1, { traceId: "t" }));
    await clock.advance(600);
    await before.stop();
    const { flow, stop } = await release(checkpoints, clock, handle);
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(400);
    expect(await within(2_000, fetched)).toMatchObject({ payload: [true, 1_000] });
    await stop();
  });

  test("to a trace that waits for its turn is stored with it, and until then its sender waits", async () => {
    const clock = new TestClock();
    const hold = gate();
    const handle: Handle = async (n, ctx) => {
      if (n === 1) await hold.passed;
      return [n, ...ctx.signals("steer").take()];
    };
    const { flow, stop } = await release(new MemoryCheckpointStore({ clock }), clock, handle);
    const first = flow.call(1, { exclusive: "k" });
    const second = flow.call(2, { exclusive: "k", traceId: "t" });
    await settle();
    const signalled = flow.signal("t", "steer", "a");
    expect(await isPending(signalled)).toBe(true);
    hold.open();
    await within(2_000, Promise.all([first, signalled]));
    expect(await within(2_000, second)).toEqual([2, "a"]);
    await stop();
  });

  test("must be data", async () => {
    const clock = new TestClock();
    const { flow, stop } = await release(new MemoryCheckpointStore({ clock }), clock, async (_, ctx) => {
      await ctx.signals("steer").next();
    });
    await within(2_000, flow.emit(1, { traceId: "t" }));
    expect(codeOf(await rejection(flow.signal("t", "steer", () => {})))).toBe("NOT_SERIALISABLE");
    await flow.cancel("t");
    await stop();
  });
});
