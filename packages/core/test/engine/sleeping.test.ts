import { describe, expect, test } from "vitest";
import {
  type Context,
  create,
  FlowError,
  type FlowOptions,
  type CheckpointStore,
  type LeaseRequest,
  type Checkpoint,
  MemoryCheckpointStore,
  type Outcome,
  type PauseTicket,
  payloadNode,
} from "penguiflow";
import { durable, type DurableOptions } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, isPending, passing, range, readAll, running } from "../fixtures/quiet-flow.ts";
import { logbook, recorder, rejection, within } from "../fixtures/watched-flow.ts";

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const pausesOf = (outcome: Outcome): readonly PauseTicket[] => {
  if (outcome.status !== "paused") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.pauses;
};

type Handle = (n: number, ctx: Context) => Promise<unknown>;

/** Creates a flow with one node of one slot. */
function oneNode(handle: Handle, options: FlowOptions = {}) {
  const work = payloadNode(
    { name: "work", policy: { concurrency: 1 } },
    async (n: number, ctx) => await handle(n, ctx),
  );
  return create(work.to(), { logger: logbook(), ...options });
}

describe("a sleep with a name", () => {
  test("calls the handler again when it is over, from its beginning, and once", async () => {
    const clock = new TestClock();
    const calls: unknown[] = [];
    const flow = running(
      oneNode(
        async (n, ctx) => {
          calls.push(clock.now());
          ctx.signal.addEventListener("abort", () => calls.push(codeOf(ctx.signal.reason)));
          await ctx.sleep(1_000, { name: "nap" });
          return n + 1;
        },
        { clock },
      ),
      clock,
    );
    const called = flow.call(1);
    await clock.advance(999);
    expect(await isPending(called)).toBe(true);
    await clock.advance(1);
    expect(await within(2_000, called)).toBe(2);
    expect(calls).toEqual([0, "TRACE_PAUSED", 1_000]);
  });

  test("holds no slot, and a sleep without a name holds one", async () => {
    const clock = new TestClock();
    const flow = running(
      oneNode(
        async (n, ctx) => {
          if (n === 1) await ctx.sleep(1_000, { name: "nap" });
          if (n === 2) await ctx.sleep(1_000);
          return n;
        },
        { clock },
      ),
      clock,
    );
    const [parked, inPlace, behind] = [flow.call(1), flow.call(2), flow.call(3)];
    await clock.advance(0);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 1, queued: 1 });
    await clock.advance(999);
    expect(await isPending(behind)).toBe(true);
    await clock.advance(1);
    expect(await within(2_000, Promise.all([parked, inPlace, behind]))).toEqual([1, 2, 3]);
  });

  test("in sequence with others is passed once each, also when a later attempt fails", async () => {
    const clock = new TestClock();
    const work = payloadNode(
      { name: "work", policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0 } },
      async (n: number, ctx) => {
        for (const index of range(3)) await ctx.sleep(100, { name: `${index}` });
        if (ctx.attempt === 1) throw new Error("not yet");
        return n;
      },
    );
    const flow = running(create(work.to(), { clock, logger: logbook() }), clock);
    const called = flow.call(1).then((value) => [value, clock.now()]);
    await clock.advance(400);
    expect(await within(2_000, called)).toEqual([1, 310]);
  });

  test("at the same time as others ends with the longest of them", async () => {
    const clock = new TestClock();
    const flow = running(
      oneNode(
        async (n, ctx) => {
          await Promise.all([300, 100, 200].map((ms) => ctx.sleep(ms, { name: `${ms}` })));
          return n;
        },
        { clock },
      ),
      clock,
    );
    const called = flow.call(1).then(() => clock.now());
    await clock.advance(400);
    expect(await within(2_000, called)).toBe(300);
  });

  test("is found by its name in whatever order the handler sleeps", async () => {
    const clock = new TestClock();
    let calls = 0;
    const flow = running(
      oneNode(
        async (n, ctx) => {
          calls += 1;
          const names = ["a", "b"];
          if (calls % 2 === 0) names.reverse();
          for (const name of names) await ctx.sleep(name === "a" ? 100 : 1_000, { name });
          return n;
        },
        { clock },
      ),
      clock,
    );
    // "a" from 0, "b" from 100: taking "a" for "b" would end at 100 or sleep anew
    const called = flow.call(1).then(() => clock.now());
    await clock.advance(5_000);
    expect(await within(2_000, called)).toBe(1_100);
  });

  test("twice under one name, or twice without one, fails the trace at once and says how to tell them apart", async () => {
    const clock = new TestClock();
    const twice: readonly [Handle, RegExp][] = [
      [(_, ctx) => Promise.all([ctx.sleep(1, { name: "x" }), ctx.sleep(2, { name: "x" })]), /sleep twice as "x"/],
      [
        (_, ctx) => Promise.all([ctx.sleepUntil(clock.epochNow() + 1), ctx.sleepUntil(clock.epochNow() + 2)]),
        /Cannot sleep twice as "sleepUntil" at node "work".*give each sleep its own "name"/,
      ],
    ];
    for (const [handle, says] of twice) {
      const flow = running(oneNode(handle, { clock }), clock);
      const error = (await within(2_000, rejection(flow.call(1)))) as FlowError;
      expect(error.message).toMatch(says);
      expectEmpty(flow);
    }
  });

  test("does not take the answer to a pause of the same name", async () => {
    const clock = new TestClock();
    const flow = running(
      oneNode(
        async (_, ctx) => {
          const answer = await ctx.pause<string>({ reason: "x" });
          await ctx.sleep(100, { name: "x" });
          return `${answer} at ${clock.now()}`;
        },
        { clock },
      ),
      clock,
    );
    const [pause] = pausesOf(await flow.outcome(1));
    const resumed = flow.pauses.resume((pause as PauseTicket).token, "yes");
    await clock.advance(100);
    expect(await within(2_000, resumed)).toMatchObject({ status: "completed", result: "yes at 100" });
  });

  test("needs sound arguments", async () => {
    const errors: unknown[] = [];
    const flow = running(
      oneNode(async (n, ctx) => {
        for (const wrong of [
          ctx.sleep(-1, { name: "x" }),
          ctx.sleep(1, { name: "" }),
          ctx.sleep(1, { label: "x" } as never),
          ctx.sleep(1, "x" as never),
          ctx.sleepUntil(Number.NaN),
          ctx.sleepUntil(new Date() as never),
          ctx.sleepUntil(1, { name: 7 as never }),
        ])
          errors.push(((await rejection(wrong)) as Error).constructor.name);
        return n;
      }),
    );
    expect(await flow.call(1)).toBe(1);
    expect(errors.map(String)).toEqual([
      "RangeError",
      "TypeError",
      "TypeError",
      "TypeError",
      "RangeError",
      "TypeError",
      "TypeError",
    ]);
  });
});

