import type { Clock } from "../../foundation/clock.ts";
import type { Scheduler } from "../../foundation/scheduler.ts";
import type { FlowEvent } from "../../events/flow-event.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Engine } from "../../engine/engine.ts";
import type { SeededSchedule } from "./seeded-schedule.ts";

/**
 * A process in which a simulated flow runs. Killing it stops all activity of its flow, handlers and callers: as with a
 * real process, only the contents of the checkpoint store remain.
 */
export class SimulatedProcess {
  readonly records: TraceRecord[] = [];
  readonly events: FlowEvent[] = [];
  /** Number of records that are in the checkpoint store. */
  stored = 0;
  hasEnded = false;
  /** Whether it holds a lease on the checkpoint store. */
  hasCheckpoints = false;
  /** Whether its flow is shutting down, for another process to continue. */
  isLeaving = false;
  /** Whether its flow takes items of the intake as they come. */
  readsIntake = false;
  /** The engine of its flow, once a handler was called. */
  engine: Engine | undefined;
  /** Descriptions of pending waits, by number. */
  readonly waits = new Map<number, string>();
  /** The run of each request, by its key. */
  readonly runs = new Map<string, string>();
  /** Number of messages restored, by node. */
  readonly restored = new Map<string, number>();
  /** Number of delivered results of each request, by its key. */
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

  /** Calls `act` at some time, `delayMs` from now or later, if the process still exists. */
  later(act: () => void, delayMs = 0): void {
    if (delayMs > 0) this.clock.setTimer(() => this.later(act), delayMs);
    else this.#schedule.move(this.#whileAlive(act));
  }

  /** Calls `act` at some time, a second from now at the latest, if the process still exists. */
  soon(act: () => void): void {
    const once = (): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      act();
    };
    let isOver = false;
    const cancel = this.clock.setTimer(once, 1_000);
    this.later(once);
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
