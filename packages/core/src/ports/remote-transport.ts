import type { Message } from "../message/message.ts";

/** A call of another agent's skill. */
export interface RemoteCallRequest {
  readonly message: Message;
  readonly skill: string;
  readonly agentUrl: string;
  /** Stays the same when the call is repeated. */
  readonly idempotencyKey: string;
  /** Aborts when the answer is no longer wanted. */
  readonly signal: AbortSignal;
}

/** The answer to a call. */
export interface RemoteCallResult {
  readonly result: unknown;
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/** A part of the answer to a call. */
export interface RemoteStreamEvent {
  /** A piece of text for the trace's stream. */
  readonly text?: string | undefined;
  /** Whether this is the last event. */
  readonly done: boolean;
  /** The final payload, on the last event. */
  readonly result?: unknown;
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/** Reaches other agents. */
export interface RemoteTransport {
  /** Calls a skill and waits for its answer. */
  send(request: RemoteCallRequest): Promise<RemoteCallResult>;
  /** Calls a skill and yields its answer in parts. */
  stream(request: RemoteCallRequest): AsyncIterable<RemoteStreamEvent>;
  /** Tells the other side that a task is no longer wanted. */
  cancel(task: { readonly agentUrl: string; readonly taskId: string }): Promise<void>;
}
