import * as fc from "fast-check";
import { expect, test } from "vitest";
import { create, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { rejection, tidy } from "../fixtures/watched-flow.ts";

test("time stands still until it is told to advance", async () => {
  const clock = new TestClock();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect([clock.now(), clock.epochNow()]).toEqual([0, Date.UTC(2026, 0, 1)]);
  await clock.advance(250);
  expect([clock.now(), clock.epochNow()]).toEqual([250, Date.UTC(2026, 0, 1) + 250]);
  expect(new TestClock(5).epochNow()).toBe(5);
});

test("timers run at their instants, in order, those of one instant in the order they were set", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 15 }),
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }),
      async (delays, steps) => {
        const clock = new TestClock();
        const ran: [number, number][] = [];
        for (const [index, delay] of delays.entries()) clock.setTimer(() => ran.push([clock.now(), index]), delay);
        for (const step of steps) await clock.advance(step);
        const until = steps.reduce((sum, step) => sum + step, 0);
        const expected = delays
          .map((delay, index): [number, number] => [delay, index])
          .filter(([delay]) => delay <= until && steps.length > 0)
          .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(ran).toEqual(expected);
        expect(clock.timers).toBe(delays.length - expected.length);
      },
    ),
    { numRuns: 30 },
  );
});

test("a timer that sets another one within the span has that run too, at its own instant", async () => {
  const clock = new TestClock();
  const ran: number[] = [];
  const again = (): void => {
    ran.push(clock.now());
    if (ran.length < 5) clock.setTimer(again, 10);
  };
  clock.setTimer(again, 10);
  await clock.advance(35);
  expect(ran).toEqual([10, 20, 30]);
  expect(clock.timers).toBe(1);
});

test("a timer that was taken back does not run, also when another one of its instant takes it back", async () => {
  const clock = new TestClock();
  const ran: string[] = [];
  const first = clock.setTimer(() => ran.push("never"), 5);
  first();
  clock.setTimer(() => second(), 5);
  const second = clock.setTimer(() => ran.push("never"), 5);
  await clock.advance(10);
  expect(ran).toEqual([]);
  expect(clock.timers).toBe(0);
});

test("what promises lead to between two timers happens between them", async () => {
  const clock = new TestClock();
  const order: string[] = [];
  clock.setTimer(() => {
    void (async () => {
      for (let step = 0; step < 50; step += 1) await Promise.resolve();
      order.push("promises of the first");
    })();
  }, 1);
  clock.setTimer(() => order.push("second"), 2);
  await clock.advance(2);
  expect(order).toEqual(["promises of the first", "second"]);
});

test("advancing by nothing lets handlers continue as far as they can", async () => {
  const clock = new TestClock();
  let steps = 0;
  void (async () => {
    for (; steps < 1_000; steps += 1) await Promise.resolve();
  })();
  await clock.advance(0);
  expect(steps).toBe(1_000);
});

test("time never goes back: a negative or unusable span is refused", async () => {
  const clock = new TestClock();
  await clock.advance(10);
  for (const span of [-1, Number.NaN]) expect(await rejection(clock.advance(span))).toBeInstanceOf(RangeError);
  expect(clock.now()).toBe(10);
});

test("a flow with thousands of calls to make in one instant has made them when advance resolves", async () => {
  const clock = new TestClock();
  let calls = 0;
  const nodes = Array.from({ length: 10 }, (_, index) =>
    payloadNode(`n${index}`, (value: number) => {
      calls += 1;
      return value;
    }),
  );
  const flow = tidy(
    create(...nodes.slice(1).map((next, index) => nodes[index]!.to(next)), { clock, queueMaxSize: 0 }).run(),
  );
  const sleeper = clock.setTimer(() => {
    for (let call = 0; call < 2_000; call += 1) void flow.call(call);
  }, 10);
  await clock.advance(10);
  expect(calls).toBe(20_000);
  sleeper();
});

test("a flow under the clock keeps one timer of it, whatever waits", async () => {
  const clock = new TestClock();
  const sleeper = payloadNode(
    { name: "sleeper", policy: { timeoutMs: 10_000, concurrency: 1_000 } },
    async (ms: number, ctx) => {
      await ctx.sleep(ms);
      return ms;
    },
  );
  const flow = tidy(create(sleeper.to(), { clock }).run());
  const calls = Array.from({ length: 500 }, (_, index) => flow.call(index + 1, { timeoutMs: 60_000 }));
  await clock.advance(0);
  expect(clock.timers).toBe(1);
  expect(flow.stats().timers).toBe(1_500);
  await clock.advance(500);
  await Promise.all(calls);
  expect(clock.timers).toBe(0);
});

test("the clock says how long it is until the next timer, which may be overdue", async () => {
  const clock = new TestClock();
  expect(clock.nextInMs).toBeUndefined();
  clock.setTimer(() => {}, 300);
  const cancel = clock.setTimer(() => {}, 100);
  await clock.advance(40);
  expect(clock.nextInMs).toBe(60);
  cancel();
  expect(clock.nextInMs).toBe(260);
  clock.skip(1_000);
  expect(clock.nextInMs).toBe(0);
});

test("settle resolves when promises have gone as far as they can", async () => {
  let steps = 0;
  void (async () => {
    for (; steps < 100; steps += 1) await Promise.resolve();
  })();
  await settle();
  expect(steps).toBe(100);
});
