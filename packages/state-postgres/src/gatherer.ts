/**
 * Gathers calls into one statement, and gives each its answer. Statements follow each other: what is called during one
 * goes into the next.
 */
export class Gatherer<Item, Answer> {
  readonly #send: (items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly #mayJoin: (items: readonly Item[], next: Item) => boolean;
  readonly #delayMs: number;
  #waiting: {
    readonly item: Item;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  #isSending = false;

  /**
   * @param mayJoin - whether an item goes into the same statement as others
   * @param delayMs - milliseconds for which the first call waits for others; 0 for those of the same turn
   */
  constructor(
    send: (items: readonly Item[]) => Promise<readonly Answer[]>,
    mayJoin: (items: readonly Item[], next: Item) => boolean,
    delayMs = 0,
  ) {
    this.#send = send;
    this.#mayJoin = mayJoin;
    this.#delayMs = delayMs;
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isSending) return;
      this.#isSending = true;
      const send = (): void => void this.#sendAll();
      if (this.#delayMs === 0) setImmediate(send);
      else setTimeout(send, this.#delayMs);
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const items: Item[] = [];
      for (const { item } of this.#waiting) {
        if (items.length > 0 && !this.#mayJoin(items, item)) break;
        items.push(item);
      }
      const calls = this.#waiting.splice(0, items.length);
      try {
        const answers = await this.#send(items);
        for (const [index, { resolve }] of calls.entries()) resolve(answers[index]!);
      } catch (error) {
        for (const { reject } of calls) reject(error);
      }
    }
    this.#isSending = false;
  }
}
