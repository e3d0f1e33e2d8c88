/** What a {@link TraceReader} reads from. */
export interface Source<Item> {
  /** The next item, if it is there already and the source can tell. */
  take?(): Item | undefined;
  /** The next item, `undefined` after the last. */
  next(): Promise<Item | undefined>;
  /** Called when the reader leaves before the last item. */
  leave(): Promise<unknown>;
}

/**
 * An async iterator over a trace that is begun with the first read. Unlike a generator it can be left at
 * any time, also while a read waits: the read ends, and the trace is cancelled without waiting for an item.
 *
 * States: idle → reading → done.
 */
export class TraceReader<Item> implements AsyncGenerator<Item, void, undefined> {
  readonly #begin: () => Source<Item>;
  #source: Source<Item> | undefined;
  #isDone = false;
  /** The end of the last read. */
  #last: Promise<unknown> = Promise.resolve();
  #reads = 0;

  constructor(begin: () => Source<Item>) {
    this.#begin = begin;
  }

  next(): Promise<IteratorResult<Item, void>> {
    try {
      if (!this.#isDone) this.#source ??= this.#begin();
    } catch (error) {
      this.#isDone = true;
      return Promise.reject(error);
    }
    if (this.#reads === 0 && !this.#isDone) {
      const value = this.#source?.take?.();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
    // reads that are asked for at once are answered in order
    this.#reads += 1;
    const read = this.#last.then(() => this.#read());
    const settled = (): void => void (this.#reads -= 1);
    this.#last = read.then(settled, settled);
    return read;
  }

  async return(): Promise<IteratorResult<Item, void>> {
    const source = this.#source;
    const wasDone = this.#isDone;
    this.#isDone = true;
    if (source !== undefined && !wasDone) await source.leave();
    return DONE;
  }

  async throw(error: unknown): Promise<IteratorResult<Item, void>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #read(): Promise<IteratorResult<Item, void>> {
    if (this.#isDone || this.#source === undefined) return DONE;
    try {
      const item = await this.#source.next();
      if (item !== undefined && !this.#isDone) return { done: false, value: item };
      this.#isDone = true;
      return DONE;
    } catch (error) {
      if (this.#isDone) return DONE;
      this.#isDone = true;
      throw error;
    }
  }
}

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };
