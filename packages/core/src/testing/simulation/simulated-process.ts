import type { Clock } from "../../foundation/clock.ts";
import type { Scheduler } from "../../foundation/scheduler.ts";
import type { FlowEvent } from "../../events/flow-event.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Engine } from "../../engine/engine.ts";
import type { SeededSchedule } from "./seeded-schedule.ts";

/**
 * A process in which a simulated flow runs. When it is killed, nothing that its flow, its handlers and its callers
 * have set going goes on: as with a real one, all that is left is what the journal has.
 */
export class SimulatedProcess {
  readonly records: TraceRecord[] = [];
  readonly events: FlowEvent[] = [];
  /** How many of the records are in the journal. */
  stored = 0;
  hasEnded = false;
  /** Whether it has claimed the journal. */
  hasJournal = false;
  /** Whether its flow is being stopped, for another process to go on. */
  isLeaving = false;
  /** The run of its flow, once a handler was called. */
  engine: Engine | undefined;
  /** Who waits for what, by number. */
  readonly waits = new Map<number, string>();
  /** The run of each request, by its key. */
  readonly runs = new Map<string, string>();
  /** How many messages each node was given back. */
  readonly restored = new Map<string, number>();
  /** How many results of each request were given out, by its key. */
  readonly told = new Map<string, number>();
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly #schedule: SeededSchedule;
  readonly #timers = new Set<() => void>();

  constructor(schedule: SeededSchedule) {
    this.#schedule = schedule;
    this.clock = {
      now: () => schedule.clock.now(),
      epochNow: () => schedule.clock.epochNow(),
      setTimer: (callback, delayMs) => this.#setTimer(callback, delayMs),
    };
    this.scheduler = {
      ready: (task) => schedule.ready(this.#whileAlive(task)),
      nextTurn: (task) => schedule.nextTurn(this.#whileAlive(task)),
    };
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Does something at some time, `delayMs` from now or later, if the process still is there. */
  later(act: () => void, delayMs = 0): void {
    if (delayMs > 0) this.clock.setTimer(() => this.later(act), delayMs);
    else this.#schedule.move(this.#whileAlive(act));
  }

  kill(): void {
    this.hasEnded = true;
    this.waits.clear();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  #setTimer(callback: () => void, delayMs: number): () => void {
    if (this.hasEnded) return () => {};
    const cancel = this.#schedule.clock.setTimer(() => {
      this.#timers.delete(cancel);
      callback();
    }, delayMs);
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  #whileAlive(act: () => void): () => void {
    return () => {
      if (!this.hasEnded) act();
    };
  }
}
