import { type Attempt, State } from "./attempt.ts";

/** Items that one call has appended to the log of a trace. */
export interface LogItems {
  /** Position of the first item. */
  readonly at: number;
  readonly items: readonly unknown[];
}

/** Items with their stored form, which they had when they were appended; `undefined` in a flow that is not durable. */
interface Row extends LogItems {
  readonly text: string | undefined;
}

/** Items of an attempt that has not committed. */
interface PendingRow extends Row {
  readonly by: Attempt;
}

/**
 * The log of one trace: items at fixed positions.
 *
 * States of an item: pending (its attempt has not committed) → committed, or undone as soon as its attempt is over. A
 * position that was undone is used again if it is the last; otherwise it stays empty.
 */
export class TraceLog {
  /** Position after the last committed item. */
  length: number;
  /** Position before which the items are in the checkpoint store alone, where an earlier run left them; 0 once read. */
  left: number;
  /** Promise of these items while they are read. */
  reading: Promise<void> | undefined;
  /** Committed items in memory, by position. */
  readonly #rows: Row[] = [];
  #pending: PendingRow[] = [];
  /** Committed items that no batch contains yet. */
  #unstored: Row[] = [];

  /**
   * Creates the log of a trace.
   *
   * @param left - position after the last item in the checkpoint store; 0 for a new trace
   */
  constructor(left: number) {
    this.length = left;
    this.left = left;
  }

  /** Position after the last item. */
  get end(): number {
    this.#undo();
    return Math.max(this.length, ...this.#pending.map(endOf));
  }

  /** Adds items of a running attempt; returns the position after them. */
  add(by: Attempt, items: readonly unknown[], text: string | undefined): number {
    const at = this.end;
    this.#pending.push({ at, items, text, by });
    return at + items.length;
  }

  /** Commits the items of an attempt; returns their number. */
  commit(by: Attempt): number {
    let count = 0;
    this.#pending = this.#pending.filter((row) => {
      if (row.by !== by) return true;
      const { at, items, text } = row;
      this.#insert({ at, items, text: undefined });
      if (text !== undefined) this.#unstored.push({ at, items: [], text });
      this.length = Math.max(this.length, endOf(row));
      count += items.length;
      return false;
    });
    return count;
  }

  /** Returns the stored form of the items committed since the previous call. */
  takeUnstored(): readonly { readonly at: number; readonly text: string }[] {
    return this.#unstored.splice(0) as readonly (Row & { readonly text: string })[];
  }

  /** Adds the items that an earlier run left in the checkpoint store. */
  fill(stored: readonly LogItems[]): void {
    // the store has those of this run, too
    for (const { at, items } of stored) if (at < this.left) this.#insert({ at, items, text: undefined });
    this.left = 0;
    this.reading = undefined;
  }

  /** Returns the committed items before a position, and those of `by` itself, in order. */
  view(upTo: number, by?: Attempt): unknown[] {
    this.#undo();
    const own = this.#pending.filter((row) => row.by === by);
    const rows = own.length === 0 ? this.#rows : [...this.#rows, ...own].sort((one, other) => one.at - other.at);
    const found: unknown[] = [];
    for (const { at, items } of rows)
      for (let index = 0; index < items.length && at + index < upTo; index += 1) found.push(items[index]);
    return found;
  }

  /** Drops the items of attempts that are over. */
  #undo(): void {
    if (this.#pending.some(({ by }) => by.state === State.OVER))
      this.#pending = this.#pending.filter(({ by }) => by.state !== State.OVER);
  }

  #insert(row: Row): void {
    let place = this.#rows.length;
    while (place > 0 && (this.#rows[place - 1] as Row).at > row.at) place -= 1;
    this.#rows.splice(place, 0, row);
  }
}

function endOf({ at, items }: LogItems): number {
  return at + items.length;
}
