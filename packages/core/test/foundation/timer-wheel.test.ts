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
