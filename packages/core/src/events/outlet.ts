import type { AsyncScope } from "../foundation/async-scope.ts";

/**
 * Delivers to one observer, store or bus: a bounded buffer, and one delivery at a time, in order. The flow only ever
 * appends, so an observer that is slow, throws or hangs cannot delay it. Items that find the buffer full are dropped
 * and counted.
 */
export class Outlet<Item> {
  /** Number of items dropped because the buffer was full. */
  dropped = 0;
  /** Number of failed deliveries. */
  failed = 0;
  #buffer: Item[] = [];
  /** Number of items accepted so far, and number of those that have been delivered or have failed. */
  #taken = 0;
  #done = 0;
  /** Pending flushes, each with the number of items it waits for, in order. */
  readonly #flushes: { readonly until: number; readonly resolve: () => void }[] = [];
  readonly #scope: AsyncScope;
  readonly #capacity: number;
  readonly #deliver: (batch: readonly Item[]) => void | Promise<void>;
  readonly #onFailure: (error: unknown, batch: readonly Item[]) => void;

  /** @param scope - the async context of deliveries: that of no trace, because one delivery carries items of many */
  constructor(
    scope: AsyncScope,
    capacity: number,
    deliver: (batch: readonly Item[]) => void | Promise<void>,
    onFailure: (error: unknown, batch: readonly Item[]) => void,
  ) {
    this.#scope = scope;
    this.#capacity = capacity;
    this.#deliver = deliver;
    this.#onFailure = onFailure;
  }

  /** Number of items that are buffered or being delivered. */
  get pending(): number {
    return this.#taken - this.#done;
  }

  push(item: Item): void {
    if (this.#buffer.length >= this.#capacity) {
      this.dropped += 1;
      return;
    }
    const isDelivering = this.pending > 0;
    this.#buffer.push(item);
    this.#taken += 1;
    if (!isDelivering) void this.#scope.runInAsyncScope(() => this.#run(), undefined);
  }

  /** Resolves once every item appended so far has been delivered or has failed, regardless of later ones. */
  flush(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#flushes.push({ until: this.#taken, resolve }));
  }

  async #run(): Promise<void> {
    // lets the flow finish its own turn first
    await Promise.resolve();
    while (this.#buffer.length > 0) {
      const batch = this.#buffer;
      this.#buffer = [];
      try {
        const delivery = this.#deliver(batch);
        if (delivery !== undefined) await delivery;
      } catch (error) {
        this.failed += 1;
        this.#onFailure(error, batch);
      }
      this.#done += batch.length;
      while (this.#flushes[0] !== undefined && this.#flushes[0].until <= this.#done) this.#flushes.shift()?.resolve();
    }
  }
}
