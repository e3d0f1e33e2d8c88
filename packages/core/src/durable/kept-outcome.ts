import { type ErrorPayload, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { FinalAnswer } from "../message/controller.ts";
import { checkedHeaders, type MessageHeaders } from "../message/message.ts";
import type { StoredOutcome } from "../ports/checkpoint-store.ts";
import type { TraceKey } from "../ports/state-store.ts";
import { exhaustionOf } from "../engine/policies/budget.ts";
import type { KeptOutcome } from "../engine/results/kept-outcomes.ts";
import type { KeptEnd } from "../engine/state/given-id.ts";
import type { Trace } from "../engine/state/trace.ts";
import { fromPlain, toPlain } from "./codec.ts";
import { errorFrom, keptError } from "./kept-error.ts";
import { messageOf, readStored } from "./restore.ts";
import { type SavedEnd, type SavedMessage, savedMessage, STATE_VERSION } from "./trace-state.ts";

/** State of a {@link StoredOutcome}. */
interface SavedOutcome {
  readonly headers: MessageHeaders;
  readonly deadlineAt?: number;
  readonly isOpenEnded?: true;
  readonly digest: string;
  readonly end: SavedEnd;
}

/** Converts the outcome of a trace to stored form. One whose results are no data any more becomes a failure. */
export function savedEnd({ outcome, expiresAt }: KeptEnd, maxBytes: number): SavedEnd {
  const { status, durationMs, droppedResults, spent, messages, traceId, tenant } = outcome;
  const common = { expiresAt, durationMs, droppedResults, spent };
  let results: SavedMessage[];
  try {
    results = messages.map(savedMessage);
  } catch (cause) {
    const message = `Cannot store the outcome of trace "${traceId}": a result was modified after it was sent; send a copy`;
    const error = new FlowError({ code: FlowErrorCode.NOT_SERIALISABLE, message, traceId, tenant, cause });
    return { status: "failed", ...common, error: keptError(error, maxBytes) };
  }
  const kept = { status, ...common, ...(results.length === 0 ? {} : { results }) };
  if (outcome.status === "completed") return kept;
  return {
    ...kept,
    error: keptError(outcome.error, maxBytes),
    ...(outcome.status === "cancelled" ? { reason: plainReason(outcome.reason) } : {}),
    ...(outcome.status === "empty" ? { lastReason: outcome.reason, ...lastNode(outcome.lastNode) } : {}),
  };
}

/** Returns the outcome of an ended trace as it is stored for its id. */
export function storedOutcome(trace: Trace, digest: string, end: SavedEnd): StoredOutcome {
  const { run, tenant, id: traceId, headers, deadlineAt, isOpenEnded } = trace;
  const state: SavedOutcome = {
    headers,
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
    ...(isOpenEnded ? { isOpenEnded } : {}),
    digest,
    end,
  };
  const { expiresAt } = end;
  return { run, tenant, traceId, version: STATE_VERSION, state: JSON.stringify(state), expiresAt };
}

/**
 * Restores a stored outcome.
 *
 * @throws FlowError `GRAPH_CHANGED` if it was written by a newer version
 */
export function keptFrom(stored: StoredOutcome): KeptOutcome {
  const { run, tenant, traceId, expiresAt } = stored;
  const { headers, deadlineAt, isOpenEnded = false, digest, end } = readStored(stored) as SavedOutcome;
  const outcome = outcomeFrom(stored, headers, deadlineAt, end);
  return { run, tenant, traceId, digest, isOpenEnded, expiresAt, outcome };
}

/** Restores an outcome. */
export function outcomeFrom(
  { tenant, traceId }: TraceKey,
  headers: MessageHeaders,
  deadlineAt: number | undefined,
  end: SavedEnd,
): KeptEnd["outcome"] {
  const { status, durationMs, droppedResults, spent, results = [] } = end;
  const common = checkedHeaders(headers);
  const messages = Object.freeze(results.map((saved) => messageOf({ id: traceId }, common, saved, deadlineAt)));
  const payloads = Object.freeze(messages.map(({ payload }) => payload));
  const base = { traceId, tenant, messages, results: payloads, droppedResults, durationMs, spent };
  if (status === "completed") return Object.freeze({ status, ...base, result: payloads[0] });
  const failure = { ...base, error: errorFrom(end.error as ErrorPayload) };
  if (status === "failed") return Object.freeze({ status, ...failure });
  if (status === "cancelled") return Object.freeze({ status, ...failure, reason: fromPlain(end.reason ?? null) });
  if (status === "empty")
    return Object.freeze({ status, ...failure, lastNode: end.lastNode, reason: end.lastReason ?? "" });
  const { which, text } = exhaustionOf(failure.error);
  return Object.freeze({ status, ...failure, which, finalAnswer: new FinalAnswer({ text }) });
}

/** The reason of a cancellation may be anything; an error is stored with the trace's own. */
function plainReason(reason: unknown): unknown {
  try {
    return toPlain(reason);
  } catch {
    return { $undefined: true };
  }
}

function lastNode(node: string | undefined): Pick<SavedEnd, "lastNode"> {
  return node === undefined ? {} : { lastNode: node };
}
