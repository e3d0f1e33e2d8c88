import type { Random } from "../../foundation/random.ts";
import { type Scheduler, systemScheduler } from "../../foundation/scheduler.ts";
import { TestClock } from "../kit/test-clock.ts";

/** Limit on steps, above that of any run that terminates. */
const STEP_LIMIT = 200_000;
/** Moves that weigh as much as the next timer. */
const CROWD = 8;
/** Milliseconds by which time may pass while something is left to do: it takes less than that. */
const FAR_MS = 10_000;

/**
 * Draws the next event from a seeded random source: a ready task, a move from outside of the flow, the next turn, or
 * the next timer. Only its clock advances time.
 */
export class SeededSchedule implements Scheduler {
  readonly clock = new TestClock();
  readonly #random: Random;
  readonly #tasks: (() => void)[] = [];
  /** Work for the next turn, which runs before time advances. */
  readonly #turns: (() => void)[] = [];
  readonly #moves: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  ready(task: () => void): void {
    this.#tasks.push(task);
  }

  nextTurn(task: () => void): void {
    this.#turns.push(task);
  }

  /** Schedules an action from outside of the flow, at any time. */
  move(act: () => void): void {
    this.#moves.push(act);
  }

  /**
   * Runs tasks, moves and timers in drawn order until nothing is left to do. Calls `look` whenever everything that can
   * continue by itself has done so. Where only timers are left, `isOver` may declare them irrelevant.
   *
   * @returns whether the run terminated
   */
  async playOn(look: () => void, isOver: () => boolean = () => false): Promise<boolean> {
    for (let step = 0; step < STEP_LIMIT; step += 1) {
      await settled();
      look();
      const kinds = [
        { weight: this.#tasks.length > 0 ? 6 : 0, act: () => this.#takeOne(this.#tasks)() },
        { weight: weightOf(this.#moves.length), act: () => this.#takeOne(this.#moves)() },
        { weight: this.#turns.length > 0 ? 2 : 0, act: () => this.#nextTurn() },
        { weight: this.#mayPassTime ? 1 : 0, act: () => this.#passTime() },
      ];
      let choice = this.#random() * kinds.reduce((sum, { weight }) => sum + weight, 0);
      const chosen = kinds.find(({ weight }) => (choice -= weight) < 0);
      if (chosen === undefined || (!this.#hasWork && isOver())) return true;
      chosen.act();
      // sometimes several events occur before any of them is noticed
      if (this.#tasks.length > 0 && this.#random() < 0.3) this.#takeOne(this.#tasks)();
    }
    return false;
  }

  /** Whether something is left to do that needs no time to pass. */
  get #hasWork(): boolean {
    return this.#tasks.length + this.#moves.length + this.#turns.length > 0;
  }

  get #mayPassTime(): boolean {
    const { nextInMs } = this.clock;
    return nextInMs !== undefined && (nextInMs <= FAR_MS || !this.#hasWork);
  }

  #nextTurn(): void {
    for (const task of this.#turns.splice(0)) task();
  }

  #passTime(): void {
    this.#nextTurn();
    this.clock.step();
  }

  #takeOne(from: (() => void)[]): () => void {
    return from.splice(Math.floor(this.#random() * from.length), 1)[0] as () => void;
  }
}

/** Returns the weight of moves: time must not pass faster than a crowd of them is worked off. */
function weightOf(moves: number): number {
  return moves === 0 ? 0 : Math.max(2, moves / CROWD);
}

/** Resolves when all promises that could settle have settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => systemScheduler.nextTurn(resolve));
}