describe("sleepUntil", () => {
  test("continues at once when its instant has passed", async () => {
    const clock = new TestClock();
    let calls = 0;
    const flow = running(
      oneNode(
        async (n, ctx) => {
          calls += 1;
          await ctx.sleepUntil(clock.epochNow());
          return n;
        },
        { clock },
      ),
      clock,
    );
    expect(await flow.call(1)).toBe(1);
    expect(calls).toBe(1);
  });

  test("keeps the instant of its first call: one that is reckoned from now ends all the same", async () => {
    const clock = new TestClock();
    const flow = running(
      oneNode(
        async (n, ctx) => {
          await ctx.sleepUntil(clock.epochNow() + 1_000);
          return n;
        },
        { clock },
      ),
      clock,
    );
    const called = flow.call(1).then(() => clock.now());
    await clock.advance(5_000);
    expect(await within(2_000, called)).toBe(1_000);
  });

  test("does not end before its instant when the wall clock lags behind the timers", async () => {
    const inner = new TestClock();
    let lagMs = 0;
    const clock = {
      now: () => inner.now(),
      epochNow: () => inner.epochNow() - lagMs,
      setTimer: (callback: () => void, delayMs: number) => inner.setTimer(callback, delayMs),
    };
    const at = clock.epochNow() + 1_000;
    const flow = running(
      oneNode(
        async (_, ctx) => {
          await ctx.sleepUntil(at);
          return clock.epochNow() - at;
        },
        { clock },
      ),
      inner,
    );
    const called = flow.call(1);
    await inner.advance(500);
    lagMs = 200;
    await inner.advance(600);
    expect(await isPending(called)).toBe(true);
    await inner.advance(100);
    expect(await within(2_000, called)).toBe(0);
  });

  test("of a handler that no longer asks for it is forgotten", async () => {
    const clock = new TestClock();
    const logger = logbook();
    const opensAt = clock.epochNow() + 1_000;
    const flow = running(
      oneNode(
        async (n, ctx) => {
          if (clock.epochNow() < opensAt) await ctx.sleepUntil(opensAt);
          return n;
        },
        { clock, logger },
      ),
      clock,
    );
    const called = flow.call(1);
    await clock.advance(1_000);
    expect(await within(2_000, called)).toBe(1);
    expect(logger.lines.filter(({ message }) => message === "pause_not_asked")).toEqual([]);
    expectEmpty(flow);
  });
});

