import { shown } from "../foundation/options.ts";

/**
 * Takes items from a queue: at most `room` of them, none when there is nothing to do. `signal` aborts when the pump
 * stops; items returned after that are released.
 */
export type Claim<Item> = (room: number, signal: AbortSignal) => readonly Item[] | Promise<readonly Item[]>;

/** A source of items as the pump reads it. */
export interface PumpSource<Item> {
  /** Whether its `take` is told of the stop, so that it answers soon. */
  readonly hearsSignal: boolean;
  /** Returns the next items, none when the source is idle, or `undefined` when it has ended. */
  take(room: number, signal: AbortSignal): Promise<readonly Item[] | undefined>;
  /** Whether it can be read again after a failure. */
  restart(): boolean;
  /** Tells the source that nothing more is read. */
  close(): Promise<void>;
}

/** Returns the source behind an iterable or a function that claims items. */
export function sourceOf<Item>(source: AsyncIterable<Item> | Claim<Item>): PumpSource<Item> {
  if (typeof source === "function") return new ClaimedItems(source);
  const make = (source as Partial<AsyncIterable<Item>> | null | undefined)?.[Symbol.asyncIterator];
  if (typeof make === "function") return new IteratedItems(source);
  throw new TypeError(
    `The source of a pump must be a function (room, signal) or an async iterable: got ${shown(source)}`,
  );
}

/** Items that a function claims. */
class ClaimedItems<Item> implements PumpSource<Item> {
  readonly hearsSignal = true;
  readonly #claim: Claim<Item>;

  constructor(claim: Claim<Item>) {
    this.#claim = claim;
  }

  async take(room: number, signal: AbortSignal): Promise<readonly Item[]> {
    const items: unknown = await this.#claim(room, signal);
    if (Array.isArray(items)) return items as readonly Item[];
    throw new TypeError(`The function that claims items must return a list: got ${shown(items)}`);
  }

  restart(): boolean {
    return true;
  }

  async close(): Promise<void> {}
}

/** Items of an async iterable, one at a time. */
class IteratedItems<Item> implements PumpSource<Item> {
  readonly hearsSignal = false;
  readonly #iterable: AsyncIterable<Item>;
  #iterator: AsyncIterator<Item>;
  #isOver = false;

  constructor(iterable: AsyncIterable<Item>) {
    this.#iterable = iterable;
    this.#iterator = iterable[Symbol.asyncIterator]();
  }

  async take(): Promise<readonly Item[] | undefined> {
    let step: IteratorResult<Item>;
    try {
      step = await this.#iterator.next();
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
    if (step.done !== true) return [step.value];
    this.#isOver = true;
    return undefined;
  }

  restart(): boolean {
    const next = this.#iterable[Symbol.asyncIterator]();
    // a generator that has thrown is its own iterator: read again, it would seem to have ended
    if (next === this.#iterator) return false;
    this.#iterator = next;
    this.#isOver = false;
    return true;
  }

  async close(): Promise<void> {
    // a source that has ended or failed is not closed
    if (!this.#isOver) await this.#iterator.return?.();
  }
}
