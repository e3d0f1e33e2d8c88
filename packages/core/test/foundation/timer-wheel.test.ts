import { expect, test } from "vitest";
import { TestClock } from "penguiflow/testing";
import { EMPTY_SCOPE } from "../../src/foundation/async-scope.ts";
import { TimerWheel } from "../../src/foundation/timer-wheel.ts";

function wheelOn(clock: TestClock): TimerWheel {
  return new TimerWheel(clock, EMPTY_SCOPE, (error) => expect.unreachable(String(error)));
}

test("a timer that is cancelled once the wheel is closed is counted once", () => {
  const wheel = wheelOn(new TestClock());
  const timer = wheel.after(5, () => {});
  wheel.after(7, () => {});
  wheel.close();
  timer.cancel();
  expect(wheel.size).toBe(0);
});

test("a timer that closes the wheel cancels those of its own millisecond, too", async () => {
  const clock = new TestClock();
  const wheel = wheelOn(clock);
  const called: number[] = [];
  for (const number of [1, 2, 3])
    wheel.after(5, () => {
      called.push(number);
      wheel.close();
    });
  await clock.advance(5);
  expect([called, wheel.size, clock.timers]).toEqual([[1], 0, 0]);
});

test("a timer that is set on a closed wheel is none of the clock, and never calls", async () => {
  const clock = new TestClock();
  const wheel = wheelOn(clock);
  wheel.close();
  const timer = wheel.after(5, () => expect.unreachable());
  expect([wheel.size, clock.timers]).toEqual([0, 0]);
  await clock.advance(5);
  timer.cancel();
  expect([wheel.size, clock.timers]).toEqual([0, 0]);
});

test("a timer waits for the next turn: one that is cancelled in its own sets none of the clock's", async () => {
  const clock = new TestClock();
  const turns: (() => void)[] = [];
  const wheel = new TimerWheel(
    clock,
    EMPTY_SCOPE,
    (error) => expect.unreachable(String(error)),
    (task) => void turns.push(task),
  );
  const called: number[] = [];
  wheel.after(5, () => expect.unreachable()).cancel();
  expect([wheel.size, turns.length]).toEqual([0, 1]);
  for (const delay of [3, 5]) wheel.after(delay, () => called.push(delay));
  const cancelled = wheel.after(4, () => expect.unreachable());
  expect([wheel.size, clock.timers]).toEqual([3, 0]);
  for (const turn of turns.splice(0)) turn();
  cancelled.cancel();
  expect([wheel.size, clock.timers]).toEqual([2, 1]);
  await clock.advance(5);
  expect([called, wheel.size, clock.timers]).toEqual([[3, 5], 0, 0]);
  const last = wheel.after(5, () => expect.unreachable());
  wheel.close();
  last.cancel();
  for (const turn of turns.splice(0)) turn();
  await clock.advance(5);
  expect([wheel.size, clock.timers]).toEqual([0, 0]);
});
