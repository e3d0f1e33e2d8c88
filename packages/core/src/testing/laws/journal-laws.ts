import type { JournalEntry } from "../../ports/journal.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Restart } from "./record-laws.ts";

/**
 * Checks L10 on a journal after all traces have ended: it retains only failed traces and counts each commit of `runs`
 * once. Returns one line per violation.
 */
export function brokenJournal(
  records: readonly (TraceRecord | Restart)[],
  runs: ReadonlySet<string>,
  { entries, counts }: { readonly entries: readonly JournalEntry[]; readonly counts: ReadonlyMap<string, number> },
): string[] {
  const left = new Map(counts);
  const failed = new Set<string>();
  for (const record of records) {
    if (record.type === "ended" && record.outcome.status === "failed") failed.add(record.run);
    else if (record.type === "committed" && runs.has(record.run))
      left.set(record.node, (left.get(record.node) ?? 0) - 1);
  }
  const broken = [...left]
    .filter(([, number]) => number !== 0)
    .map(([node, number]) => `L10: the journal counts ${number} messages more at "${node}" than were committed`);
  for (const { run, status, traceId, tenant, state } of entries)
    if (status !== "failed" || !failed.has(run.toString(36)))
      broken.push(`L10: "${traceId}" of ${tenant} is left in the journal (${status}): ${state}`);
  return broken;
}
