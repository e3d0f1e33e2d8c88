import type { Scheduler } from "penguiflow";
import type { Intake, Offered } from "penguiflow/adapter";

/** Removes from an intake what is stored in the checkpoints: the items of one turn at once. */
export class Trimmer {
  readonly #intake: Intake;
  readonly #partition: string;
  readonly #scheduler: Scheduler;
  readonly #upTo = new Map<number, number>();
  #trimming: Promise<void> | undefined;
  #isDue = false;

  constructor(scheduler: Scheduler, intake: Intake, partition: string) {
    this.#scheduler = scheduler;
    this.#intake = intake;
    this.#partition = partition;
  }

  /** Removes an item and those before it in its lane, which are stored as well. */
  trim({ lane, sequence }: Pick<Offered, "lane" | "sequence">): void {
    this.#upTo.set(lane, Math.max(sequence, this.#upTo.get(lane) ?? 0));
    this.#isDue = true;
    this.#trimming ??= new Promise((resolve) => {
      this.#scheduler.nextTurn(() => void this.#run().then(resolve));
    });
  }

  /** Resolves once what was asked for was tried. */
  async flush(): Promise<void> {
    await this.#trimming;
  }

  async #run(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false;
      // an item that is not removed now is removed with the next one; the positions keep it from being read again
      await this.#intake.trim(this.#partition, new Map(this.#upTo)).catch(() => {});
    }
    this.#trimming = undefined;
  }
}
