import type { TraceState, TraceSummary } from "../ports/state-store.ts";
import { fromStorable } from "./storable-text.ts";

/**
 * Reads the summary of a trace from the columns `tenant`, `trace_id`, `flow`, `state`, `started_at`, `last_at`, `node`
 * and `error_code` of a table, whose texts `toStorable` wrote.
 */
export function summaryOf(row: Readonly<Record<string, unknown>>): TraceSummary {
  return {
    tenant: fromStorable(row["tenant"] as string),
    traceId: fromStorable(row["trace_id"] as string),
    flow: textOf(row["flow"]),
    state: row["state"] as TraceState,
    startedAt: row["started_at"] as number,
    lastAt: row["last_at"] as number,
    node: textOf(row["node"]),
    errorCode: textOf(row["error_code"]),
  };
}

/** Reads a nullable column. */
function textOf(column: unknown): string | undefined {
  return typeof column === "string" ? fromStorable(column) : undefined;
}
