/** Where a flow gets its time from. The default is {@link systemClock}; tests pass a `TestClock`. */
export interface Clock {
  /** Milliseconds that only ever grow, from an arbitrary start. Spans are measured with it. */
  now(): number;
  /** Milliseconds since the Unix epoch. Instants that leave the process are written with it. */
  epochNow(): number;
  /**
   * Calls `callback` once, `delayMs` from now or a little later.
   *
   * @returns a function that takes the call back.
   */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** A reading of the clock. An object, since storing a number for every attempt would allocate one. */
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

// setTimeout fires at once for delays above 2^31 - 1
const LONGEST_DELAY_MS = 2_147_483_647;

/** The time of this machine: `performance.now`, `Date.now` and `setTimeout`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epochNow: () => Date.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), LONGEST_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/**
 * The present moment.
 *
 * @param turn - a moment earlier in the same turn of the event loop, if there is one: the system's two clocks run alike
 * since then, so that one is read, and not both
 */
export function momentOf(clock: Clock, turn: Moment | undefined): Moment {
  const now = clock.now();
  const isRead = turn === undefined || clock !== systemClock;
  return new Moment(now, isRead ? clock.epochNow() : turn.epoch + Math.floor(now - turn.now));
}
