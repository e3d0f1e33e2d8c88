import { FlowError, FlowErrorCode } from "penguiflow";
import type { Command } from "../form/command.ts";
import type { ClusterOutcome } from "./call.ts";
import type { ClusterPause } from "./pending.ts";

/** Returns the error of a command that was not stored. */
export function notAccepted({ id, tenant }: Command, why: string): FlowError {
  return new FlowError({
    code: FlowErrorCode.NOT_ACCEPTED,
    message: `Cannot accept "${id}": ${why}; it is safe to send it again`,
    traceId: id,
    tenant,
    retryable: true,
  });
}

/** Returns the error of a trace whose outcome its caller does not learn. */
export function unknown(id: string, tenant: string, why: string, cause?: unknown): FlowError {
  return new FlowError({
    code: FlowErrorCode.OUTCOME_UNKNOWN,
    message: `The outcome of trace "${id}" is unknown: ${why}; ask for it with the same id`,
    traceId: id,
    tenant,
    cause,
  });
}

/** Returns the outcome of a trace that waits for answers. */
export function pausedOutcome<Result>(
  traceId: string,
  tenant: string,
  pauses: readonly ClusterPause[],
): ClusterOutcome<Result> {
  const error = pausedError(traceId, tenant, pauses);
  const base = { traceId, tenant, messages: [], results: [], droppedResults: 0, durationMs: 0, spent: {} };
  return { ...base, status: "paused", error, pauses };
}

/** Returns the error of a trace that waits for answers. */
export function pausedError(traceId: string, tenant: string, pauses: readonly ClusterPause[]): FlowError {
  return new FlowError({
    code: FlowErrorCode.TRACE_PAUSED,
    message: `Trace "${traceId}" waits for an answer: ${pauses.map(({ reason }) => reason).join(", ")}`,
    traceId,
    tenant,
  });
}
