import { randomBytes } from "node:crypto";
import { type Clock, type Random, type Scheduler, systemClock, systemScheduler } from "penguiflow";

/** Time, turns of the event loop, chance and ids of a program: its machine's, or those of a simulation. */
export interface Machine {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Makes an id of hexadecimal digits, two for each byte. */
  readonly newId: (bytes: number) => string;
  /** Returns the share of the time since the call before in which the event loop was busy. */
  readonly newUtilization: () => () => number;
}

export const thisMachine: Machine = {
  clock: systemClock,
  scheduler: systemScheduler,
  random: Math.random,
  newId: (bytes) => randomBytes(bytes).toString("hex"),
  newUtilization() {
    let before = performance.eventLoopUtilization();
    return () => {
      const { utilization } = performance.eventLoopUtilization(before);
      before = performance.eventLoopUtilization();
      return utilization;
    };
  },
};

/** Calls `act` again and again, every so many milliseconds. Returns the function that ends it. */
export function every(clock: Clock, ms: number, act: () => void): () => void {
  let cancel = (): void => {};
  const wait = (): void => {
    cancel = clock.setTimer(() => {
      wait();
      act();
    }, ms);
  };
  wait();
  return () => cancel();
}

/** Resolves after so many milliseconds, or when the signal aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.setTimer(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted === true) done();
  });
}
