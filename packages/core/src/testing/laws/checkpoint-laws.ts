import type { Checkpoint, LogRow } from "../../ports/checkpoint-store.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Restart } from "./record-laws.ts";

/** Ends without a result after which a durable flow closes the log of a trace. */
const CLOSED: ReadonlySet<string | undefined> = new Set(["cancelled", "exhausted", "empty"]);

/** The contents of a checkpoint store. */
export interface StoredContents {
  readonly entries: readonly Checkpoint[];
  /** Rows of logs, by run and position. */
  readonly logs: readonly LogRow[];
  /** Runs whose outcomes are kept, with their logs. */
  readonly outcomes: ReadonlySet<number>;
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * Checks L10 on a checkpoint store after all traces have ended: it retains only failed traces and logs, counts each
 * commit of `runs` once, and has exactly the items that committed attempts have logged. Returns one line per violation.
 */
export function brokenCheckpoints(
  records: readonly (TraceRecord | Restart)[],
  runs: ReadonlySet<string>,
  { entries, logs, outcomes, counts }: StoredContents,
): string[] {
  const left = new Map(counts);
  const ended = new Map<string, string>();
  const logged = new Map<string, number>();
  for (const record of records) {
    if (record.type === "ended") ended.set(record.run, record.outcome.status);
    else if (record.type === "committed" && runs.has(record.run)) {
      left.set(record.node, (left.get(record.node) ?? 0) - 1);
      logged.set(record.run, (logged.get(record.run) ?? 0) + (record.logged ?? 0));
    }
  }
  const broken = [...left]
    .filter(([, number]) => number !== 0)
    .map(
      ([node, number]) => `L10: the checkpoint store counts ${number} messages more at "${node}" than were committed`,
    );
  const kept = new Set<string>();
  for (const { run, status, traceId, tenant, state } of entries) {
    const name = run.toString(36);
    kept.add(name);
    const mayStay = status === "failed" ? ended.get(name) === "failed" : status === "ended" && ended.has(name);
    if (!mayStay) broken.push(`L10: "${traceId}" of ${tenant} is left in the checkpoint store (${status}): ${state}`);
  }
  for (const run of outcomes) kept.add(run.toString(36));
  return [...broken, ...brokenLogs(logs, kept, logged, ended)];
}

/** Checks the rows of the logs that are left of the runs `kept`. */
function brokenLogs(
  logs: readonly LogRow[],
  kept: ReadonlySet<string>,
  logged: ReadonlyMap<string, number>,
  ended: ReadonlyMap<string, string>,
): string[] {
  const broken: string[] = [];
  const stored = new Map<string, number>();
  const ends = new Map<string, number>();
  for (const { run, at, items } of logs) {
    const name = run.toString(36);
    const { length } = JSON.parse(items) as readonly unknown[];
    if (at < (ends.get(name) ?? 0)) broken.push(`L10: the log of run "${name}" has two items at ${at}`);
    ends.set(name, at + length);
    stored.set(name, (stored.get(name) ?? 0) + length);
    if (!kept.has(name)) broken.push(`L10: the log of run "${name}" is left without its trace`);
  }
  for (const name of kept) {
    const [has, wanted] = [stored.get(name) ?? 0, logged.get(name) ?? 0];
    // the flow may have closed the log of a trace that ended without a result
    const isClosed = has > wanted && CLOSED.has(ended.get(name));
    if (has !== wanted && !isClosed)
      broken.push(`L10: the log of run "${name}" has ${has} items, and committed attempts have logged ${wanted}`);
  }
  return broken;
}
