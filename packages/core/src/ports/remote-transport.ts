import type { Budget } from "../message/budget.ts";
import type { Message } from "../message/message.ts";
import type { RemoteState } from "../message/remote-interrupt.ts";

/** A task at an agent, and its tenant. A `RemoteBinding` is one. */
export interface RemoteTask {
  readonly tenant: string;
  readonly agentUrl: string;
  /** Id assigned by the agent. */
  readonly taskId: string;
  /** Id of the task's conversation, assigned by the agent or by its caller. */
  readonly contextId?: string | undefined;
}

/** The caller's remaining budgets of a controller loop; `null` for no limit. */
export interface RemoteBudget {
  readonly hops: number | null;
  readonly tokens: number | null;
}

/** Callbacks for a caller that waits for an answer. They are called synchronously and must not block. */
export interface RemoteCallHooks {
  /**
   * Called when the agent has begun a task for the call: once, as soon as the ids are known and before any other part
   * of the answer. This holds for `send` and `stream` alike. Never called for an answer without a task.
   */
  readonly onTask?: ((task: Pick<RemoteTask, "taskId" | "contextId">) => void) | undefined;
  /**
   * Receives the bytes of bodies transferred for the call since the last report, as counted by the transport. Called
   * before the event or answer they belong to. Never called where nothing is encoded.
   */
  readonly onBytes?: ((bytes: { readonly sent: number; readonly received: number }) => void) | undefined;
}

/** A call to another agent's skill. */
export interface RemoteCallRequest extends RemoteCallHooks {
  /**
   * The message whose payload, tenant, topic, priority, trace id, deadline (adjusted for the agent) and selected meta
   * are sent. All of it goes to the agent, nothing else does.
   */
  readonly message: Message;
  readonly skill: string;
  readonly agentUrl: string;
  /**
   * Key that stays the same when the call is repeated for want of an answer. If the agent has a task with that tenant
   * and key, in flight or complete, it answers with that task. If that task has failed or was cancelled, it begins
   * another.
   */
  readonly idempotencyKey: string;
  /**
   * Ends the call but not the task: the call rejects with the reason at once and its connection is closed. The caller
   * decides whether to cancel the task, with {@link RemoteTransport.cancel}; no transport does so unasked.
   */
  readonly signal: AbortSignal;
  /** The W3C `traceparent` header of the caller. @defaultValue none */
  readonly traceparent?: string | undefined;
  /** The W3C `tracestate` header of the caller. @defaultValue none */
  readonly tracestate?: string | undefined;
  /** The caller's remaining budgets. @defaultValue no limits */
  readonly budget?: RemoteBudget | undefined;
  /** Amounts left of the budget of the caller's trace: the agent's trace begins with it. @defaultValue no limits */
  readonly traceBudget?: Budget | undefined;
  /** The task that the message answers, or the conversation it continues. @defaultValue a new task */
  readonly continues?: { readonly taskId?: string | undefined; readonly contextId?: string | undefined } | undefined;
}

/** The answer to a call. */
export interface RemoteCallResult {
  /** The payload; for a waiting task, the agent's question. */
  readonly result: unknown;
  /** State of the task. @defaultValue `"completed"` */
  readonly state?: RemoteState | undefined;
  /**
   * Amounts that the task has spent, all its calls together, if it is complete and the agent tells: the caller's trace is
   * charged with them. Unchecked.
   */
  readonly spent?: Budget | undefined;
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/** A chunk with data, as an agent sends it: its kind and data are unchecked. */
export interface RemoteChunk {
  readonly kind: string;
  readonly data?: unknown;
}

/** A part of the answer to a call. */
export interface RemoteStreamEvent {
  /** A piece of text for the trace's stream. */
  readonly text?: string | undefined;
  /**
   * Position of the piece in the task's whole text, in UTF-16 code units. With it, a reader drops duplicates, restores
   * order and detects gaps. Texts outside the answer, such as progress news, have none: they are delivered as they
   * arrive, and `resubscribe` does not repeat them.
   */
  readonly at?: number | undefined;
  /** A chunk with data for the trace's stream. It must be JSON where the answer is encoded. */
  readonly chunk?: RemoteChunk | undefined;
  /** Number of the chunk among those of the task, from 0: serves a reader as `at` does for texts. */
  readonly chunkAt?: number | undefined;
  /** Whether this is the last event. A stream without one was interrupted. */
  readonly done: boolean;
  /** On the last event: the payload; for a waiting task, the agent's question. */
  readonly result?: unknown;
  /** On the last event: state of the task. @defaultValue `"completed"` */
  readonly state?: RemoteState | undefined;
  /** On the last event of a complete task: the amounts that it has spent, as in a {@link RemoteCallResult}. */
  readonly spent?: Budget | undefined;
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/**
 * Calls other agents. Each call is scoped to the tenant of its message or task; no tenant can access another's tasks.
 *
 * Final failures are a `FlowError`. `REMOTE_FAILED`: the task failed, was rejected or was cancelled, or the agent
 * answered with an error. `cause` or `details` give the reason, and `retryable` tells whether a new task may succeed.
 * `REMOTE_REFUSED`: the agent rejects the call itself: unknown skill or task, unsupported version or media type, or
 * missing authentication. Any other error is a transport fault, such as `REMOTE_UNAVAILABLE` for an unreachable agent;
 * the task, if there is one, may be in flight.
 */
export interface RemoteTransport {
  /** Calls a skill and resolves when its task is complete or waits for its caller. */
  send(request: RemoteCallRequest): Promise<RemoteCallResult>;
  /**
   * Calls a skill and yields its answer in parts, with backpressure from the reader to the agent. Leaving the loop
   * closes the connection but not the task.
   */
  stream(request: RemoteCallRequest): AsyncIterable<RemoteStreamEvent>;
  /**
   * Resumes the answer of a task. Yields the text so far, from its beginning or from any position, then new text; for a
   * finished task, its text and its last event. Agents that do not stream are polled.
   *
   * @throws FlowError `REMOTE_REFUSED` when the agent does not know the task, or not under this tenant
   */
  resubscribe(
    task: RemoteTask,
    options: Pick<RemoteCallRequest, "signal" | "onBytes">,
  ): AsyncIterable<RemoteStreamEvent>;
  /**
   * Cancels a task at the agent and resolves when the agent has acknowledged it. A task that is over, unknown or
   * another tenant's is left alone, without an error.
   */
  cancel(task: RemoteTask, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}
