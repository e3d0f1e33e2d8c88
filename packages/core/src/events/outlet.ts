/**
 * The way out of a flow for one observer, store or bus: a bounded buffer and one delivery at a time, in
 * order. The flow only ever appends; an observer that is slow, throws or hangs costs it nothing but the
 * entries that find the buffer full, which are counted.
 */
export class Outlet<Item> {
  /** How many items found the buffer full. */
  dropped = 0;
  /** How many deliveries failed. */
  failed = 0;
  #buffer: Item[] = [];
  #delivering: Promise<void> | undefined;
  #inDelivery = 0;
  readonly #capacity: number;
  readonly #deliver: (batch: readonly Item[]) => void | Promise<void>;
  readonly #onFailure: (error: unknown, batch: readonly Item[]) => void;

  constructor(
    capacity: number,
    deliver: (batch: readonly Item[]) => void | Promise<void>,
    onFailure: (error: unknown, batch: readonly Item[]) => void,
  ) {
    this.#capacity = capacity;
    this.#deliver = deliver;
    this.#onFailure = onFailure;
  }

  /** How many items are in the buffer or being delivered. */
  get pending(): number {
    return this.#buffer.length + this.#inDelivery;
  }

  push(item: Item): void {
    if (this.#buffer.length >= this.#capacity) {
      this.dropped += 1;
      return;
    }
    this.#buffer.push(item);
    this.#delivering ??= this.#run();
  }

  /** Resolves when everything appended so far has been delivered or has failed. */
  async flush(): Promise<void> {
    while (this.#delivering !== undefined) await this.#delivering;
  }

  async #run(): Promise<void> {
    // the flow's own turn comes first
    await Promise.resolve();
    while (this.#buffer.length > 0) {
      const batch = this.#buffer;
      this.#buffer = [];
      this.#inDelivery = batch.length;
      try {
        const delivery = this.#deliver(batch);
        if (delivery !== undefined) await delivery;
      } catch (error) {
        this.failed += 1;
        this.#onFailure(error, batch);
      }
      this.#inDelivery = 0;
    }
    this.#delivering = undefined;
  }
}
