import type { Message } from "../message/message.ts";
import type { RemoteState } from "../message/remote-interrupt.ts";

/** Whose task of which agent is meant. A `RemoteBinding` is one. */
export interface RemoteTask {
  readonly tenant: string;
  readonly agentUrl: string;
  /** Made by the agent. */
  readonly taskId: string;
  /** The conversation the task belongs to, made by the agent or by its caller. */
  readonly contextId?: string | undefined;
}

/** What the caller has left of the budgets of a controller loop; `null` for no limit. */
export interface RemoteBudget {
  readonly hops: number | null;
  readonly tokens: number | null;
}

/** What a transport tells a caller that waits for an answer. What they do costs the transport nothing. */
export interface RemoteCallHooks {
  /**
   * The agent has begun a task for the call. Called once, as soon as the ids are known and before anything else
   * of the answer, in `send` and `stream` alike; never for an answer without a task.
   */
  readonly onTask?: ((task: Pick<RemoteTask, "taskId" | "contextId">) => void) | undefined;
  /**
   * Bytes of bodies that went over the network for the call since the last time, as the transport counted them on
   * the way. Before the event or the answer they belong to. Never called where nothing is encoded.
   */
  readonly onBytes?: ((bytes: { readonly sent: number; readonly received: number }) => void) | undefined;
}

/** A call of another agent's skill. */
export interface RemoteCallRequest extends RemoteCallHooks {
  /**
   * Payload, tenant, topic, priority, trace id, deadline (as it is for the agent) and the part of meta that is to
   * travel. All of it goes to the agent, nothing else does.
   */
  readonly message: Message;
  readonly skill: string;
  readonly agentUrl: string;
  /**
   * Stays the same when the call is repeated for want of an answer. An agent that has a task of that tenant and key,
   * under way or complete, answers with it; where that has failed or was cancelled, it begins another.
   */
  readonly idempotencyKey: string;
  /**
   * Ends the call, not the task: it rejects with the reason at once and its connection is closed. Whether the task
   * is cancelled is for the caller to say, with {@link RemoteTransport.cancel}: no transport does it unasked.
   */
  readonly signal: AbortSignal;
  /** The W3C `traceparent` header of the caller. @defaultValue none */
  readonly traceparent?: string | undefined;
  /** The W3C `tracestate` header of the caller. @defaultValue none */
  readonly tracestate?: string | undefined;
  /** What the caller has left. @defaultValue no limits */
  readonly budget?: RemoteBudget | undefined;
  /** The task that the message answers, or the conversation it goes on with. @defaultValue a new task */
  readonly continues?: { readonly taskId?: string | undefined; readonly contextId?: string | undefined } | undefined;
}

/** The answer to a call. */
export interface RemoteCallResult {
  /** The payload; of a task that waits, what the agent asks for. */
  readonly result: unknown;
  /** @defaultValue `"completed"` */
  readonly state?: RemoteState | undefined;
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/** A part of the answer to a call. */
export interface RemoteStreamEvent {
  /** A piece of text for the trace's stream. */
  readonly text?: string | undefined;
  /**
   * Where the piece begins in the task's whole text, in UTF-16 code units. By it a reader drops what it has, puts
   * pieces in order and notices that one is missing. Texts that are no part of the answer, such as news of
   * progress, have none: they are passed on as they come, and are not repeated by `resubscribe`.
   */
  readonly at?: number | undefined;
  /** Whether this is the last event. A stream without one broke off. */
  readonly done: boolean;
  /** On the last event: the payload; of a task that waits, what the agent asks for. */
  readonly result?: unknown;
  /** On the last event. @defaultValue `"completed"` */
  readonly state?: RemoteState | undefined;
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/**
 * Reaches other agents. Each call is for the tenant of its message or task, and no tenant gets at another's tasks.
 *
 * Failures that are final are a `FlowError`: `REMOTE_FAILED` when the task failed, was rejected or was cancelled, or
 * the agent answered the call with an error, `cause` or `details` saying why and `retryable` whether a new task may do better; `REMOTE_REFUSED` when the agent
 * does not take the call at all: no such skill or task, wrong version or media type, not authenticated. Anything
 * else is a fault on the way, such as `REMOTE_UNAVAILABLE` for an agent that cannot be reached: the task, if there
 * is one, may be under way.
 */
export interface RemoteTransport {
  /** Calls a skill and resolves when its task is complete or waits for its caller. */
  send(request: RemoteCallRequest): Promise<RemoteCallResult>;
  /**
   * Calls a skill and yields its answer in parts; the agent is kept waiting where the reader takes its time. Leaving
   * the loop closes the connection and not the task.
   */
  stream(request: RemoteCallRequest): AsyncIterable<RemoteStreamEvent>;
  /**
   * Takes up the answer of a task again: yields the text there is so far, from its beginning or from anywhere in
   * it, then what comes. Of a task that is over, its text and its last event. Agents that do not stream are asked
   * again and again.
   *
   * @throws FlowError `REMOTE_REFUSED` when the agent does not know the task, or not as this tenant's
   */
  resubscribe(
    task: RemoteTask,
    options: Pick<RemoteCallRequest, "signal" | "onBytes">,
  ): AsyncIterable<RemoteStreamEvent>;
  /**
   * Tells the agent that a task is no longer wanted and resolves when it has heard so. A task that is over, not known
   * or another tenant's is left alone, without an error.
   */
  cancel(task: RemoteTask, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}
