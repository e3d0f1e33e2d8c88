/** Decides when the work that is ready to run does run. The simulation passes a seeded one. */
export interface Scheduler {
  /**
   * Receives work that could run now and runs it once, in any order it likes. When this is not
   * given, ready work runs in the same turn, in the order it became ready.
   */
  readonly ready?: (task: () => void) => void;
  /** Runs `task` after timers and I/O had their turn. */
  nextTurn(task: () => void): void;
}

declare const setImmediate: ((task: () => void) => unknown) | undefined;

let turns = 0;

/** For the test kit: how many tasks wait for the next turn of {@link systemScheduler}. */
export function outstandingTurns(): number {
  return turns;
}

/** Runs ready work at once, and yields to timers and I/O through `setImmediate` or what is nearest to it. */
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
