import type { Trace } from "../../engine/state/trace.ts";

/** Receives the error that prevents storing, or `undefined` once that is done. */
export type Told = (failure: Error | undefined) => void;

/** Callers that wait until changes are stored. */
export class StoredWaiters {
  /** Waiters for the next batch. */
  #waiting: Told[] = [];
  /** Waiters for the batch that is being stored. */
  #waitingNow: Told[] = [];
  /** Waiters for traces of which nothing is stored yet. */
  readonly #unstored = new Map<Trace, Told[]>();

  /** Whether a caller waits for the next batch. */
  get isAwaited(): boolean {
    return this.#waiting.length > 0;
  }

  /** Adds a waiter for the next batch. */
  add(told: Told): void {
    this.#waiting.push(told);
  }

  /** Adds a waiter for a trace of which nothing is stored yet. */
  addFor(trace: Trace, told: Told): void {
    this.#unstored.set(trace, [...(this.#unstored.get(trace) ?? []), told]);
  }

  /** Notes that a batch begins. */
  begin(): void {
    this.#waitingNow = this.#waiting.splice(0);
  }

  /** Notes that the batch stores a trace. */
  join(trace: Trace): void {
    if (this.#unstored.size > 0) this.#waitingNow.push(...this.#takeUnstored([trace]));
  }

  /** Calls the waiters for the batch that has begun: it is stored. */
  release(): void {
    for (const told of this.#waitingNow.splice(0)) told(undefined);
  }

  /** Calls all waiters with the error that prevents storing. */
  fail(failure: Error): void {
    const unstored = this.#takeUnstored([...this.#unstored.keys()]);
    for (const told of [...this.#waitingNow.splice(0), ...this.#waiting.splice(0), ...unstored]) told(failure);
  }

  #takeUnstored(traces: readonly Trace[]): Told[] {
    return traces.flatMap((trace) => {
      const waiting = this.#unstored.get(trace) ?? [];
      this.#unstored.delete(trace);
      return waiting;
    });
  }
}

/** Returns a promise of a listener's call. */
export function toldBy(listen: (told: Told) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    listen((failure) => {
      if (failure === undefined) resolve();
      else reject(failure);
    });
  });
}
