import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { checkedHeaders, type MessageHeaders } from "../message/message.ts";
import type { StoredOutcome } from "../ports/checkpoint-store.ts";
import type { TraceKey } from "../ports/state-store.ts";
import type { KeptOutcome } from "../engine/results/kept-outcomes.ts";
import type { KeptEnd } from "../engine/state/given-id.ts";
import type { Trace } from "../engine/state/trace.ts";
import { keptError } from "./kept-error.ts";
import { messageOf, readStored } from "./restore.ts";
import { outcomeFrom, savedOutcome } from "./saved-outcome.ts";
import { type SavedEnd, savedMessage, STATE_VERSION } from "./trace-state.ts";

/** State of a {@link StoredOutcome}. */
interface SavedKept {
  readonly headers: MessageHeaders;
  readonly deadlineAt?: number;
  readonly isOpenEnded?: true;
  readonly digest: string;
  readonly end: SavedEnd;
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
export function keptFrom(stored: StoredOutcome): KeptOutcome {
  const { run, tenant, traceId, expiresAt } = stored;
  const { headers, deadlineAt, isOpenEnded = false, digest, end } = readStored(stored) as SavedKept;
  const outcome = endFrom(stored, headers, deadlineAt, end);
  return { run, tenant, traceId, digest, isOpenEnded, expiresAt, outcome };
}

/** Restores the outcome that is kept for an id. */
export function endFrom(
  key: TraceKey,
  headers: MessageHeaders,
  deadlineAt: number | undefined,
  end: SavedEnd,
): KeptEnd["outcome"] {
  const common = checkedHeaders(headers);
  const messages = (end.results ?? []).map((saved) => messageOf({ id: key.traceId }, common, saved, deadlineAt));
  return outcomeFrom(end, key, messages) as KeptEnd["outcome"];
}
