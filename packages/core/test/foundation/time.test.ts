import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { create, payloadNode, seededRandom, systemClock, systemScheduler } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { tidy, within } from "../fixtures/watched-flow.ts";

describe("the timers of a flow", () => {
  test("fire in the order of their instants, then in the order they were set, whichever are taken back", async () => {
    const wish = fc.record({ delay: fc.nat({ max: 40 }), until: fc.option(fc.nat({ max: 40 }), { nil: undefined }) });
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { minLength: 1, maxLength: 30 }), fc.nat({ max: 5 }), async (wishes, step) => {
        const clock = new TestClock();
        const woke: number[] = [];
        const sleepy = payloadNode(
          { name: "sleepy", policy: { ordering: "none", concurrency: 1_000 } },
          async (index: number, ctx) => {
            await ctx.sleep(wishes[index]?.delay ?? 0);
            woke.push(index);
            return index;
          },
        );
        const flow = create(sleepy.to(), { clock }).run();
        const outcomes = wishes.map(({ until }, index) =>
          flow.outcome(index, until === undefined ? {} : { timeoutMs: until }),
        );
        for (let at = 0; at <= 40; at += step + 1) await clock.advance(step + 1);
        await within(2_000, Promise.all(outcomes));
        expect(flow.stats().timers).toBe(0);
        expect(clock.timers).toBe(0);
        await flow.stop();
        // at equal instants the deadline, which was set first, wins
        const expected = wishes
          .map(({ delay, until }, index) => ({ delay, index, wakes: until === undefined || delay < until }))
          .filter(({ wakes }) => wakes)
          .sort((left, right) => left.delay - right.delay || left.index - right.index);
        expect(woke).toEqual(expected.map(({ index }) => index));
      }),
      { numRuns: 50 },
    );
  });

  test("share one timer of the clock at any number, and use none when there are none", async () => {
    const clock = new TestClock();
    const sleepy = payloadNode({ name: "sleepy", policy: { concurrency: 10_000 } }, async (ms: number, ctx) => {
      await ctx.sleep(ms);
      return ms;
    });
    const flow = tidy(create(sleepy.to(), { clock }).run());
    const calls = Array.from({ length: 2_000 }, (_, index) => flow.call(index, { timeoutMs: 100_000 }));
    await settle();
    expect(flow.stats().timers).toBe(4_000);
    expect(clock.timers).toBe(1);
    await clock.advance(2_000);
    await Promise.all(calls);
    expect(clock.timers).toBe(0);
  });

  test("of more than 24 days do not fire at once", async () => {
    const flow = create(payloadNode("long", (_: number, ctx) => ctx.sleep(2 ** 40)).to()).run();
    const outcome = flow.outcome(1, { timeoutMs: 2 ** 41 });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(flow.stats().traces).toBe(1);
    await flow.stop();
    expect((await outcome).status).toBe("stopped");
  });

  test("of more than 24 days fire when they are due", async () => {
    const clock = new TestClock();
    const flow = tidy(
      create(payloadNode("long", (days: number, ctx) => ctx.sleep(days).then(() => 1)).to(), { clock }).run(),
    );
    const call = flow.call(2 ** 40);
    await clock.advance(2 ** 40 - 1);
    expect(flow.stats().traces).toBe(1);
    await clock.advance(1);
    expect(await within(1_000, call)).toBe(1);
  });

  test("do not run backwards when the machine's date is changed", async () => {
    const clock = new TestClock();
    let shift = 0;
    const shifted = {
      now: () => clock.now(),
      epochNow: () => clock.epochNow() + shift,
      setTimer: (callback: () => void, delayMs: number) => clock.setTimer(callback, delayMs),
    };
    const flow = tidy(
      create(payloadNode("a", (ms: number, ctx) => ctx.sleep(ms).then(() => ms)).to(), { clock: shifted }).run(),
    );
    const [fine, late] = [flow.outcome(50, { timeoutMs: 100 }), flow.outcome(150, { timeoutMs: 100 })];
    await settle();
    shift = -1_000_000;
    await clock.advance(100);
    expect((await within(1_000, fine)).status).toBe("completed");
    expect(await within(1_000, late)).toMatchObject({ status: "exhausted", durationMs: 100 });
  });
});

describe("the ports of the machine", () => {
  test("the system clock grows, tells the date, and its timers can be taken back", async () => {
    const [first, epoch] = [systemClock.now(), systemClock.epochNow()];
    const fired: string[] = [];
    systemClock.setTimer(() => fired.push("kept"), 1);
    systemClock.setTimer(() => fired.push("taken back"), 1)();
    systemClock.setTimer(() => fired.push("far"), Number.MAX_SAFE_INTEGER)();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(fired).toEqual(["kept"]);
    expect(systemClock.now()).toBeGreaterThan(first);
    expect(Math.abs(systemClock.epochNow() - Date.now())).toBeLessThan(1_000);
    expect(systemClock.epochNow()).toBeGreaterThanOrEqual(epoch);
  });

  test("the system scheduler lets timers have their turn", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      void Promise.resolve().then(() => order.push("microtask"));
      systemScheduler.nextTurn(() => {
        order.push("turn");
        resolve();
      });
    });
    expect(order).toEqual(["microtask", "turn"]);
  });

  test("a seeded random source gives the same numbers from 0 to 1 for the same seed, spread evenly", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const [one, two] = [seededRandom(seed), seededRandom(seed)];
        const drawn = Array.from({ length: 50 }, () => one());
        expect(Array.from({ length: 50 }, () => two())).toEqual(drawn);
        expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
        expect(new Set(drawn).size).toBeGreaterThan(45);
      }),
    );
    const random = seededRandom(1);
    const buckets = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw += 1) {
      const bucket = Math.floor(random() * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});

describe("the ids of traces", () => {
  test("are unique in a flow and over flows", async () => {
    const ids = new Set<string>();
    for (let run = 0; run < 5; run += 1) {
      const flow = create(payloadNode("id", (_: number, ctx) => ctx.traceId).to()).run();
      const results = await Promise.all(Array.from({ length: 200 }, () => flow.call(1)));
      for (const id of results) ids.add(id);
      await flow.stop();
    }
    expect(ids.size).toBe(1_000);
  });

  test("come from the flow's random source", async () => {
    const idsOf = async (seed: number) => {
      const flow = create(payloadNode("id", (_: number, ctx) => ctx.traceId).to(), {
        random: seededRandom(seed),
      }).run();
      const ids = [await flow.call(1), await flow.call(1), await flow.emit(1)];
      await flow.stop();
      return ids;
    };
    expect(await idsOf(3)).toEqual(await idsOf(3));
    expect(await idsOf(3)).not.toEqual(await idsOf(4));
  });
});
