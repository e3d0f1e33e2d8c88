import type { Scheduler } from "penguiflow";
import type { Intake } from "penguiflow/adapter";

/** Removes from an intake what is stored in the checkpoints: the items of one turn at once. */
export class Trimmer {
  readonly #scheduler: Scheduler;
  readonly #intake: Intake;
  readonly #partition: string;
  readonly #consumed: () => Promise<ReadonlyMap<number, number>>;
  #trimming: Promise<void> | undefined;
  /** Stored positions that are to be trimmed; `undefined` when they cannot be known any more. */
  #due: Promise<ReadonlyMap<number, number> | undefined> | undefined;
  /** Positions up to which the last removal has failed. */
  #failed: ReadonlyMap<number, number> | undefined;

  /** @param consumed - reads the stored positions, up to which items are removed */
  constructor(
    scheduler: Scheduler,
    intake: Intake,
    partition: string,
    consumed: () => Promise<ReadonlyMap<number, number>>,
  ) {
    this.#scheduler = scheduler;
    this.#intake = intake;
    this.#partition = partition;
    this.#consumed = consumed;
  }

  /** Removes what is stored by then. Called when an item was taken: those before it in its lane may still be outstanding. */
  trimSoon(): void {
    // read now, and not in a later turn, in which the run may have been stopped
    this.#due = this.#consumed().catch(() => undefined);
    this.#begin();
  }

  /** Removes what could not be removed the last time: items that stay would be taken for waiting ones. */
  tryAgain(): void {
    if (this.#failed === undefined || this.#trimming !== undefined) return;
    this.#due = Promise.resolve(this.#failed);
    this.#begin();
  }

  /** Resolves once what was asked for was tried, twice if need be. */
  async flush(): Promise<void> {
    await this.#trimming;
    this.tryAgain();
    await this.#trimming;
  }

  #begin(): void {
    this.#trimming ??= new Promise((resolve) => {
      this.#scheduler.nextTurn(() => void this.#run().then(resolve));
    });
  }

  async #run(): Promise<void> {
    while (this.#due !== undefined) {
      const due = this.#due;
      this.#due = undefined;
      const upTo = await due;
      if (upTo === undefined) continue;
      try {
        await this.#intake.trim(this.#partition, upTo);
        this.#failed = undefined;
      } catch {
        // removed later: the positions keep it from being read again
        this.#failed = upTo;
      }
    }
    this.#trimming = undefined;
  }
}
