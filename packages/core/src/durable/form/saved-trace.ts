import type { ErrorPayload } from "../../foundation/flow-error.ts";
import type { JsonSchema } from "../../foundation/json-schema.ts";
import type { Position } from "../../engine/durability.ts";
import type { Budget } from "../../message/budget.ts";
import type { MessageHeaders } from "../../message/message.ts";
import type { LogItems } from "../../engine/state/trace-log.ts";
import type { Effect, PauseAnswer } from "../../engine/state/trace.ts";
import type { SavedMessage } from "./saved-message.ts";
import type { SavedEnd, SavedOutcome } from "./saved-outcome.ts";

/** A message and its place. */
export interface SavedItem extends SavedMessage {
  readonly node: string;
  /** The two halves of its lineage id. */
  readonly lineage: readonly [number, number];
  /**
   * Place of the message: queued, at a handler that is to be called again, or waiting in backoff, a join, a pause or a sleep.
   */
  readonly where: "line" | "handler" | "backoff" | "join" | "pause";
  readonly attempt: number;
  /** The message's round, where joins of a cycle have emitted short groups. */
  readonly round?: number;
  /** The sending node of a queued message. */
  readonly source?: string;
  /** Due time in epoch milliseconds, in backoff and join. */
  readonly dueAt?: number;
  /** Number of messages that its handler has already sent. */
  readonly sent?: number;
  /** Digest of the targets of those messages. */
  readonly sentTo?: number;
  /** Messages that its handler fetched in addition. */
  readonly taken?: readonly SavedItem[];
}

/** A result that has not been fetched. */
export interface SavedResult extends SavedMessage {
  readonly node?: string;
}

/**
 * A pause or a sleep in stored form. In format 1 its key ends with its position among the pauses of its handler. Format
 * 3 added `goesOn`, `isExpired` and sleeps, format 4 waits for signals.
 */
export interface SavedPause {
  readonly key: string;
  /** Name of the pause; absent where its reason identifies it. */
  readonly name?: string;
  /** Absent for a sleep, and for the wait for a signal. */
  readonly token?: string;
  /** Name of the signal that its handler waits for. */
  readonly signal?: string;
  readonly node: string;
  /** Names of the playbooks in which it was requested; absent outside of playbooks. */
  readonly path?: readonly string[];
  readonly reason: string;
  readonly payload?: unknown;
  readonly expiresAt?: number;
  /** JSON Schema of the answer, if known. */
  readonly resumeSchema?: JsonSchema;
  /** Present when its handler is called again at `expiresAt`; otherwise the trace fails. */
  readonly goesOn?: true;
  readonly answer?: PauseAnswer;
}

/** A signal in stored form. */
export interface SavedSignal {
  readonly name: string;
  readonly value: unknown;
  /** Message that has received it. */
  readonly receiver?: string;
}

/** A call of a playbook in stored form: its trace while that is in flight, then its end. */
export interface SavedCall {
  readonly key: string;
  /** Run and state of its trace. */
  readonly run?: number;
  readonly trace?: SavedTrace;
  /** Present while its trace works or waits for an instant of its own, so that its caller's handler must be called. */
  readonly needsProcess?: true;
  readonly result?: unknown;
  readonly error?: ErrorPayload;
}

/** Admission by a given id in stored form, since format 4. */
export interface SavedGivenId {
  readonly digest: string;
  readonly keepMs: number;
  /** Present once the trace has ended. */
  readonly end?: SavedEnd;
}

/** A trace in stored form. Format 4 added `log`, `signals`, `calls` and `given`. */
export interface SavedTrace {
  readonly headers: MessageHeaders;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly deadlineAt?: number;
  /** Present on a trace opened by `emit`. */
  readonly isOpenEnded?: true;
  /** Present when only results are left of the trace. */
  readonly hasEnded?: true;
  /** Positions of the items that the trace was accepted from; absent unless it was begun by `accept`. */
  readonly positions?: readonly Position[];
  /** Outcome that is not delivered yet, or of which a position is not stored; its messages are the `results`. */
  readonly outcome?: SavedOutcome;
  /** Key of an exclusive trace. */
  readonly exclusive?: string;
  readonly given?: SavedGivenId;
  /** Number of messages from outside. */
  readonly entered: number;
  readonly resultCount: number;
  readonly items: readonly SavedItem[];
  readonly results?: readonly SavedResult[];
  readonly effects?: readonly (readonly [string, Pick<Effect, "status" | "value" | "error">])[];
  /** Pauses of the trace and of its playbooks, in the outermost trace. */
  readonly pauses?: readonly SavedPause[];
  /** Limits of the trace's budget and what is spent of it. Reserved amounts are not stored: they return with their attempts. */
  readonly budget?: { readonly limits: Budget; readonly spent: Budget };
  /** Position after the last item of its log, whose rows belong to the checkpoint. */
  readonly log?: number;
  /** Signals that are not consumed, in order of acceptance. */
  readonly signals?: readonly SavedSignal[];
  /** The largest sequence of an accepted signal that had one. */
  readonly signalled?: number;
  /** Items of the log of a playbook's trace, which has no checkpoint of its own. */
  readonly logItems?: readonly LogItems[];
  /** Calls of playbooks by messages that are not done. */
  readonly calls?: readonly SavedCall[];
  /**
   * Joins that drop late messages, each with the first round that is not late; without a round, every message is late.
   */
  readonly closed?: readonly { readonly node: string; readonly before?: number }[];
  /** Number of the latest round. */
  readonly rounds?: number;
  /** Fencing token under which the trace was accepted or last completed a message, where lost owners are counted. */
  readonly epoch?: number | undefined;
  /** Owners in a row that were lost without a completed message; present on a suspect. */
  readonly owners?: number | undefined;
  /** Error with which the trace failed. */
  readonly error?: ErrorPayload;
  /** Present when the error is an unread item of the Rookery. */
  readonly isErrorUnread?: true;
}

/** State of a trace that has ended and whose log is kept. */
export interface EndedTrace {
  readonly log: number;
}
