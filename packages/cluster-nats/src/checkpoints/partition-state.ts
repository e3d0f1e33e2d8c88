import type { Checkpoint, LogRow, PartitionSize, StoredOutcome, TraceKey } from "penguiflow";
import { type Item, type ItemKey, type Line, writeLine } from "./changes.ts";

/** A record of the log of a partition. */
interface LogRecord {
  readonly sequence: number;
  readonly bytes: number;
  /** Subject of its parts, when it was too long. */
  readonly parts: string | undefined;
  readonly keys: readonly ItemKey[];
  /** Number of items whose last state it holds. */
  live: number;
}

/** The last state of an item. */
interface Kept {
  readonly item: Item;
  readonly bytes: number;
  readonly record: LogRecord;
}

/** Records that nothing depends on any more. */
export interface Dropped {
  /** Sequence of the first record that is still needed. */
  readonly before: number;
  readonly parts: readonly string[];
}

/** Garbage is tolerated up to this many times what is live, and this many bytes. */
const MOST_RATIO = 4;
const MOST_BYTES = 1_048_576;
/** Records after which few and small ones are gathered. */
const MOST_RECORDS = 1_000;
/** Least length of what is rewritten at once. */
const REWRITE_BYTES = 65_536;

/**
 * The contents of a partition, and the records of its log that hold them. The oldest records that hold nothing are
 * dropped. Where live items keep many of them from it, these items are rewritten with the next record.
 */
export class PartitionState {
  readonly entries = new Map<number, Checkpoint>();
  readonly rows = new Map<number, Map<number, LogRow>>();
  readonly outcomes = new Map<number, StoredOutcome>();
  readonly counts = new Map<string, number>();
  readonly consumed = new Map<number, number>();
  readonly #outcomesByKey = new Map<string, Map<number, StoredOutcome>>();
  readonly #kept = new Map<ItemKey, Kept>();
  #records: LogRecord[] = [];
  #bytes = 0;
  #liveBytes = 0;

  /** Bytes of the records, and of the items whose last state they hold. */
  get size(): PartitionSize {
    return { storedBytes: this.#bytes, liveBytes: this.#liveBytes };
  }

  /** Applies the lines of the record that follows. */
  apply(sequence: number, lines: readonly Line[], parts: string | undefined): void {
    const keys = lines.flatMap(({ change }) => (change.length === 2 ? [change[0]] : []));
    const bytes = RECORD_BYTES + lengthOf(lines);
    const record: LogRecord = { sequence, bytes, parts, keys, live: 0 };
    this.#records.push(record);
    this.#bytes += bytes;
    for (const { change, text } of lines) {
      this.#release(change[0]);
      if (change.length === 1) {
        this.#remove(change[0]);
        continue;
      }
      record.live += 1;
      this.#liveBytes += text.length;
      this.#kept.set(change[0], { item: change, bytes: text.length, record });
      this.#put(change);
    }
  }

  /** Returns the kept outcomes of an id. */
  outcomesOf(key: TraceKey): Iterable<StoredOutcome> {
    return this.#outcomesByKey.get(keyOf(key))?.values() ?? [];
  }

  /** Returns the positions of a run's rows. */
  rowsOf(run: number): Iterable<number> {
    return this.rows.get(run)?.keys() ?? [];
  }

  /** Returns items of the oldest records that are to be rewritten with a record of so many bytes. */
  toRewrite(bytes: number): readonly Line[] {
    if (this.#bytes <= MOST_RATIO * this.#liveBytes + MOST_BYTES && this.#records.length <= MOST_RECORDS) return [];
    const most = Math.max(REWRITE_BYTES, 2 * bytes);
    const lines: Line[] = [];
    let size = 0;
    for (const record of this.#records)
      for (const key of new Set(record.keys)) {
        const kept = this.#kept.get(key);
        if (kept?.record !== record) continue;
        if (size > 0 && size + kept.bytes > most) return lines;
        lines.push(writeLine(kept.item));
        size += kept.bytes;
      }
    return lines;
  }

  /** Drops the oldest records that hold nothing, except the last, once they are worth it. */
  drop(): Dropped | undefined {
    let count = 0;
    let bytes = 0;
    while (count < this.#records.length - 1 && this.#records[count]!.live === 0) {
      bytes += this.#records[count]!.bytes;
      count += 1;
    }
    if (count < DROP_RECORDS && bytes < DROP_BYTES) return undefined;
    const dropped = this.#records.slice(0, count);
    this.#records = this.#records.slice(count);
    this.#bytes -= bytes;
    const parts = dropped.flatMap((record) => (record.parts === undefined ? [] : [record.parts]));
    return { before: this.#records[0]!.sequence, parts };
  }

  /** Returns the subjects of the parts that are in use. */
  parts(): ReadonlySet<string> {
    return new Set(this.#records.flatMap(({ parts }) => (parts === undefined ? [] : [parts])));
  }

  #release(key: ItemKey): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    kept.record.live -= 1;
    this.#liveBytes -= kept.bytes;
    this.#kept.delete(key);
  }

  #put([key, value]: Item): void {
    switch (kindOf(key)) {
      case "entry":
        this.entries.set((value as Checkpoint).run, value as Checkpoint);
        break;
      case "row": {
        const row = value as LogRow;
        const rows = this.rows.get(row.run) ?? new Map<number, LogRow>();
        this.rows.set(row.run, rows.set(row.at, row));
        break;
      }
      case "outcome":
        this.#putOutcome(value as StoredOutcome);
        break;
      case "count":
        this.counts.set(nameOf(key), value as number);
        break;
      case "lane":
        this.consumed.set(Number(nameOf(key)), value as number);
    }
  }

  #remove(key: ItemKey): void {
    const [run, at] = nameOf(key).split(" ").map(Number);
    switch (kindOf(key)) {
      case "entry":
        this.entries.delete(run!);
        break;
      case "outcome":
        this.#removeOutcome(run!);
        break;
      case "row": {
        const rows = this.rows.get(run!);
        rows?.delete(at!);
        if (rows?.size === 0) this.rows.delete(run!);
        break;
      }
      // counts and positions stay
      case "count":
      case "lane":
    }
  }

  #putOutcome(outcome: StoredOutcome): void {
    this.#removeOutcome(outcome.run);
    this.outcomes.set(outcome.run, outcome);
    const ofKey = this.#outcomesByKey.get(keyOf(outcome)) ?? new Map<number, StoredOutcome>();
    this.#outcomesByKey.set(keyOf(outcome), ofKey.set(outcome.run, outcome));
  }

  #removeOutcome(run: number): void {
    const outcome = this.outcomes.get(run);
    if (outcome === undefined) return;
    this.outcomes.delete(run);
    const ofKey = this.#outcomesByKey.get(keyOf(outcome));
    ofKey?.delete(run);
    if (ofKey?.size === 0) this.#outcomesByKey.delete(keyOf(outcome));
  }
}

/** Returns the length of lines. */
export const lengthOf = (lines: readonly Line[]): number => lines.reduce((sum, { text }) => sum + text.length, 0);

const RECORD_BYTES = 300;
const DROP_RECORDS = 64;
const DROP_BYTES = 262_144;

const kindOf = (key: ItemKey) => key.slice(0, key.indexOf(" ")) as "entry" | "row" | "outcome" | "count" | "lane";

const nameOf = (key: ItemKey): string => key.slice(key.indexOf(" ") + 1);

const keyOf = ({ tenant, traceId }: TraceKey): string => `${tenant.length}:${tenant}${traceId}`;
