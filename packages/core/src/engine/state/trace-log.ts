/** Items that one call has appended to the log of a trace. */
export interface LogItems {
  /** Position of the first item. */
  readonly at: number;
  readonly items: readonly unknown[];
}

/** An attempt that appends. */
interface Writer {
  readonly isOver: boolean;
}

/** Items of an attempt that has not committed. */
interface PendingItems extends LogItems {
  /** Stored form of the items when they were appended; `undefined` in a flow that is not durable. */
  readonly text: string | undefined;
}

/** Items of one attempt that has not committed, by position. */
interface Pending {
  readonly by: Writer;
  readonly rows: PendingItems[];
}

/** Items in stored form. */
interface StoredItems {
  readonly at: number;
  readonly text: string;
}

const NONE: readonly LogItems[] = Object.freeze([]);

/** A position without an item. */
const EMPTY = Symbol("empty");

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
  /** Position of the first item in memory. */
  #from: number;
  /** Committed items in memory by position, from `#from` on; {@link EMPTY} where there is none. */
  #items: unknown[] = [];
  /** Number of positions without an item among them. */
  #gaps = 0;
  /** Items by writer. Few write at once, and a map would be written anew with each. */
  #pending: Pending[] = [];
  /** Committed items that no batch contains yet, in a durable flow. */
  #unstored: StoredItems[] | undefined;

  /**
   * Creates the log of a trace.
   *
   * @param left - position after the last item in the checkpoint store; 0 for a new trace
   */
  constructor(left: number) {
    this.length = left;
    this.left = left;
    this.#from = left;
  }

  /** Position after the last item. */
  get end(): number {
    this.#undo();
    let end = this.length;
    for (const { rows } of this.#pending) end = Math.max(end, endOf(rows.at(-1) as PendingItems));
    return end;
  }

  /** Committed items in memory, by position. */
  get committed(): readonly LogItems[] {
    if (this.#gaps === 0) return this.#items.length === 0 ? NONE : [{ at: this.#from, items: this.#items.slice() }];
    return this.#items.flatMap((item, place) => (item === EMPTY ? [] : { at: this.#from + place, items: [item] }));
  }

  /** Adds items of a running attempt; returns the position after them. */
  add(by: Writer, items: readonly unknown[], text: string | undefined): number {
    const at = this.end;
    const own = this.#pending.find((one) => one.by === by);
    if (own === undefined) this.#pending.push({ by, rows: [{ at, items, text }] });
    else own.rows.push({ at, items, text });
    return at + items.length;
  }

  /** Commits the items of an attempt, and returns them. */
  commit(by: Writer): readonly LogItems[] {
    const place = this.#pending.findIndex((one) => one.by === by);
    if (place === -1) return NONE;
    const [{ rows }] = this.#pending.splice(place, 1) as [Pending];
    for (const row of rows) {
      const { at, text } = row;
      this.#put(row);
      if (text !== undefined) (this.#unstored ??= []).push({ at, text });
      this.length = Math.max(this.length, endOf(row));
    }
    return rows;
  }

  /** Returns the stored form of the items committed since the previous call. */
  takeUnstored(): readonly StoredItems[] {
    const unstored = this.#unstored ?? [];
    this.#unstored = undefined;
    return unstored;
  }

  /** Adds the items that an earlier run left in the checkpoint store. */
  addStored(stored: readonly LogItems[]): void {
    const own = this.#items;
    const from = this.#from;
    this.#items = [];
    this.#from = 0;
    this.#gaps = 0;
    // the store has those of this run, too
    for (const row of stored) if (row.at < this.left) this.#put(row);
    for (const [place, item] of own.entries()) if (item !== EMPTY) this.#put({ at: from + place, items: [item] });
    this.left = 0;
    this.reading = undefined;
  }

  /** Returns the committed items before a position, and those of `by` itself, in order. */
  view(upTo: number, by?: Writer): unknown[] {
    this.#undo();
    const own = this.#pending.find((one) => one.by === by);
    if (own === undefined && this.#gaps === 0) return this.#items.slice(0, Math.max(0, upTo - this.#from));
    const rows = [...this.committed, ...(own?.rows ?? NONE)].sort((one, other) => one.at - other.at);
    const found: unknown[] = [];
    for (const { at, items } of rows)
      for (let index = 0; index < items.length && at + index < upTo; index += 1) found.push(items[index]);
    return found;
  }

  /** Drops the items of attempts that are over. */
  #undo(): void {
    if (this.#pending.some(({ by }) => by.isOver)) this.#pending = this.#pending.filter(({ by }) => !by.isOver);
  }

  #put({ at, items }: LogItems): void {
    const mine = this.#items;
    for (; mine.length < at - this.#from; this.#gaps += 1) mine.push(EMPTY);
    for (let index = 0; index < items.length; index += 1) {
      const place = at - this.#from + index;
      if (place === mine.length) mine.push(items[index]);
      else {
        if (mine[place] === EMPTY) this.#gaps -= 1;
        mine[place] = items[index];
      }
    }
  }
}

function endOf({ at, items }: LogItems): number {
  return at + items.length;
}