describe("while a trace sleeps", () => {
  const nap = (clock: TestClock, options: FlowOptions = {}) =>
    running(
      oneNode(
        async (n, ctx) => {
          await ctx.sleep(1_000, { name: "nap" });
          return n;
        },
        { clock, ...options },
      ),
      clock,
    );

  test("its callers wait on, since it continues by itself", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const flow = nap(clock, { middlewares: [seen.middleware] });
    const outcome = flow.outcome(1);
    await clock.advance(10);
    expect(await isPending(outcome)).toBe(true);
    expect(await flow.pauses.list()).toEqual([]);
    await clock.advance(990);
    expect(await within(2_000, outcome)).toMatchObject({ status: "completed", result: 1 });
    const until = clock.epochNow();
    expect(seen.of("node_sleep")).toMatchObject([{ node: "work", name: "nap", until }]);
    expect(seen.types()).not.toContain("trace_pause");
  });

  test("the reader of its stream is given the result, and no pause", async () => {
    const clock = new TestClock();
    const flow = nap(clock);
    const read = readAll(flow.stream(1));
    await clock.advance(1_000);
    expect((await within(2_000, read)).map(({ type }) => type)).toEqual(["result"]);
  });

  test("cancel and its deadline end it", async () => {
    const clock = new TestClock();
    const flow = nap(clock);
    const [cancelled, exhausted] = [flow.outcome(1, { traceId: "c" }), flow.outcome(1, { timeoutMs: 100 })];
    await clock.advance(10);
    expect(await flow.cancel("c")).toMatchObject({ found: true, dropped: 1 });
    await clock.advance(90);
    expect((await cancelled).status).toBe("cancelled");
    expect((await exhausted).status).toBe("exhausted");
    expectEmpty(flow);
  });

  test("and waits for an answer, too, its callers are told of the question, and the sleep goes on", async () => {
    const clock = new TestClock();
    const start = payloadNode("start", (n: number) => n);
    const ask = payloadNode("ask", async (n: number, ctx) => await ctx.pause<string>({ reason: `${n}?` }));
    const remind = payloadNode("remind", async (_: number, ctx) => {
      await ctx.sleep(1_000, { name: "a day" });
      return `reminder at ${clock.now()}`;
    });
    const flow = running(create(start.to(ask, remind), { clock, logger: logbook() }), clock);
    const [pause] = pausesOf(await within(2_000, flow.outcome(1, { traceId: "t" })));
    await clock.advance(1_500);
    expect(await flow.pauses.resume((pause as PauseTicket).token, "yes")).toMatchObject({
      status: "completed",
      results: ["reminder at 1000", "yes"],
    });
  });

  test("stop with drainMs waits for it, unless the flow is durable", async () => {
    for (const isDurable of [false, true]) {
      const clock = new TestClock();
      const checkpoints = new MemoryCheckpointStore({ clock });
      const flow = nap(clock, isDurable ? { durability: durable({ checkpoints }) } : {});
      const outcome = flow.outcome(1);
      await clock.advance(10);
      const stopped = flow.stop({ drainMs: 5_000 }).then(() => clock.now());
      await clock.advance(2_000);
      expect(await within(2_000, stopped)).toBe(isDurable ? 10 : 1_000);
      expect((await outcome).status).toBe(isDurable ? "stopped" : "completed");
    }
  });
});

/** Creates a release of a durable flow with one node. */
async function release(
  checkpoints: CheckpointStore,
  clock: TestClock,
  handle: Handle,
  options: Partial<DurableOptions> = {},
) {
  const flow = oneNode(handle, { name: "flow", clock, durability: durable({ checkpoints, ...options }) });
  flow.run();
  const { changed } = await passing(clock, flow.ready(), 0);
  return { flow, changed, stop: () => passing(clock, flow.stop(), 0) };
}

