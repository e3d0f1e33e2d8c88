import { describe, expect, test } from "vitest";
import { type Context, create, FlowErrorCode, joinK, type Message, node, payloadNode, shape, WM } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, isPending, passing, range, running } from "../fixtures/quiet-flow.ts";
import { recorder, rejection, within } from "../fixtures/watched-flow.ts";

const one = { concurrency: 1 } as const;
const code = async (promise: PromiseLike<unknown>) => ((await rejection(promise)) as { code: string }).code;

describe("stop rejects every wait with FLOW_STOPPED:", () => {
  const sleepy = (clock: TestClock) => {
    const sleeper = payloadNode({ name: "sleeper", policy: one }, async (payload: number, ctx) => {
      await ctx.sleep(1e9);
      return payload;
    });
    return running(create(sleeper.to(), { clock, queueMaxSize: 1 }), clock);
  };

  test("callers, of running, queued and not yet accepted messages", async () => {
    const flow = sleepy(new TestClock());
    const outcomes = range(4).map((payload) => flow.outcome(payload));
    const call = code(flow.call(9));
    await settle();
    const report = await within(500, flow.stop());
    expect(report).toEqual({ completed: 0, cancelled: 5, abandoned: 0 });
    for (const outcome of await Promise.all(outcomes))
      expect(outcome).toMatchObject({ status: "stopped", error: { code: FlowErrorCode.FLOW_STOPPED } });
    expect(await call).toBe(FlowErrorCode.FLOW_STOPPED);
  });

  test("emitters that wait for room", async () => {
    const flow = sleepy(new TestClock());
    await flow.emit(1);
    await flow.emit(2);
    const blocked = code(flow.emit(3));
    await settle();
    await flow.stop();
    expect(await within(500, blocked)).toBe(FlowErrorCode.FLOW_STOPPED);
  });

  test("fetchers of any trace and of one, with and without time limit", async () => {
    const flow = sleepy(new TestClock());
    await flow.emit(1, { traceId: "t" });
    const codes = [flow.fetch(), flow.fetch({ timeoutMs: 1e6 }), flow.fetch({ traceId: "t" }), flow.fetchAny()].map(
      code,
    );
    await settle();
    await flow.stop();
    expect(await within(500, Promise.all(codes))).toEqual(range(4).map(() => FlowErrorCode.FLOW_STOPPED));
  });

  test("readers of streams, producers of chunks inside and outside, and readers of results", async () => {
    const clock = new TestClock();
    const inside: unknown[] = [];
    const talker = payloadNode("talker", async (count: number, ctx) => {
      for (const index of range(count)) {
        await ctx.emitChunk({ text: String(index) }).catch((error: unknown) => {
          inside.push((error as { code: string }).code);
          throw error;
        });
      }
      await ctx.sleep(1e9);
      return count;
    });
    const flow = running(create(talker.to(), { clock, streamWindow: 2 }), clock);
    const full = flow.stream(10, { traceId: "full" });
    await full.next();
    await settle();
    const empty = flow.stream(0, { traceId: "empty" });
    const reader = code(empty.next());
    const outside = code(flow.emitChunk({ traceId: "full", text: "from outside" }));
    await settle();
    await within(500, flow.stop());
    expect(await within(500, outside)).toBe(FlowErrorCode.FLOW_STOPPED);
    expect(await within(500, reader)).toBe(FlowErrorCode.FLOW_STOPPED);
    expect(inside).toEqual([FlowErrorCode.FLOW_STOPPED]);
    const items: unknown[] = [];
    const drained = code(
      (async () => {
        for await (const item of full) items.push(item);
      })(),
    );
    expect(await within(500, drained)).toBe(FlowErrorCode.FLOW_STOPPED);
    expect(items.at(-1)).toMatchObject({ type: "chunk", chunk: { done: true, end: "cancelled" } });
  });

  test("every wait of a handler: sleep, fetch, emit, playbook, and the listeners of its signal", async () => {
    const clock = new TestClock();
    const codes: unknown[] = [];
    const inner = create(payloadNode("inner", (_: number, ctx) => ctx.sleep(1e9)).to());
    const source = payloadNode("source", (payload: number) => payload);
    const waits = {
      sleep: (ctx) => ctx.sleep(1e9),
      fetch: (ctx) => ctx.fetch(),
      fetchForLong: (ctx) => ctx.fetch({ timeoutMs: 1e9 }),
      playbook: (ctx) => ctx.callPlaybook(inner, 1),
      signal: (ctx) =>
        new Promise((_, reject) => {
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
        }),
    } satisfies Record<string, (ctx: Context) => Promise<unknown>>;
    const waiters = Object.entries(waits).map(([name, wait]) =>
      payloadNode(name, async (_: number, ctx) => {
        codes.push(await code(wait(ctx)));
      }),
    );
    const flow = running(create(...waiters.map((waiter) => source.to(waiter)), { clock }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(1);
    expect(await within(500, flow.stop())).toEqual({ completed: 0, cancelled: 1, abandoned: 0 });
    expect(await outcome).toMatchObject({ status: "stopped" });
    expect(codes).toEqual(range(5).map(() => FlowErrorCode.FLOW_STOPPED));
  });

  test("backoffs, joins and blocked cycles", async () => {
    const clock = new TestClock();
    const failing = payloadNode({ name: "failing", policy: { maxRetries: 9, jitter: 0 } }, (_: number): number => {
      throw new Error("no");
    });
    const entry = payloadNode("entry", (payload: number) => payload);
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
      await ctx.sleep(1);
      return message.payload;
    });
    const backoff = running(create(failing.to(), { clock }), clock);
    const join = running(create(entry.to(joinK("join", 2, { input: shape<number>() })), { clock }), clock);
    const loop = running(create(controller.to(controller), { clock }), clock);
    const outcomes = [
      backoff.outcome(1),
      loop.outcome(new WM({ query: "q", budgetHops: null })),
      join.emit(1, { traceId: "t" }).then(() => join.fetch({ traceId: "t" }).catch((error: unknown) => ({ error }))),
    ];
    await clock.advance(10);
    await within(500, Promise.all([backoff.stop(), join.stop(), loop.stop()]));
    for (const outcome of await within(500, Promise.all(outcomes)))
      expect(outcome).toMatchObject({ error: { code: FlowErrorCode.FLOW_STOPPED } });
    expect(clock.timers).toBe(0);
  });
});

