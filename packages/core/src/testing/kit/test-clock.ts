import { requireNumber } from "../../foundation/options.ts";
import { outstandingTurns } from "../../foundation/scheduler.ts";
import type { Clock } from "../../foundation/clock.ts";

interface Pending {
  readonly dueAt: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until it is advanced. Pass it to `create(…, { clock })`. `await clock.advance(1_000)` then
 * runs everything due within that second, in order, and lets handlers continue in between.
 */
export class TestClock implements Clock {
  #now = 0;
  #count = 0;
  readonly #epoch: number;
  readonly #pending = new Set<Pending>();

  /**
   * Creates a clock whose `now()` is 0.
   *
   * @param epochMs - initial value of `epochNow`; @defaultValue 2026-01-01T00:00:00Z
   */
  constructor(epochMs: number = Date.UTC(2026, 0, 1)) {
    this.#epoch = epochMs;
  }

  /** Returns the milliseconds by which the clock has been advanced, from 0. */
  now(): number {
    return this.#now;
  }

  /** Returns the milliseconds since the Unix epoch: the start plus all advances. */
  epochNow(): number {
    return this.#epoch + this.#now;
  }

  /**
   * Calls `callback` once, in the `advance` that reaches `delayMs` from now. Timers due at the same time run in the
   * order in which they were set.
   *
   * @returns a function that cancels the call
   */
  setTimer(callback: () => void, delayMs: number): () => void {
    const pending: Pending = { dueAt: this.#now + Math.max(0, delayMs), order: this.#count++, callback };
    this.#pending.add(pending);
    return () => this.#pending.delete(pending);
  }

  /** Number of pending timers. A flow has one for all its waits. */
  get timers(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer is due; `undefined` when none is set. */
  get nextInMs(): number | undefined {
    const next = this.#next();
    return next && Math.max(0, next.dueAt - this.#now);
  }

  /**
   * Advances to the next timer and runs it, without waiting for its consequences. Does nothing when no timer is set.
   */
  step(): void {
    const next = this.#next();
    if (next === undefined) return;
    this.#pending.delete(next);
    this.#now = Math.max(this.#now, next.dueAt);
    next.callback();
  }

  /** Advances the clock by `ms` milliseconds, timer by timer. Resolves once everything that became due has run. */
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

  /**
   * Advances the clock by `ms` milliseconds without running anything, as when the process was suspended. Timers that
   * became due run late, in the next `advance`.
   */
  skip(ms: number): void {
    requireNumber("ms", ms, 0);
    this.#now += ms;
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

/** Resolves once handlers that wait only for promises have continued as far as they can. */
export async function settle(): Promise<void> {
  do {
    await new Promise((resolve) => setTimeout(resolve, 0));
  } while (outstandingTurns() > 0);
}
