/** Source of time for a flow. The default is {@link systemClock}; tests pass a `TestClock`. */
export interface Clock {
  /** Returns monotonic milliseconds from an arbitrary start. Durations are measured with it. */
  now(): number;
  /** Returns milliseconds since the Unix epoch. Instants that leave the process are written with it. */
  epochNow(): number;
  /**
   * Calls `callback` once, `delayMs` from now or slightly later.
   *
   * @returns a function that cancels the call
   */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** A reading of the clock. It is an object because storing a number per attempt would allocate one. */
export class Moment {
  /** The clock's `now()`. */
  readonly now: number;
  /** The clock's `epochNow()`. */
  readonly epoch: number;

  constructor(now: number, epoch: number) {
    this.now = now;
    this.epoch = epoch;
  }
}

// setTimeout fires immediately for delays above 2^31 - 1
const LONGEST_DELAY_MS = 2_147_483_647;

/** The clock of this machine: `performance.now`, `Date.now` and `setTimeout`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epochNow: () => Date.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), LONGEST_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/**
 * Returns the current moment.
 *
 * @param turn - an earlier moment in the same turn of the event loop, if any: the system's clocks advance together
 *   since then, so only one of them is read
 */
export function momentOf(clock: Clock, turn: Moment | undefined): Moment {
  const now = clock.now();
  const isRead = turn === undefined || clock !== systemClock;
  return new Moment(now, isRead ? clock.epochNow() : turn.epoch + Math.floor(now - turn.now));
}
