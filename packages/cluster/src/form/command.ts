import type { EmitOptions } from "penguiflow";
import type { ResultRevision } from "penguiflow/adapter";

/** A message for a flow. */
export interface CallCommand {
  readonly kind: "call";
  readonly tenant: string;
  readonly id: string;
  /** Whether the caller has given the id, so that its outcome is looked up before it is accepted. */
  readonly isGiven: boolean;
  /** Whether it was offered before, without an answer: it may have been carried out since. */
  readonly isRepeated?: true;
  /** Digest of the input, which tells a repeated call from another with the same id. */
  readonly digest: string;
  /** Text of the payload, see `writeValue`. */
  readonly payload: string;
  readonly meta?: string | undefined;
  readonly options: SentOptions;
  readonly inbox: string;
  /** Distinguishes it from other calls of its id. */
  readonly nonce: string;
  /** Epoch milliseconds at which it was sent, by the clock of its sender. */
  readonly at: number;
  /** Milliseconds for which the outcome is kept. */
  readonly keepMs: number;
}

/** Options of a call that reach its trace. */
export type SentOptions = Pick<
  EmitOptions,
  "principal" | "topic" | "priority" | "deadlineAt" | "exclusive" | "budget" | "to"
>;

/** An order for a trace. Its sender is told what became of it, under `nonce`. */
export type TraceCommand = {
  readonly tenant: string;
  readonly id: string;
  readonly inbox: string;
  readonly nonce: string;
  /** Epoch milliseconds at which it was sent, by the clock of its sender. */
  readonly at: number;
} & (
  | { readonly kind: "cancel"; readonly reason?: string | undefined }
  | { readonly kind: "resume"; readonly token: string; readonly value: string }
  | { readonly kind: "signal"; readonly name: string; readonly value: string }
  | { readonly kind: "retryFailed" | "discard" | "find" }
);

export type Command = CallCommand | TraceCommand;

/** A message to the inbox of a client. */
export type Note = { readonly flow: string } & Told;

/** News of a trace. */
export type Told = { readonly tenant: string; readonly id: string } &
  /** `revision` is that of the stored result, and `digest` that of the input; empty where it is not known. */
  (
    | {
        readonly kind: "outcome";
        readonly outcome: string;
        readonly digest: string;
        readonly revision?: number | undefined;
      }
    /** `nonce` is that of the refused call, and `stored` where its refusal is among the results. */
    | { readonly kind: "refused"; readonly error: string; readonly nonce: string; readonly stored: ResultRevision }
    /** `epoch` is the fencing token of the owner. */
    | { readonly kind: "chunk"; readonly chunk: string; readonly epoch: number }
    | { readonly kind: "pause"; readonly pause: string; readonly digest: string }
    /** `stored` is where it is among the results. */
    | (Answer & { readonly nonce: string; readonly stored?: ResultRevision | undefined })
  );

/** Answer to a command. */
export type Answer = { readonly kind: "done" } | { readonly kind: "undone"; readonly error: string };

/**
 * Body of the result with the nonce of a command as its id: its answer, or the version that it was given to, in whose
 * partition its answer is.
 */
export type CommandRecord = Answer | { readonly kind: "moved"; readonly version: string };

/** Id of the result which says that an answer to a pause was accepted and did not fit, after the nonce of its command. */
export const unfitIdOf = (nonce: string): string => `${nonce}.unfit`;

/** Id of the result which says that a call was refused, after the nonce of the call. */
export const refusedIdOf = (nonce: string): string => `${nonce}.refused`;

/** Body of that result. */
export interface RefusalBody {
  readonly kind: "refused";
  readonly error: string;
}

/** Body of the stored result of a trace. `digest` is that of the input; empty where it is not known. */
export type ResultBody =
  | { readonly kind: "outcome"; readonly digest: string; readonly outcome: string }
  | { readonly kind: "pause"; readonly digest: string; readonly pauses: readonly string[] };

/** Body of the record of an id, among the results: the version of the flow that it belongs to. */
export interface BindingBody {
  readonly version: string;
}

/** A client that wants to hear of a trace, published on the wire to its partition. */
export interface Attach {
  readonly tenant: string;
  readonly id: string;
  readonly inbox: string;
}

/** A question to the owner of a partition for the traces that need an action. */
export interface FailedQuestion {
  readonly asks: "failed";
  /** Tenant whose traces are meant; all when absent. */
  readonly tenant?: string | undefined;
  readonly inbox: string;
}

/** The answer to a question. */
export interface FailedAnswer {
  /** Index of the partition. */
  readonly partition: number;
  readonly traces: readonly FailedTrace[];
  /** Whether it has more than it tells. */
  readonly hasMore: boolean;
}

/** A trace that goes on only when someone acts: it has failed, or no longer fits the flow. */
export interface FailedTrace {
  readonly id: string;
  readonly tenant: string;
  readonly status: "failed" | "parked";
  /** Start in epoch milliseconds. */
  readonly startedAt: number;
  /** Nodes of its messages. */
  readonly nodes: readonly string[];
  readonly code?: string | undefined;
  /** The beginning of its error's message. */
  readonly message?: string | undefined;
}
/** Name of a command's trace within its partition. */
export const keyOf = ({ tenant, id }: Pick<Command, "tenant" | "id">): string => `${tenant}\u0000${id}`;

/** Subject on which the owner of a partition hears of new items and new listeners. */
export const ownerSubject = (partition: string): string => `owner/${partition}`;

/** Returns the inbox of the client that has made an id. */
export function inboxOf(id: string): string | undefined {
  return /^(inbox-[0-9a-f]{24})\./.exec(id)?.[1];
}
