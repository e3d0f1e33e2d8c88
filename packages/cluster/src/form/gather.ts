import type { Scheduler } from "penguiflow";

/**
 * Gathers the items of one turn of the event loop into one request, and gives each its answer. Requests follow each
 * other: what arrives during one goes into the next.
 */
export class Gatherer<Item, Answer> {
  readonly #send: (items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly #most: number;
  readonly #scheduler: Scheduler;
  #waiting: {
    readonly item: Item;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  #isSending = false;

  /** @param most - maximum number of items of a request */
  constructor(scheduler: Scheduler, most: number, send: (items: readonly Item[]) => Promise<readonly Answer[]>) {
    this.#scheduler = scheduler;
    this.#most = most;
    this.#send = send;
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isSending) return;
      this.#isSending = true;
      this.#scheduler.nextTurn(() => void this.#sendAll());
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#most);
      try {
        const answers = await this.#send(batch.map(({ item }) => item));
        for (const [index, { resolve }] of batch.entries()) resolve(answers[index]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isSending = false;
  }
}
