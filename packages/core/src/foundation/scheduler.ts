/** Decides when ready work runs. The simulation passes a seeded one. */
export interface Scheduler {
  /**
   * Receives ready work and runs each task once, in any order. When omitted, ready work runs in the same turn, in the
   * order it became ready.
   */
  readonly ready?: (task: () => void) => void;
  /** Runs `task` after timers and I/O have had their turn. */
  nextTurn(task: () => void): void;
}

declare const setImmediate: ((task: () => void) => unknown) | undefined;

let turns = 0;

/** Returns how many tasks wait for the next turn of {@link systemScheduler}. For the test kit. */
export function outstandingTurns(): number {
  return turns;
}

/** Runs ready work immediately, and yields to timers and I/O through `setImmediate` or its nearest equivalent. */
export const systemScheduler: Scheduler = {
  nextTurn(task) {
    turns += 1;
    const run = (): void => {
      turns -= 1;
      task();
    };
    if (typeof setImmediate === "function") setImmediate(run);
    else setTimeout(run, 0);
  },
};