describe("stop with drainMs", () => {
  test("lets accepted work finish and counts it, and refuses new work meanwhile", async () => {
    const clock = new TestClock();
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: number, ctx) => {
      await ctx.sleep(10);
      return payload;
    });
    const flow = running(create(worker.to(), { clock, queueMaxSize: 2 }), clock);
    const calls = range(6).map((payload) => flow.call(payload));
    await clock.advance(15);
    const stopping = flow.stop({ drainMs: 1_000 });
    expect(await code(flow.call(9))).toBe(FlowErrorCode.FLOW_STOPPED);
    expect(await code(flow.emit(9))).toBe(FlowErrorCode.FLOW_STOPPED);
    expect(() => flow.emitNowait(9)).toThrow(expect.objectContaining({ code: FlowErrorCode.FLOW_STOPPED }));
    expect(flow.isRunning).toBe(false);
    await clock.advance(45);
    expect(await within(500, stopping)).toEqual({ completed: 5, cancelled: 0, abandoned: 0 });
    expect(await Promise.all(calls)).toEqual(range(6));
    expect(clock.timers).toBe(0);
  });

  test("ends what is left when the time is over", async () => {
    const clock = new TestClock();
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: number, ctx) => {
      await ctx.sleep(10);
      return payload;
    });
    const flow = running(create(worker.to(), { clock }), clock);
    const outcomes = range(5).map((payload) => flow.outcome(payload));
    const stopping = flow.stop({ drainMs: 25 });
    await clock.advance(25);
    expect(await within(500, stopping)).toEqual({ completed: 2, cancelled: 3, abandoned: 0 });
    expect((await Promise.all(outcomes)).map(({ status }) => status)).toEqual([
      "completed",
      "completed",
      "stopped",
      "stopped",
      "stopped",
    ]);
  });

  test("lets accepted work call a playbook that has not been called before", async () => {
    const clock = new TestClock();
    const inner = create(payloadNode("inner", (payload: number) => payload * 2).to());
    const outer = payloadNode("outer", async (payload: number, ctx) => {
      await ctx.sleep(10);
      return ctx.callPlaybook(inner, payload);
    });
    const flow = running(create(outer.to(), { clock }), clock);
    const outcome = flow.outcome(21);
    const stopping = flow.stop({ drainMs: 1_000 });
    await clock.advance(20);
    expect(await within(500, outcome)).toMatchObject({ status: "completed", result: 42 });
    expect(await within(500, stopping)).toEqual({ completed: 1, cancelled: 0, abandoned: 0 });
  });

  test("lets retries happen and results be fetched", async () => {
    const clock = new TestClock();
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 50, jitter: 0 } },
      (payload: number, ctx) => {
        if (ctx.attempt === 1) throw new Error("once");
        return payload;
      },
    );
    const flow = running(create(flaky.to(), { clock }), clock);
    await flow.emit(7, { traceId: "t" });
    const fetched = flow.fetch({ traceId: "t" });
    const stopping = flow.stop({ drainMs: 1_000 });
    await clock.advance(50);
    expect(await within(500, fetched)).toMatchObject({ payload: 7 });
    expect(await within(500, stopping)).toEqual({ completed: 1, cancelled: 0, abandoned: 0 });
  });

  test("resolves at once when nothing is in flight", async () => {
    const clock = new TestClock();
    const flow = running(create(payloadNode("echo", (payload: number) => payload).to(), { clock }), clock);
    await flow.call(1);
    expect(await within(500, flow.stop({ drainMs: 1e9 }))).toEqual({ completed: 0, cancelled: 0, abandoned: 0 });
    expect(clock.timers).toBe(0);
  });
});

