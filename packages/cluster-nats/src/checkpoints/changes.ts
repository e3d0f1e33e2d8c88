import type { Checkpoint, CheckpointBatch, LogRow, StoredOutcome } from "penguiflow";

/** A value of a partition, under a key that names its kind. */
export type Item =
  | readonly [key: `entry ${number}`, Checkpoint]
  | readonly [key: `row ${number} ${number}`, LogRow]
  | readonly [key: `outcome ${number}`, StoredOutcome]
  | readonly [key: `count ${string}`, number]
  | readonly [key: `lane ${number}`, number];

export type ItemKey = Item[0];

/** An item that takes the place of that of its key, or the key of one that is removed. */
export type Change = Item | readonly [ItemKey];

/** A change and its text. */
export interface Line {
  readonly change: Change;
  readonly text: string;
}

/** The contents that changes depend on. */
export interface Known {
  readonly counts: ReadonlyMap<string, number>;
  readonly entries: ReadonlyMap<number, unknown>;
  readonly outcomes: ReadonlyMap<number, unknown>;
  /** Returns the positions of a run's rows. */
  rowsOf(run: number): Iterable<number>;
}

/** Returns a batch as changes. Counts become totals, so that the last item of each key is all that matters. */
export function changesOf(batch: CheckpointBatch, known: Known): Change[] {
  const { logs = [], keep = [], forget = [], consumed = new Map<number, number>() } = batch;
  const gone = new Set(batch.remove);
  const forgotten = new Set(forget);
  const kept = new Set(keep.map(({ run }) => run));
  const put = new Set(batch.put.map(({ run }) => run));
  // rows go when neither a checkpoint nor an outcome of their run is left
  const isLeft = (run: number): boolean =>
    (!gone.has(run) && (put.has(run) || known.entries.has(run))) ||
    (!forgotten.has(run) && (kept.has(run) || known.outcomes.has(run)));
  const rowless = new Set([...gone, ...forgotten].filter((run) => !isLeft(run)));
  const changes: Change[] = [];
  for (const entry of batch.put) if (!gone.has(entry.run)) changes.push([`entry ${entry.run}`, entry]);
  for (const row of logs) if (!rowless.has(row.run)) changes.push([`row ${row.run} ${row.at}`, row]);
  for (const outcome of keep) if (!forgotten.has(outcome.run)) changes.push([`outcome ${outcome.run}`, outcome]);
  for (const [node, count] of batch.counts) changes.push([`count ${node}`, (known.counts.get(node) ?? 0) + count]);
  for (const [lane, sequence] of consumed) changes.push([`lane ${lane}`, sequence]);
  for (const run of gone) changes.push([`entry ${run}`]);
  for (const run of rowless) for (const at of known.rowsOf(run)) changes.push([`row ${run} ${at}`]);
  for (const run of forgotten) changes.push([`outcome ${run}`]);
  return changes;
}

/** Writes a change as a line of text. */
export function writeLine(change: Change): Line {
  const [key, value] = change;
  const isForEver = typeof value === "object" && "dueAt" in value && value.dueAt === Number.POSITIVE_INFINITY;
  return { change, text: JSON.stringify(isForEver ? [key, { ...value, dueAt: NEVER }] : change) };
}

/** Reads what {@link writeLine} has written. */
export function readLine(text: string): Line {
  const change = JSON.parse(text) as Change;
  const [key, value] = change;
  if (typeof value === "object" && "dueAt" in value && (value.dueAt as unknown) === NEVER)
    return { change: [key, { ...value, dueAt: Number.POSITIVE_INFINITY }] as Item, text };
  return { change, text };
}

/** JSON has no infinity. */
const NEVER = "never";
