import type { Random } from "../../foundation/random.ts";
import { type Scheduler, systemScheduler } from "../../foundation/scheduler.ts";
import { TestClock } from "../kit/test-clock.ts";

/** More steps than any run takes that comes to an end. */
const STEP_LIMIT = 20_000;

/**
 * What happens next, drawn from a seeded random source: one of the tasks that could run, one of the moves of
 * those outside of the flow, the next turn, or the next timer. Time is that of its clock alone.
 */
export class SeededSchedule implements Scheduler {
  readonly clock = new TestClock();
  readonly #random: Random;
  readonly #tasks: (() => void)[] = [];
  /** What is to run in the next turn: before time moves on. */
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

  /** Has somebody outside of the flow act at some time. */
  move(act: () => void): void {
    this.#moves.push(act);
  }

  /**
   * Lets tasks, moves and time take their turns until nothing is left to do. Calls `look` whenever all that
   * could go on by itself has done so. Answers whether that came to an end. Where only timers are left, `isOver` may
   * say that nothing will come of them.
   */
  async playOn(look: () => void, isOver: () => boolean = () => false): Promise<boolean> {
    for (let step = 0; step < STEP_LIMIT; step += 1) {
      await settled();
      look();
      const kinds = [
        { weight: this.#tasks.length > 0 ? 6 : 0, act: () => this.#takeOne(this.#tasks)() },
        { weight: this.#moves.length > 0 ? 2 : 0, act: () => this.#takeOne(this.#moves)() },
        { weight: this.#turns.length > 0 ? 2 : 0, act: () => this.#nextTurn() },
        { weight: this.clock.timers > 0 ? 1 : 0, act: () => this.#passTime() },
      ];
      let choice = this.#random() * kinds.reduce((sum, { weight }) => sum + weight, 0);
      const chosen = kinds.find(({ weight }) => (choice -= weight) < 0);
      if (chosen === undefined || (this.#tasks.length + this.#moves.length + this.#turns.length === 0 && isOver()))
        return true;
      chosen.act();
      // sometimes several things happen before anyone notices
      if (this.#tasks.length > 0 && this.#random() < 0.3) this.#takeOne(this.#tasks)();
    }
    return false;
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

/** Resolves when all promises that could settle have settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => systemScheduler.nextTurn(resolve));
}
