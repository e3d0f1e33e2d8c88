import type { JsonSchema } from "../foundation/json-schema.ts";
import type { FlowError } from "../foundation/flow-error.ts";
import type { Budget } from "./budget.ts";
import type { FinalAnswer } from "./controller.ts";
import type { Message } from "./message.ts";

/** Access to the items that a trace had logged when it had its outcome. It outlasts the trace. */
export interface OutcomeLog {
  /** Position after the last item. */
  readonly length: number;
  /** Reads the items in order. */
  read(): Promise<readonly unknown[]>;
}

/** Fields of every outcome. */
export interface OutcomeBase<Result> {
  readonly traceId: string;
  readonly tenant: string;
  /** Messages that reached the Rookery before the end, in order of arrival. */
  readonly messages: readonly Message<Result>[];
  /** The payloads of `messages`. */
  readonly results: readonly Result[];
  /** Number of further results that were dropped, see `limits.maxResults`. */
  readonly droppedResults: number;
  /** Milliseconds from acceptance to the end of the trace. */
  readonly durationMs: number;
  /** Amounts that the trace and the playbooks below it have spent, by name, see `ctx.budget`. */
  readonly spent: Budget;
  /** The log of the trace; absent when it is empty. */
  readonly log?: OutcomeLog | undefined;
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

/** The trace was cancelled by its caller, its signal or its parent. */
export interface CancelledOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "cancelled";
  readonly error: FlowError;
  readonly reason: unknown;
}

/** A deadline passed or a budget was exhausted. */
export interface ExhaustedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "exhausted";
  readonly error: FlowError;
  /** `"deadline"`, or the name of the budget: `"hops"` and `"tokens"` are also those of a working memory. */
  readonly which: string;
  /** The documented closing text, as returned to `fetch`. */
  readonly finalAnswer: FinalAnswer;
}

/** All work finished and nothing reached the Rookery. */
export interface EmptyOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "empty";
  readonly error: FlowError;
  /** The node at which the last message of the trace ended. */
  readonly lastNode: string | undefined;
  /** Reason why the trace ended there. */
  readonly reason: string;
}

/** The flow shut down before the work was done. */
export interface StoppedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "stopped";
  readonly error: FlowError;
}

/** A pause of a trace, as presented to the person or system that may answer it. */
export interface PauseTicket {
  /**
   * Identifies the pause in lists and addresses, in every process. It is part of the token's secret, and the rest of more
   * than 88 bits cannot be derived from it: it lets no caller answer.
   */
  readonly id: string;
  /** Token for `flow.pauses.resume`. Anyone who holds it can answer, so keep it secret. */
  readonly token: string;
  readonly node: string;
  /** Names of the playbooks in which the handler runs, outermost first. */
  readonly path: readonly string[];
  /** Name of the pause: as given by the handler, otherwise its reason. */
  readonly name: string;
  readonly reason: string;
  /** Context that the handler provides for answering. */
  readonly payload: unknown;
  /** Epoch milliseconds after which the pause can no longer be answered, if it expires. */
  readonly expiresAt: number | undefined;
  /** JSON Schema of the answer: present if the pause has a `resumeSchema` whose library gives one. */
  readonly resumeSchema?: JsonSchema | undefined;
}

/** A pause that waits for an answer, and its trace. */
export interface OpenPause extends PauseTicket {
  readonly traceId: string;
  readonly tenant: string;
}

/** Nothing is left to do until a pause is answered. The trace continues when `flow.pauses.resume` is called. */
export interface PausedOutcome<Result> extends OutcomeBase<Result> {
  readonly status: "paused";
  readonly error: FlowError;
  /** In order of creation. */
  readonly pauses: readonly PauseTicket[];
}

/** The final outcome of a trace. Every trace gets exactly one. */
export type FinalOutcome<Result = unknown> =
  | CompletedOutcome<Result>
  | FailedOutcome<Result>
  | CancelledOutcome<Result>
  | ExhaustedOutcome<Result>
  | EmptyOutcome<Result>
  | StoppedOutcome<Result>;

/** The final outcome of a trace, or the state in which it waits for answers. */
export type Outcome<Result = unknown> = FinalOutcome<Result> | PausedOutcome<Result>;

/** The status of a final outcome. */
export type OutcomeStatus = FinalOutcome["status"];

/** The end of a trace without a result, from which a flow makes the last items of its log. */
export interface ClosedTrace {
  readonly traceId: string;
  readonly tenant: string;
  readonly status: Exclude<OutcomeStatus, "completed">;
  readonly error: FlowError;
  /** Amounts that the trace has spent, by name. */
  readonly spent: Budget;
}
