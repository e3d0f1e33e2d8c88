import type { OutcomeStatus } from "../message/outcome.ts";
import type { StoredEvent, TraceSummary } from "../ports/state-store.ts";

/**
 * Updates the summary of a trace with an event, for authors of state stores: pass the stored summary, and store the
 * returned one. A given summary is changed in place. Events of playbooks tell the trace's current node; only the flow's
 * own events tell whether it has ended.
 */
export function summarize(kept: TraceSummary | undefined, event: StoredEvent): TraceSummary {
  const { tenant, traceId, kind, at, payload } = event;
  if (kept === undefined) {
    const unknown = { state: "running", startedAt: at, lastAt: at, node: undefined, errorCode: undefined } as const;
    return summarize({ tenant, traceId, flow: textOf(payload["flow"]), ...unknown }, event);
  }
  const summary: { -readonly [Key in keyof TraceSummary]: TraceSummary[Key] } = kept;
  summary.lastAt = Math.max(summary.lastAt, at);
  if (kind === "trace_end" && textOf(payload["flow"]) === summary.flow) {
    const error = (payload["error"] ?? {}) as { readonly code?: unknown; readonly node?: unknown };
    summary.state = payload["status"] as OutcomeStatus;
    summary.errorCode = textOf(error.code);
    summary.node = textOf(error.node) ?? summary.node;
  } else if (summary.state === "running" || summary.state === "paused") {
    if (kind === "trace_pause") summary.state = "paused";
    else if (kind === "node_resume") summary.state = "running";
    summary.node = event.node ?? summary.node;
  } else if (kind === "trace_start") {
    const flow = textOf(payload["flow"]);
    Object.assign(summary, { flow, state: "running", node: undefined, errorCode: undefined });
  }
  return summary;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
