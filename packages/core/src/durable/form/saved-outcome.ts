import { describeThrown, type ErrorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Budget } from "../../message/budget.ts";
import { FinalAnswer } from "../../message/controller.ts";
import { checkedHeaders, type Message, type MessageHeaders } from "../../message/message.ts";
import type { FinalOutcome, OutcomeStatus } from "../../message/outcome.ts";
import type { StoredOutcome } from "../../ports/checkpoint-store.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type { RunKey } from "../../engine/durability.ts";
import { exhaustionOf } from "../../engine/policies/budget.ts";
import type { KeptOutcome } from "../../engine/results/kept-outcomes.ts";
import type { KeptEnd } from "../../engine/state/given-id.ts";
import type { Trace } from "../../engine/state/trace.ts";
import { fromPlain, toPlain } from "./codec.ts";
import { errorFrom, keptError } from "./kept-error.ts";
import { messageOf, type SavedMessage, savedMessage } from "./saved-message.ts";
import { storedLog, type StoredLogs } from "./stored-log.ts";
import { readStored, STATE_VERSION } from "./stored-version.ts";

/** Outcome of a trace in stored form, without its messages. */
export interface SavedOutcome {
  readonly status: OutcomeStatus;
  readonly droppedResults?: number;
  readonly durationMs: number;
  readonly spent?: Budget;
  /** Length of the trace's log, if it is not empty. */
  readonly log?: number;
  /** Absent if the trace completed. */
  readonly error?: ErrorPayload;
  /** Reason of a cancelled trace, or its description if it cannot be stored. */
  readonly reason?: unknown;
  /** Reason of an empty trace. */
  readonly emptyReason?: string;
  readonly lastNode?: string;
}

/** An outcome that is kept for its id. */
export interface SavedEnd extends SavedOutcome {
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly results?: readonly SavedMessage[];
}

/** State of a {@link StoredOutcome}. */
interface SavedKept {
  readonly headers: MessageHeaders;
  readonly deadlineAt?: number;
  readonly isOpenEnded?: true;
  readonly digest: string;
  readonly end: SavedEnd;
}

/** Converts an outcome to its stored form. `kept` converts errors. */
export function savedOutcome(outcome: FinalOutcome, kept: (error: unknown) => ErrorPayload): SavedOutcome {
  const { status, droppedResults, durationMs, spent, log } = outcome;
  return {
    status,
    durationMs,
    ...(log === undefined ? {} : { log: log.length }),
    ...(Object.keys(spent).length === 0 ? {} : { spent }),
    ...(droppedResults === 0 ? {} : { droppedResults }),
    ...(status === "completed" ? {} : { error: kept(outcome.error) }),
    ...(status === "cancelled" && outcome.reason !== undefined ? { reason: plainReason(outcome.reason) } : {}),
    ...(status === "empty" ? { emptyReason: outcome.reason } : {}),
    ...(status === "empty" && outcome.lastNode !== undefined ? { lastNode: outcome.lastNode } : {}),
  };
}

/** Restores an outcome. `logs` reads its log, while the store has that; without them the outcome has none. */
export function outcomeFrom(
  saved: SavedOutcome,
  key: TraceKey & Partial<RunKey>,
  messages: readonly Message[],
  logs?: StoredLogs,
): FinalOutcome {
  const { status, droppedResults = 0, durationMs, spent = {}, error, reason, emptyReason = "", lastNode } = saved;
  const { traceId, tenant, run } = key;
  const results = Object.freeze(messages.map(({ payload }) => payload));
  const isRead = saved.log !== undefined && logs !== undefined && run !== undefined;
  const log = isRead ? { log: storedLog(logs, { traceId, tenant, run }, saved.log) } : {};
  const kept = { messages: Object.freeze([...messages]), results, droppedResults };
  const base = { traceId, tenant, ...kept, durationMs, spent, ...log };
  if (status === "completed") return Object.freeze({ status, ...base, result: results[0] });
  const failure = { ...base, error: errorFrom(error as ErrorPayload) };
  if (status === "empty") return Object.freeze({ status, ...failure, lastNode, reason: emptyReason });
  if (status === "cancelled")
    return Object.freeze({ status, ...failure, reason: reason === undefined ? undefined : fromPlain(reason) });
  if (status !== "exhausted") return Object.freeze({ status, ...failure });
  const { which, text } = exhaustionOf(failure.error);
  return Object.freeze({ status, ...failure, which, finalAnswer: new FinalAnswer({ text }) });
}

/** Converts the outcome of a trace to stored form. One whose results are no data any more becomes a failure. */
export function savedEnd({ outcome, expiresAt }: KeptEnd, maxBytes: number): SavedEnd {
  const { messages, traceId, tenant } = outcome;
  const saved = { ...savedOutcome(outcome, (error) => keptError(error, maxBytes)), expiresAt };
  try {
    const results = messages.map(savedMessage);
    return results.length === 0 ? saved : { ...saved, results };
  } catch (cause) {
    const message = `Cannot store the outcome of trace "${traceId}": a result was modified after it was sent; send a copy`;
    const error = new FlowError({ code: FlowErrorCode.NOT_SERIALISABLE, message, traceId, tenant, cause });
    return { ...saved, status: "failed", error: keptError(error, maxBytes) };
  }
}

/** Returns the outcome of an ended trace as it is stored for its id. */
export function storedOutcome(trace: Trace, digest: string, end: SavedEnd): StoredOutcome {
  const { run, tenant, id: traceId, headers, deadlineAt, isOpenEnded } = trace;
  const state: SavedKept = {
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
export function keptFrom(stored: StoredOutcome, logs: StoredLogs): KeptOutcome {
  const { run, tenant, traceId, expiresAt } = stored;
  const { headers, deadlineAt, isOpenEnded = false, digest, end } = readStored(stored) as SavedKept;
  const outcome = endFrom(stored, headers, deadlineAt, end, logs);
  return { run, tenant, traceId, digest, isOpenEnded, expiresAt, outcome };
}

/** Restores the outcome that is kept for an id. */
export function endFrom(
  key: RunKey,
  headers: MessageHeaders,
  deadlineAt: number | undefined,
  end: SavedEnd,
  logs: StoredLogs,
): KeptEnd["outcome"] {
  const common = checkedHeaders(headers);
  const messages = (end.results ?? []).map((saved) => messageOf({ id: key.traceId }, common, saved, deadlineAt));
  return outcomeFrom(end, key, messages, logs) as KeptEnd["outcome"];
}

function plainReason(reason: unknown): unknown {
  try {
    return toPlain(reason);
  } catch {
    return describeThrown(reason);
  }
}
