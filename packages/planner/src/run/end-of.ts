import { type ErrorPayload, FlowError, FlowErrorCode, type Outcome } from "penguiflow";
import { amounts, type PlanBudget } from "../plan/budget.ts";
import type { Entry } from "../plan/entry.ts";
import type { BareEnd, PlanBase, PlanResult } from "../plan/plan-end.ts";
import { Projection } from "../plan/projection.ts";
import { questionOf } from "../flow/people.ts";

/** Codes of errors with which a flow refuses a call, so that there is no run that could end. */
const REFUSALS: ReadonlySet<string> = new Set([
  FlowErrorCode.FLOW_NOT_RUNNING,
  FlowErrorCode.TRACE_UNWINDING,
  FlowErrorCode.TRACE_UNKNOWN,
  FlowErrorCode.PAUSE_UNKNOWN,
  FlowErrorCode.PAUSE_MALFORMED,
  FlowErrorCode.PAUSE_USED,
  FlowErrorCode.PAUSE_EXPIRED,
  FlowErrorCode.PAUSE_FOREIGN,
  FlowErrorCode.RESUME_INVALID,
]);

/** Whether an error refuses a call, rather than ending a run. */
export function isRefusal(error: unknown): boolean {
  return !(error instanceof FlowError) || REFUSALS.has(error.code);
}

/** Makes the result of a run from the outcome of its trace and from its log. */
export async function resultOf<Output>(outcome: Outcome<BareEnd<Output>>): Promise<PlanResult<Output>> {
  const projection = new Projection<Output>();
  const entries = ((await outcome.log?.read()) ?? []) as readonly Entry[];
  projection.fold(entries, outcome.traceId);
  const base: PlanBase = { runId: outcome.traceId, steps: projection.steps, spent: amounts(outcome.spent) };
  switch (outcome.status) {
    case "completed":
      return { ...outcome.result, ...base };
    case "paused":
      return { ...base, status: "paused", questions: outcome.pauses.map(questionOf) };
    case "cancelled":
      return { ...base, status: "cancelled", reason: outcome.reason };
    case "exhausted":
      return { ...base, status: "exhausted", which: outcome.which as keyof PlanBudget | "deadline" };
    case "failed":
    case "empty":
    case "stopped":
      return { ...base, status: "failed", code: "RUN_FAILED", error: plain(outcome.error) };
  }
}

/** Returns an error as data, without the stacks that tell of the program. */
function plain(error: FlowError): ErrorPayload {
  const { stack: _, cause: __, ...rest } = error.toPayload();
  return rest;
}
