import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Budget } from "../../message/budget.ts";

/** Source of a {@link TraceReader}'s items. */
export interface Source<Item> {
  /** Returns the next item if it is buffered. */
  take?(): Item | undefined;
  /** Resolves with the next item, or `undefined` after the last. */
  next(): Promise<Item | undefined>;
  /** Returns the amounts that the trace has spent, once it has ended. */
  spent?(): Budget;
  /** Called if the reader leaves before the last item. */
  leave(): Promise<unknown>;
  /** Settles once the flow has accepted or refused the message. Present only if the reader asked for acceptance. */
  readonly accepted?: Promise<void> | undefined;
}

/** Items of a trace, to be read once and in order. */
export interface TraceItems<Item> extends AsyncGenerator<Item, void, undefined> {
  /** Amounts that the trace has spent, by name, see `ctx.budget`; empty until its end was read. */
  readonly spent: Budget;
}

/** Items of a new trace. It starts with the first read or with `accepted()`. */
export interface TraceStream<Item> extends TraceItems<Item> {
  /**
   * Starts the trace before its first item is read. Resolves once the entry nodes accept its message: their input
   * schemas pass and their edges have room. In a durable flow, it is stored by then. The node validates the message
   * again. An accepted stream runs: read it, or leave it with `return()` or `await using`.
   *
   * A message that the schemas refuse starts no trace and causes no event.
   *
   * @throws FlowError `INPUT_INVALID`, or the error of a trace that ended before acceptance. TypeError if the stream
   * was read or left before
   */
  accepted(): Promise<void>;
}

/**
 * Async iterator over a trace that starts with the first read. Unlike a generator, it can be left while a read is
 * pending: the read ends and the trace is cancelled without waiting for an item.
 *
 * States: idle → reading → done, or idle → accepting → reading → done.
 */
export class TraceReader<Item> implements TraceStream<Item> {
  readonly #begin: (isChecked: boolean) => Source<Item>;
  readonly #check: ((left: AbortSignal) => Promise<void>) | undefined;
  #accepted: Promise<void> | undefined;
  /** Aborted if the reader leaves during validation of its message. */
  #left: AbortController | undefined;
  #source: Source<Item> | undefined;
  #isDone = false;
  /** End of the last read. */
  #last: Promise<unknown> = Promise.resolve();
  #reads = 0;

  /**
   * Creates a reader; the trace is not started yet.
   *
   * @param begin - starts the trace; `isChecked` says that the reader asked for acceptance
   * @param check - refuses a message before there is a trace; `left` aborts if the reader leaves meanwhile
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
      // a read during the check may have started the trace: starting it twice would run the message twice
      this.#source ??= this.#begin(true);
    } catch (error) {
      // a later read rejects with the same error, instead of starting the refused trace
      this.#source ??= { next: () => Promise.reject(error), leave: () => Promise.resolve() };
      throw error;
    }
    await this.#source.accepted;
  }

  get spent(): Budget {
    return this.#source?.spent?.() ?? NOTHING;
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
    // concurrent reads queue up: settling them as they come would reorder the items
    this.#reads += 1;
    const read = this.#reads === 1 ? this.#read() : this.#last.then(() => this.#read());
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

const NOTHING: Budget = Object.freeze({});

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };
