import { requireNumber } from "../../foundation/options.ts";
import { outstandingTurns } from "../../foundation/scheduler.ts";
import type { Clock } from "../../foundation/clock.ts";

interface Pending {
  readonly dueAt: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until it is told to advance. Pass it to `create(…, { clock })`, then
 * `await clock.advance(1_000)` runs everything that is due within that second, in order, and lets
 * handlers go on in between.
 */
export class TestClock implements Clock {
  #now = 0;
  #count = 0;
  readonly #epoch: number;
  readonly #pending = new Set<Pending>();

  /** @param epochMs - what `epochNow` is at the start; @defaultValue 2026-01-01T00:00:00Z */
  constructor(epochMs: number = Date.UTC(2026, 0, 1)) {
    this.#epoch = epochMs;
  }

  /** Milliseconds by which the clock has been advanced, from 0. */
  now(): number {
    return this.#now;
  }

  /** Milliseconds since the Unix epoch: the start plus what the clock has been advanced by. */
  epochNow(): number {
    return this.#epoch + this.#now;
  }

  /**
   * Has `callback` called once by the `advance` that reaches `delayMs` from now; timers due at the same time in
   * the order in which they were set.
   *
   * @returns a function that takes the call back
   */
  setTimer(callback: () => void, delayMs: number): () => void {
    const pending: Pending = { dueAt: this.#now + Math.max(0, delayMs), order: this.#count++, callback };
    this.#pending.add(pending);
    return () => this.#pending.delete(pending);
  }

  /** How many timers wait. A flow has one for all its waits. */
  get timers(): number {
    return this.#pending.size;
  }

  /** Moves time on to the next timer and runs it, without waiting for what follows from it. Does nothing when none is set. */
  step(): void {
    const next = this.#next();
    if (next === undefined) return;
    this.#pending.delete(next);
    this.#now = Math.max(this.#now, next.dueAt);
    next.callback();
  }

  /** Moves time on by `ms` milliseconds, timer by timer. Resolves when everything that became due has run. */
  async advance(ms: number): Promise<void> {
    requireNumber("ms", ms, 0);
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.dueAt > until) break;
      this.step();
      await settle();
    }
    this.#now = until;
    await settle();
  }

  #next(): Pending | undefined {
    let next: Pending | undefined;
    for (const pending of this.#pending) {
      if (
        next === undefined ||
        pending.dueAt < next.dueAt ||
        (pending.dueAt === next.dueAt && pending.order < next.order)
      )
        next = pending;
    }
    return next;
  }
}

/** Resolves when handlers that wait for nothing but promises have gone on as far as they can. */
export async function settle(): Promise<void> {
  do {
    await new Promise((resolve) => setTimeout(resolve, 0));
  } while (outstandingTurns() > 0);
}
