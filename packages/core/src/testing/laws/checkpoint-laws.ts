import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import type { Restart } from "./record-laws.ts";

/**
 * Checks L10 on a checkpoint store after all traces have ended: it retains only failed traces and counts each commit of
 * `runs` once. Returns one line per violation.
 */
export function brokenCheckpoints(
  records: readonly (TraceRecord | Restart)[],
  runs: ReadonlySet<string>,
  { entries, counts }: { readonly entries: readonly Checkpoint[]; readonly counts: ReadonlyMap<string, number> },
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
    .map(
      ([node, number]) => `L10: the checkpoint store counts ${number} messages more at "${node}" than were committed`,
    );
  for (const { run, status, traceId, tenant, state } of entries)
    if (status !== "failed" || !failed.has(run.toString(36)))
      broken.push(`L10: "${traceId}" of ${tenant} is left in the checkpoint store (${status}): ${state}`);
  return broken;
}
