import type { FinalOutcome } from "../../message/outcome.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";
import { isSame } from "../kit/same-value.ts";
import type { Restart } from "./record-laws.ts";

/** Requests that callers have offered to an intake, and their fate. */
export interface IntakeStory {
  /** Name, tenant and id of each request that was offered. */
  readonly requests: readonly {
    readonly name: string;
    readonly tenant: string;
    readonly traceId: string;
    readonly input: unknown;
    /** Acknowledged outcomes. */
    readonly delivered: readonly FinalOutcome[];
  }[];
  /** Items that no stored position covers. */
  readonly left: readonly string[];
  /** Entry nodes of the flow. */
  readonly entries: ReadonlySet<string>;
}

/**
 * Checks L10 on an intake and an outbox after all traces have ended: nothing is lost, nothing is accepted twice, and
 * each outcome is delivered. Returns one line per violation.
 */
export function brokenIntake(records: readonly (TraceRecord | Restart)[], story: IntakeStory): string[] {
  const broken = story.left.map((item) => `L10: ${item} was never consumed`);
  for (const { name, tenant, traceId, input, delivered } of story.requests) {
    const own = records.filter(
      (record): record is TraceRecord =>
        record.type !== "restart" && record.tenant === tenant && record.traceId === traceId,
    );
    const runs = new Set(own.flatMap((record) => (isEntry(record, story, input) ? [record.run] : [])));
    if (runs.size > 1) broken.push(`L10: ${name} was accepted ${runs.size} times`);
    const statuses = new Set(own.flatMap((record) => (record.type === "ended" ? [record.outcome.status] : [])));
    if (delivered.length === 0) broken.push(`L10: the outcome of ${name} was never delivered`);
    for (const { status } of delivered)
      if (!statuses.has(status)) broken.push(`L10: ${name} was delivered as ${status}, which it was not`);
  }
  return broken;
}

function isEntry(record: TraceRecord, { entries }: IntakeStory, input: unknown): boolean {
  // the trace of a playbook has the same id, and begins at nodes of another flow, or with another payload
  return record.type === "accepted" && entries.has(record.node) && isSame(record.message.payload, input);
}
