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

/** How a trace ended. Every trace gets exactly one. */
export type Outcome<Result = unknown> =
  | CompletedOutcome<Result>
  | FailedOutcome<Result>
  | CancelledOutcome<Result>
  | ExhaustedOutcome<Result>
  | EmptyOutcome<Result>
  | StoppedOutcome<Result>;

/** The ways a trace can end. */
export type OutcomeStatus = Outcome["status"];
