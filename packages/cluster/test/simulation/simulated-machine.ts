import type { Clock, Random, Scheduler } from "penguiflow";
import type { SeededSchedule } from "../../../core/src/testing/simulation/seeded-schedule.ts";
import type { Machine } from "../../src/form/machine.ts";

/**
 * A machine of a simulated cluster: a process that can be suspended and killed. While it is suspended nothing happens in
 * it; what comes meanwhile happens afterwards. Its wall clock is wrong.
 */
export class SimulatedMachine implements Machine {
  readonly name: string;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly newId: (bytes: number) => string;
  readonly newUtilization = () => () => 0.5;
  readonly #schedule: SeededSchedule;
  readonly #timers = new Set<() => void>();
  /** Work that has come since it was suspended. */
  readonly #held: (() => void)[] = [];
  #isAsleep = false;
  hasEnded = false;
  /** Whether its messages do not reach the backend, nor those of the backend it. */
  isCutOff = false;

  constructor(name: string, schedule: SeededSchedule, random: Random) {
    this.name = name;
    this.random = random;
    this.#schedule = schedule;
    const skewMs = Math.floor((random() - 0.5) * 10_000);
    this.clock = {
      now: () => schedule.clock.now(),
      epochNow: () => schedule.clock.epochNow() + skewMs,
      setTimer: (callback, delayMs) => this.#setTimer(callback, delayMs),
    };
    this.scheduler = {
      ready: (task) => schedule.ready(this.#whileAwake(task)),
      nextTurn: (task) => schedule.nextTurn(this.#whileAwake(task)),
    };
    this.newId = (bytes) =>
      Array.from({ length: bytes }, () =>
        Math.floor(random() * 256)
          .toString(16)
          .padStart(2, "0"),
      ).join("");
  }

  /** Calls `act` at some time, `delayMs` from now or later, while the process exists. */
  later(act: () => void, delayMs = 0): void {
    if (delayMs > 0) this.clock.setTimer(() => this.later(act), delayMs);
    else this.#schedule.move(this.#whileAwake(act));
  }

  /** Stops the process for a while. */
  suspend(ms: number): void {
    if (this.#isAsleep || this.hasEnded) return;
    this.#isAsleep = true;
    this.#schedule.clock.setTimer(() => {
      this.#isAsleep = false;
      for (const act of this.#held.splice(0)) this.later(act);
    }, ms);
  }

  /** Ends the process at its current point. */
  kill(): void {
    this.hasEnded = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#held.length = 0;
  }

  #setTimer(callback: () => void, delayMs: number): () => void {
    if (this.hasEnded) return () => {};
    let isOver = false;
    const cancel = this.#schedule.clock.setTimer(
      this.#whileAwake(() => {
        this.#timers.delete(end);
        if (!isOver) callback();
      }),
      delayMs,
    );
    const end = (): void => {
      isOver = true;
      this.#timers.delete(end);
      cancel();
    };
    this.#timers.add(end);
    return end;
  }

  #whileAwake(act: () => void): () => void {
    return () => {
      if (this.hasEnded) return;
      if (this.#isAsleep) this.#held.push(act);
      else act();
    };
  }
}
