import type { Clock } from "penguiflow";

interface Pending {
  readonly dueAt: number;
  readonly callback: () => void;
}

/** A clock that goes from one timer to the next, one at a time, when the schedule says so. */
export class SteppedClock implements Clock {
  #now = 0;
  readonly #pending = new Set<Pending>();

  now(): number {
    return this.#now;
  }

  epochNow(): number {
    return Date.UTC(2026, 0, 1) + this.#now;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const pending = { dueAt: this.#now + Math.max(0, delayMs), callback };
    this.#pending.add(pending);
    return () => this.#pending.delete(pending);
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#pending.size;
  }

  /** Moves time on to the next timer and runs it. */
  step(): void {
    let next: Pending | undefined;
    for (const pending of this.#pending) if (next === undefined || pending.dueAt < next.dueAt) next = pending;
    if (next === undefined) return;
    this.#pending.delete(next);
    this.#now = Math.max(this.#now, next.dueAt);
    next.callback();
  }
}
