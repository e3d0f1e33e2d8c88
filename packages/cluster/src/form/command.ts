import type { EmitOptions } from "penguiflow";

/** A message for a flow. */
export interface CallCommand {
  readonly kind: "call";
  readonly tenant: string;
  readonly id: string;
  /** Whether the caller has given the id, so that its outcome is looked up before it is accepted. */
  readonly isGiven: boolean;
  /** Digest of the input, which tells a repeated call from another with the same id. */
  readonly digest: string;
  /** Text of the payload, see `writeValue`. */
  readonly payload: string;
  readonly meta?: string | undefined;
  readonly options: SentOptions;
  readonly inbox: string;
  /** Milliseconds for which the outcome is kept. */
  readonly keepMs: number;
}

/** Options of a call that reach its trace. */
export type SentOptions = Pick<EmitOptions, "topic" | "priority" | "deadlineAt" | "exclusive" | "budget" | "to">;

/** An order for a trace. Its sender is told what became of it, under `nonce`. */
export type TraceCommand = {
  readonly tenant: string;
  readonly id: string;
  readonly inbox: string;
  readonly nonce: string;
} & (
  | { readonly kind: "cancel"; readonly reason?: string | undefined }
  | { readonly kind: "resume"; readonly token: string; readonly value: string }
  | { readonly kind: "signal"; readonly name: string; readonly value: string }
  | { readonly kind: "retryFailed" | "discard" }
);

export type Command = CallCommand | TraceCommand;

/** A message to the inbox of a client. */
export type Note = { readonly tenant: string; readonly id: string } & (
  | { readonly kind: "outcome"; readonly outcome: string }
  | { readonly kind: "refused"; readonly error: string }
  | { readonly kind: "chunk"; readonly chunk: string }
  | { readonly kind: "pause"; readonly pause: string }
  | { readonly kind: "done"; readonly nonce: string; readonly value?: string | undefined }
  | { readonly kind: "undone"; readonly nonce: string; readonly error: string }
);

/** Body of a stored result. */
export type ResultBody =
  | { readonly kind: "outcome"; readonly digest: string; readonly outcome: string }
  | { readonly kind: "pause"; readonly pauses: readonly string[] };

/** A client that wants to hear of a trace, published on the wire to its partition. */
export interface Attach {
  readonly tenant: string;
  readonly id: string;
  readonly inbox: string;
}

/** Subject on which the owner of a partition hears of new items and new listeners. */
export const ownerSubject = (partition: string): string => `owner/${partition}`;

/** Returns the inbox of the client that has made an id. */
export function inboxOf(id: string): string | undefined {
  return /^(inbox-[0-9a-f]{24})\./.exec(id)?.[1];
}
