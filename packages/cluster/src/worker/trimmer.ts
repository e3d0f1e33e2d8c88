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
    this.#trimming ??= new Promise((resolve) => {
      this.#scheduler.nextTurn(() => void this.#run().then(resolve));
    });
  }

  /** Resolves once what was asked for was tried. */
  async flush(): Promise<void> {
    await this.#trimming;
  }

  async #run(): Promise<void> {
    while (this.#due !== undefined) {
      const due = this.#due;
      this.#due = undefined;
      const upTo = await due;
      // an item that is not removed now is removed with the next one; the positions keep it from being read again
      if (upTo !== undefined) await this.#intake.trim(this.#partition, upTo).catch(() => {});
    }
    this.#trimming = undefined;
  }
}
