import { describeThrown, type ErrorPayload } from "../foundation/flow-error.ts";
import { FinalAnswer } from "../message/controller.ts";
import type { Message } from "../message/message.ts";
import type { FinalOutcome, OutcomeStatus } from "../message/outcome.ts";
import type { Budget } from "../message/budget.ts";
import { exhaustionOf } from "../engine/policies/budget.ts";
import type { TraceKey } from "../ports/state-store.ts";
import { fromPlain, toPlain } from "./codec.ts";
import { errorFrom } from "./kept-error.ts";

/** Outcome of a trace in stored form, without its messages. */
export interface SavedOutcome {
  readonly status: OutcomeStatus;
  readonly droppedResults?: number;
  readonly durationMs: number;
  readonly spent?: Budget;
  /** Absent if the trace completed. */
  readonly error?: ErrorPayload;
  /** Reason of a cancelled trace, or its description if it cannot be stored. */
  readonly reason?: unknown;
  /** Reason of an empty trace. */
  readonly emptyReason?: string;
  readonly lastNode?: string;
}

/** Converts an outcome to its stored form. `kept` converts errors. */
export function savedOutcome(outcome: FinalOutcome, kept: (error: unknown) => ErrorPayload): SavedOutcome {
  const { status, droppedResults, durationMs, spent } = outcome;
  return {
    status,
    durationMs,
    ...(Object.keys(spent).length === 0 ? {} : { spent }),
    ...(droppedResults === 0 ? {} : { droppedResults }),
    ...(status === "completed" ? {} : { error: kept(outcome.error) }),
    ...(status === "cancelled" && outcome.reason !== undefined ? { reason: plainReason(outcome.reason) } : {}),
    ...(status === "empty" ? { emptyReason: outcome.reason } : {}),
    ...(status === "empty" && outcome.lastNode !== undefined ? { lastNode: outcome.lastNode } : {}),
  };
}

/** Restores an outcome. */
export function outcomeFrom(
  saved: SavedOutcome,
  { tenant, traceId }: TraceKey,
  messages: readonly Message[],
): FinalOutcome {
  const { status, droppedResults = 0, durationMs, spent = {}, error, reason, emptyReason = "", lastNode } = saved;
  const results = Object.freeze(messages.map(({ payload }) => payload));
  const base = { traceId, tenant, messages: Object.freeze([...messages]), results, droppedResults, durationMs, spent };
  if (status === "completed") return Object.freeze({ status, ...base, result: results[0] });
  const failure = { ...base, error: errorFrom(error as ErrorPayload) };
  if (status === "empty") return Object.freeze({ status, ...failure, lastNode, reason: emptyReason });
  if (status === "cancelled")
    return Object.freeze({ status, ...failure, reason: reason === undefined ? undefined : fromPlain(reason) });
  if (status !== "exhausted") return Object.freeze({ status, ...failure });
  const { which, text } = exhaustionOf(failure.error);
  return Object.freeze({ status, ...failure, which, finalAnswer: new FinalAnswer({ text }) });
}

function plainReason(reason: unknown): unknown {
  try {
    return toPlain(reason);
  } catch {
    return describeThrown(reason);
  }
}
