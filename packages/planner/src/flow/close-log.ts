import { BudgetExhausted, type Clock, type ClosedTrace, FlowErrorCode } from "penguiflow";
import { amounts, type PlanBudget } from "../plan/budget.ts";
import { type Ending, type Entry, OUTSIDE } from "../plan/entry.ts";

/** Returns the function that writes the end of a run into its log when the run ends otherwise than by its nodes. */
export function closeLog(clock: Clock): (end: ClosedTrace) => readonly Entry[] {
  return ({ error, spent }) => [
    { type: "end", at: clock.epochNow(), step: OUTSIDE, end: endingOf(error), spent: amounts(spent) },
  ];
}

/** Returns the end that an error of the flow means for a run. */
export function endingOf(error: ClosedTrace["error"]): Ending {
  if (error.code === FlowErrorCode.TRACE_CANCELLED) return { status: "cancelled", reason: reasonOf(error.unwrap()) };
  if (error.code === FlowErrorCode.DEADLINE_EXCEEDED) return { status: "exhausted", which: "deadline" };
  if (error instanceof BudgetExhausted) return { status: "exhausted", which: error.budget as keyof PlanBudget };
  return { status: "failed", code: "RUN_FAILED", message: error.message };
}

function reasonOf(reason: unknown): string {
  if (reason instanceof Error) return reason.message;
  return typeof reason === "string" ? reason : "it was cancelled";
}
