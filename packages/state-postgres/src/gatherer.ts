/**
 * Gathers calls into one statement, and gives each its answer. While as many statements are under way as may be, what is
 * called goes into the next.
 */
export class Gatherer<Item, Answer> {
  readonly #send: (items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly #mayJoin: (items: readonly Item[], next: Item) => boolean;
  readonly #atOnce: number;
  readonly #delayMs: number;
  #waiting: {
    readonly item: Item;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  /** Number of statements that are under way. */
  #underWay = 0;
  /** Whether a statement is about to be sent. */
  #isDue = false;

  /**
   * @param mayJoin - whether an item goes into the same statement as others
   * @param options - `atOnce`: number of statements that may be under way, @defaultValue 1; `delayMs`: milliseconds for
   *   which the first call waits for others, @defaultValue 0: those of the same turn go together
   */
  constructor(
    send: (items: readonly Item[]) => Promise<readonly Answer[]>,
    mayJoin: (items: readonly Item[], next: Item) => boolean,
    { atOnce = 1, delayMs = 0 } = {},
  ) {
    this.#send = send;
    this.#mayJoin = mayJoin;
    this.#atOnce = atOnce;
    this.#delayMs = delayMs;
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isDue || this.#underWay >= this.#atOnce) return;
      this.#isDue = true;
      const send = (): void => {
        this.#isDue = false;
        void this.#sendAll();
      };
      if (this.#delayMs === 0) setImmediate(send);
      else setTimeout(send, this.#delayMs);
    });
  }

  async #sendAll(): Promise<void> {
    this.#underWay += 1;
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
    this.#underWay -= 1;
  }
}
