import type { AsyncScope } from "../foundation/async-scope.ts";

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
  /** How many items have found room so far, and how many of those have been delivered or have failed. */
  #taken = 0;
  #done = 0;
  /** Those who wait until so many are done, in order. */
  readonly #flushes: { readonly until: number; readonly resolve: () => void }[] = [];
  readonly #scope: AsyncScope;
  readonly #capacity: number;
  readonly #deliver: (batch: readonly Item[]) => void | Promise<void>;
  readonly #onFailure: (error: unknown, batch: readonly Item[]) => void;

  /** @param scope - the async context of deliveries: no trace's, since one delivery has the items of many */
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

  /** How many items are in the buffer or being delivered. */
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

  /** Resolves when everything appended so far has been delivered or has failed, whatever is appended meanwhile. */
  flush(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#flushes.push({ until: this.#taken, resolve }));
  }

  async #run(): Promise<void> {
    // the flow's own turn comes first
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