describe("stop and handlers that ignore their signal", () => {
  test("waits for them within the grace period", async () => {
    const clock = new TestClock();
    const door = gate();
    const deaf = payloadNode("deaf", (_: number) => door.passed);
    const flow = running(create(deaf.to(), { clock, graceMs: 100 }), clock);
    const outcome = flow.outcome(1);
    const stopping = flow.stop();
    expect(await within(500, outcome)).toMatchObject({ status: "stopped" });
    await clock.advance(99);
    expect(await isPending(stopping)).toBe(true);
    door.open();
    expect(await within(500, stopping)).toEqual({ completed: 0, cancelled: 1, abandoned: 0 });
  });

  test("abandons them after it and says how many", async () => {
    const clock = new TestClock();
    const deaf = payloadNode("deaf", (_: number) => new Promise<number>(() => {}));
    const flow = running(create(deaf.to(), { clock, graceMs: 100 }), clock);
    const outcomes = range(3).map((payload) => flow.outcome(payload));
    const stopping = flow.stop();
    await clock.advance(100);
    expect(await within(500, stopping)).toEqual({ completed: 0, cancelled: 3, abandoned: 3 });
    await Promise.all(outcomes);
  });

  test("waits for those, too, whose trace has ended before: by a timeout, a failure beside them, a cancel", async () => {
    const clock = new TestClock();
    for (const how of ["timeout", "failure", "cancel"]) {
      const door = gate();
      const source = payloadNode("source", (payload: number) => payload);
      const deaf = payloadNode(
        { name: "deaf", policy: { timeoutMs: how === "timeout" ? 10 : 1e9 } },
        () => door.passed,
      );
      const other = payloadNode("other", async (_: number, ctx) => {
        await ctx.sleep(10);
        if (how === "failure") throw new Error("broken");
      });
      const flow = running(create(source.to(deaf as never, other), { clock, graceMs: 1_000 }), clock);
      const outcome = flow.outcome(1, { traceId: "t" });
      await clock.advance(10);
      const cancelled = how === "cancel" ? flow.cancel("t") : undefined;
      await within(500, outcome);
      const stopping = flow.stop();
      expect([how, await isPending(stopping)]).toEqual([how, true]);
      door.open();
      await within(500, stopping);
      await cancelled;
    }
  });

  test("counts those given up during the stop whose trace had timed out before", async () => {
    const clock = new TestClock();
    const deaf = payloadNode({ name: "deaf", policy: { timeoutMs: 10 } }, (_: number) => new Promise<number>(() => {}));
    const flow = running(create(deaf.to(), { clock, graceMs: 1_000 }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(10);
    expect(await within(500, outcome)).toMatchObject({ status: "failed", error: { code: FlowErrorCode.NODE_TIMEOUT } });
    const stopping = flow.stop();
    await clock.advance(1_000);
    expect(await within(500, stopping)).toEqual({ completed: 0, cancelled: 0, abandoned: 1 });
  });

  test("stops playbooks with the flow", async () => {
    const clock = new TestClock();
    const told: unknown[] = [];
    const inner = create(
      payloadNode("inner", async (_: number, ctx) => {
        ctx.signal.addEventListener("abort", () => told.push("told"));
        await ctx.sleep(1e9);
      }).to(),
    );
    const outer = payloadNode("outer", (payload: number, ctx) => ctx.callPlaybook(inner, payload));
    const flow = running(create(outer.to(), { clock }), clock);
    const outcome = flow.outcome(1);
    await settle();
    await within(500, flow.stop());
    expect(told).toEqual(["told"]);
    expect(await outcome).toMatchObject({ status: "stopped" });
    expect(clock.timers).toBe(0);
  });
});

test("stopping twice at once gives the same report, and the flow runs again empty", async () => {
  const clock = new TestClock();
  const seen = recorder();
  let calls = 0;
  const worker = payloadNode({ name: "worker", policy: one }, async (payload: number, ctx) => {
    calls += 1;
    await ctx.sleep(10);
    return payload;
  });
  const flow = running(create(worker.to(), { clock, middlewares: [seen.middleware] }), clock);
  const outcomes = range(3).map((payload) => flow.outcome(payload));
  await settle();
  const reports = await within(500, Promise.all([flow.stop(), flow.stop({ drainMs: 100 })]));
  expect(reports[0]).toEqual(reports[1]);
  await Promise.all(outcomes);
  expect(await flow.stop()).toEqual({ completed: 0, cancelled: 0, abandoned: 0 });
  flow.run();
  expectEmpty(flow);
  expect(flow.stats().accepted).toBe(0);
  await clock.advance(100);
  expect(calls).toBe(1);
  expect(await passing(clock, flow.call(7), 10)).toBe(7);
});

test("a handler that returns after the flow was stopped and run again does not disturb the new run", async () => {
  const clock = new TestClock();
  const door = gate();
  const after: number[] = [];
  const deaf = payloadNode({ name: "deaf", policy: one }, async (payload: number, ctx) => {
    if (payload === 0) {
      await door.passed;
      await ctx.emit(payload).catch(() => undefined);
    }
    return payload;
  });
  const sink = payloadNode("sink", (payload: number) => {
    after.push(payload);
    return payload;
  });
  const flow = running(create(deaf.to(sink), { clock, graceMs: 10 }), clock);
  const old = flow.outcome(0, { traceId: "t" });
  await settle();
  await passing(clock, flow.stop(), 10);
  await old;
  flow.run();
  const next = flow.call(1, { traceId: "t" });
  door.open();
  expect(await within(500, next)).toBe(1);
  await settle();
  expect(after).toEqual([1]);
  expectEmpty(flow);
  expect(flow.stats()).toMatchObject({ zombies: 0, lateResults: 0 });
});