describe("a sleep in a durable flow", () => {
  test("continues after a restart with what is left of it, however many there are", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    let calls = 0;
    const handle: Handle = async (_, ctx) => {
      calls += 1;
      await ctx.sleep(1_000, { name: "nap" });
      return clock.now();
    };
    for (const deploy of range(3)) {
      const { flow, stop } = await release(checkpoints, clock, handle);
      if (deploy === 0) await within(2_000, flow.emit(1, { traceId: "t" }));
      await clock.advance(300);
      await stop();
    }
    const { flow, stop } = await release(checkpoints, clock, handle);
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(100);
    expect(await within(2_000, fetched)).toMatchObject({ payload: 1_000 });
    await stop();
    expect(calls).toBe(2);
  });

  test("is over at once when its instant has passed while no process ran", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const handle: Handle = async (n, ctx) => {
      await ctx.sleepUntil(Date.UTC(2026, 0, 2));
      return n;
    };
    const before = await release(checkpoints, clock, handle);
    await within(2_000, before.flow.emit(1, { traceId: "t" }));
    await clock.advance(10);
    expect(await before.flow.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "running" }]);
    await before.stop();
    await clock.advance(365 * 24 * 3_600_000);
    const { flow, stop } = await release(checkpoints, clock, handle);
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(0);
    expect(await within(2_000, fetched)).toMatchObject({ payload: 1 });
    await stop();
  });

  test("that the next release does not ask for any more is forgotten, and the trace fits the flow", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const before = await release(checkpoints, clock, async (n, ctx) => {
      await ctx.sleep(1_000, { name: "nap" });
      return n;
    });
    await within(2_000, before.flow.emit(1, { traceId: "t" }));
    await before.stop();
    const { flow, stop, changed } = await release(checkpoints, clock, async (n) => n + 1);
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(1_000);
    expect(await within(2_000, fetched)).toMatchObject({ payload: 2 });
    expect(changed).toEqual([]);
    await stop();
  });

  test("is not slept again by retryFailed", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    let isDown = true;
    const { flow, stop } = await release(checkpoints, clock, async (n, ctx) => {
      await ctx.sleep(1_000, { name: "nap" });
      if (isDown) throw new Error("down");
      return n;
    });
    const failed = flow.outcome(1, { traceId: "t" });
    await clock.advance(1_000);
    expect((await within(2_000, failed)).status).toBe("failed");
    isDown = false;
    await flow.recovery.retryFailed("t");
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(0);
    expect(await within(2_000, fetched)).toMatchObject({ payload: 1 });
    await stop();
  });

  test("whose instant passed after its trace had failed is over when that is retried", async () => {
    const clock = new TestClock();
    let isDown = true;
    const start = payloadNode("start", (n: number) => n);
    const nap = payloadNode("nap", async (_: number, ctx) => {
      await ctx.sleep(1_000, { name: "nap" });
      return clock.now();
    });
    const fails = payloadNode("fails", async (_: number, ctx) => {
      await ctx.sleep(500, { name: "a while" });
      if (isDown) throw new Error("down");
    });
    const durability = durable({ checkpoints: new MemoryCheckpointStore({ clock }) });
    const flow = create(start.to(nap, fails), { clock, durability, logger: logbook() });
    flow.run();
    const failed = flow.outcome(1, { traceId: "t" });
    await clock.advance(3_000);
    expect((await within(2_000, failed)).status).toBe("failed");
    isDown = false;
    await flow.recovery.retryFailed("t");
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(0);
    expect(await within(2_000, fetched)).toMatchObject({ payload: 3_000 });
    await passing(clock, flow.stop(), 0);
  });

  test("in a playbook parks the message of the handler that called it, and continues with what is left", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const inner = () =>
      create(
        payloadNode("rest", async (n: number, ctx) => {
          await ctx.sleep(1_000, { name: "nap" });
          return n * 2;
        }).to(),
        { name: "inner", clock, logger: logbook() },
      );
    const handle: Handle = async (n, ctx) => [await ctx.callPlaybook(inner, n), clock.now()];
    const before = await release(checkpoints, clock, handle);
    await within(2_000, before.flow.emit(1, { traceId: "t" }));
    await clock.advance(600);
    await before.stop();
    const { flow, stop } = await release(checkpoints, clock, handle);
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(400);
    expect(await within(2_000, fetched)).toMatchObject({ payload: [2, 1_000] });
    await stop();
  });

  test("is stored in a format that an earlier version of this package refuses, so that none takes it for a pause", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const { flow, stop } = await release(checkpoints, clock, async (_, ctx) => {
      await ctx.sleep(1_000, { name: "nap" });
    });
    await within(2_000, flow.emit(1, { traceId: "t" }));
    await settle();
    await stop();
    const [entry] = await contentsOf(checkpoints);
    expect(entry?.version).toBeGreaterThanOrEqual(3);
  });
});

async function contentsOf(checkpoints: CheckpointStore): Promise<Checkpoint[]> {
  const lease: LeaseRequest = { partition: "flow", owner: "the test", leaseMs: 1 };
  const partition = await checkpoints.open(lease);
  const entries: Checkpoint[] = [];
  for await (const page of partition.read()) entries.push(...page);
  await partition.close();
  return entries;
}
