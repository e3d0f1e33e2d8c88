import type { FlowError } from "../foundation/flow-error.ts";
import type { FinalAnswer } from "./controller.ts";
import type { Message } from "./message.ts";

/** What every outcome tells. */
export interface OutcomeBase<Result> {
  readonly traceId: string;
  readonly tenant: string;
  /** What reached the Rookery before the end, in order of arrival. */
  readonly messages: readonly Message<Result>[];
  /** The payloads of `messages`. */
  readonly results: readonly Result[];
  /** How many further results were not kept, see `maxResults`. */
  readonly droppedResults: number;
  /** Milliseconds from acceptance to the end. */
  readonly durationMs: number;
}

/** All work was done and at least one result reached the Rookery. */
export interface CompletedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "completed";
  /** The first result. */
  readonly result: Result;
}

/** A node failed for good. */
export interface FailedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "failed";
  readonly error: FlowError;
}

/** Somebody cancelled the trace: its caller, its signal, its parent. */
export interface CancelledOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "cancelled";
  readonly error: FlowError;
  readonly reason: unknown;
}

/** A deadline passed or a budget was used up; `error.code` says which. */
export interface ExhaustedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "exhausted";
  readonly error: FlowError;
  /** The documented closing text, as `fetch` users get it. */
  readonly finalAnswer: FinalAnswer;
}

/** The work ran out and nothing reached the Rookery. */
export interface EmptyOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "empty";
  readonly error: FlowError;
  /** The node at which the last message of the trace ended. */
  readonly lastNode: string | undefined;
  /** Why the trace ended there. */
  readonly reason: string;
}

/** The flow was stopped before the work was done. */
export interface StoppedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "stopped";
  readonly error: FlowError;
}

/** A pause of a trace, as whoever may answer it sees it. */
export interface PauseTicket {
  /** What `flow.resume` takes. Whoever has it can answer, so it is a secret. */
  readonly token: string;
  readonly node: string;
  readonly reason: string;
  /** What the handler wants whoever answers to know. */
  readonly payload: unknown;
  /** Epoch milliseconds after which it can no longer be answered, if ever. */
  readonly expiresAt: number | undefined;
}

/** Nothing is left to do before somebody answers. The trace goes on when `flow.resume` is called. */
export interface PausedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "paused";
  readonly error: FlowError;
  /** In the order in which they were made. */
  readonly pauses: readonly PauseTicket[];
}

/** How a trace ended. Every trace gets exactly one. */
export type FinalOutcome<Result = unknown> =
  | CompletedOutcome<Result>
  | FailedOutcome<Result>
  | CancelledOutcome<Result>
  | ExhaustedOutcome<Result>
  | EmptyOutcome<Result>
  | StoppedOutcome<Result>;

/** How a trace ended, or that it waits for answers. */
export type Outcome<Result = unknown> = FinalOutcome<Result> | PausedOutcome<Result>;

/** The ways a trace can end. */
export type OutcomeStatus = FinalOutcome["status"];
