import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";

/** What a {@link TraceReader} reads from. */
export interface Source<Item> {
  /** The next item, if it is there already and the source can tell. */
  take?(): Item | undefined;
  /** The next item, `undefined` after the last. */
  next(): Promise<Item | undefined>;
  /** Called when the reader leaves before the last item. */
  leave(): Promise<unknown>;
  /** Settles when it is known whether the flow takes the message. Only of a source that was begun to be checked. */
  readonly accepted?: Promise<void> | undefined;
}

/** The items of a trace, to be read once, in order. Nothing happens before the first read, or `accepted`. */
export interface TraceStream<Item> extends AsyncGenerator<Item, void, undefined> {
  /**
   * Begins the trace before its first item is read, and resolves when the entry nodes have accepted its message: their
   * input schemas pass and their edges have room; in a durable flow, when that is stored. The message is checked once more
   * where it is handled. A stream that was accepted runs: read it, or leave it with `return()` or `await using`.
   *
   * A message that the schemas refuse begins no trace: there are no events of it, and nothing to undo.
   *
   * @throws FlowError `INPUT_INVALID`, or the error with which the trace ended before it was accepted. TypeError when the
   * stream has been read or left before
   */
  accepted(): Promise<void>;
}

/**
 * An async iterator over a trace that is begun with the first read. Unlike a generator it can be left at
 * any time, also while a read waits: the read ends, and the trace is cancelled without waiting for an item.
 *
 * States: idle → reading → done, or idle → accepting → reading → done.
 */
export class TraceReader<Item> implements TraceStream<Item> {
  readonly #begin: (isChecked: boolean) => Source<Item>;
  readonly #check: ((left: AbortSignal) => Promise<void>) | undefined;
  #accepted: Promise<void> | undefined;
  /** Aborts when the reader leaves while its message is checked. */
  #left: AbortController | undefined;
  #source: Source<Item> | undefined;
  #isDone = false;
  /** The end of the last read. */
  #last: Promise<unknown> = Promise.resolve();
  #reads = 0;

  /**
   * @param begin - begins the trace; `isChecked` when the reader asks whether the flow takes the message
   * @param check - refuses a message before there is a trace; `left` aborts when the reader leaves meanwhile
   */
  constructor(begin: (isChecked: boolean) => Source<Item>, check?: (left: AbortSignal) => Promise<void>) {
    this.#begin = begin;
    this.#check = check;
  }

  accepted(): Promise<void> {
    this.#accepted ??= this.#accept();
    return this.#accepted;
  }

  async #accept(): Promise<void> {
    if (this.#source !== undefined || this.#isDone)
      throw new TypeError("Cannot await accepted(): the stream has been read or left; call it before the first read");
    this.#left = new AbortController();
    const { signal } = this.#left;
    try {
      await this.#check?.(signal);
      if (signal.aborted)
        throw new FlowError({
          code: FlowErrorCode.WAIT_ABORTED,
          message: "Cannot accept a message: the caller has left",
        });
      // it may have been read meanwhile
      this.#source ??= this.#begin(true);
    } catch (error) {
      // a later read is told the same
      this.#source ??= { next: () => Promise.reject(error), leave: () => Promise.resolve() };
      throw error;
    }
    await this.#source.accepted;
  }

  next(): Promise<IteratorResult<Item, void>> {
    try {
      if (!this.#isDone) this.#source ??= this.#begin(false);
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
    this.#left?.abort();
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
