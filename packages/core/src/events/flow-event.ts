import type { ErrorPayload } from "../foundation/flow-error.ts";
import type { DataField } from "../message/chunk-kinds.ts";
import type { OutcomeStatus } from "../message/outcome.ts";
import type { RemoteState } from "../message/remote-interrupt.ts";

/** Fields of every event. */
export interface EventBase {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The flow's name; for a playbook, `parent/playbook`. */
  readonly flow: string;
  readonly traceId: string;
  readonly tenant: string;
  /** Position among what the run reports, in order of occurrence. A playbook shares the numbers of its parent's run. */
  readonly seq: number;
}

/** Fields of every node event. */
export interface NodeEventBase extends EventBase {
  readonly node: string;
  /** Identifies the message within its trace; the same after a retry or a restart. */
  readonly lineage: string;
  /**
   * Name of the node that sent it. Absent for a message from outside, for a group with several possible senders, and for
   * a message that a restart found in such a node's handler.
   */
  readonly from?: string | undefined;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Number of messages queued for the node. */
  readonly queueDepth: number;
  /** Number of messages in flight at the node. */
  readonly inflight: number;
}

/** A trace started. */
export interface TraceStartEvent extends EventBase {
  readonly type: "trace_start";
  readonly topic?: string | undefined;
}

/**
 * A trace ended. Only events of its remaining handlers may follow: `node_zombie`, `node_late`, `trace_cancel_finish`.
 */
export interface TraceEndEvent extends EventBase {
  readonly type: "trace_end";
  readonly status: OutcomeStatus;
  readonly durationMs: number;
  readonly results: number;
  readonly error?: ErrorPayload | undefined;
}

/** A handler is about to be called. */
export interface NodeStartEvent extends NodeEventBase {
  readonly type: "node_start";
  /** Milliseconds the message was queued for the node. */
  readonly queueMs: number;
}

/** An attempt succeeded and its edges accepted every message it sent. */
export interface NodeSuccessEvent extends NodeEventBase {
  readonly type: "node_success";
  /** Milliseconds the message was queued for the node. */
  readonly queueMs: number;
  /** Milliseconds the handler ran. */
  readonly runMs: number;
  /** Milliseconds until its edges had accepted the messages it sent. */
  readonly emitMs: number;
  /** `runMs + emitMs`. */
  readonly latencyMs: number;
}

/** An attempt failed: its handler threw or a payload was invalid. */
export interface NodeErrorEvent extends NodeEventBase {
  readonly type: "node_error";
  readonly latencyMs: number;
  readonly error: ErrorPayload;
}

/** An attempt took longer than the node's `timeoutMs`. */
export interface NodeTimeoutEvent extends NodeEventBase {
  readonly type: "node_timeout";
  readonly latencyMs: number;
  readonly error: ErrorPayload;
}

/** A failed attempt will be followed by another. */
export interface NodeRetryEvent extends NodeEventBase {
  readonly type: "node_retry";
  /** Milliseconds until the next attempt. */
  readonly delayMs: number;
}

/** A node failed for good, and the trace with it. */
export interface NodeFailedEvent extends NodeEventBase {
  readonly type: "node_failed";
  readonly error: ErrorPayload;
}

/** A node failed for good, sent the value of its policy's `onFailed` instead, and the trace goes on. */
export interface NodeFallbackEvent extends NodeEventBase {
  readonly type: "node_fallback";
  readonly error: ErrorPayload;
  /** The reason that `onFailed` gave with `ctx.because`, or the error's code. */
  readonly reason: string;
}

/** An attempt was aborted because its trace ended. */
export interface NodeCancelledEvent extends NodeEventBase {
  readonly type: "node_cancelled";
  readonly reason: string;
}

/** An aborted handler has not returned within the flow's grace period. It counts as a zombie until it returns. */
export interface NodeZombieEvent extends NodeEventBase {
  readonly type: "node_zombie";
}

/** A handler returned after its attempt was over; its result was discarded. */
export interface NodeLateEvent extends NodeEventBase {
  readonly type: "node_late";
}

/** A message was not handled because the trace's deadline passed while it was queued. */
export interface DeadlineSkipEvent extends NodeEventBase {
  readonly type: "deadline_skip";
}

/** A message was dropped: its trace ended while it waited, or its join emitted a short group without it. */
export interface MessageDropEvent extends NodeEventBase {
  readonly type: "message_drop";
  readonly reason: string;
}

/** A router chose no successor for a message. */
export interface RouteDropEvent extends NodeEventBase {
  readonly type: "route_drop";
  readonly reason: string;
}

/** A result was dropped: the result buffer was full, or the trace ended unread. */
export interface ResultDropEvent extends EventBase {
  readonly type: "result_drop";
  readonly node: string;
  readonly reason: string;
}

/** A message waits in a join for the rest of its group. */
export interface JoinWaitEvent extends EventBase {
  readonly type: "join_wait";
  readonly node: string;
  /** Identifies the message within its trace. */
  readonly lineage: string;
  /** Name of the node that sent it; absent for a message from outside. */
  readonly from?: string | undefined;
  readonly have: number;
  readonly want: number;
}

/** Nodes of a cycle wait for one another; the trace fails. */
export interface DeadlockEvent extends EventBase {
  readonly type: "deadlock";
  /** Names of the nodes, first and last the same. */
  readonly cycle: readonly string[];
}

/** A caller, a signal or a parent trace cancels a trace. */
export interface TraceCancelStartEvent extends EventBase {
  readonly type: "trace_cancel_start";
  readonly reason: string;
}

/** Every handler of a cancelled trace has returned or was abandoned. */
export interface TraceCancelFinishEvent extends EventBase {
  readonly type: "trace_cancel_finish";
  readonly dropped: number;
  readonly aborted: number;
  readonly zombies: number;
}

/** A handler pauses until it is given an answer. */
export interface NodePauseEvent extends NodeEventBase {
  readonly type: "node_pause";
  readonly reason: string;
  /** Epoch milliseconds after which the pause can no longer be answered, if it expires. */
  readonly expiresAt?: number;
}

/** A pause was answered or has expired: its handler was called again. */
export interface NodeResumeEvent extends NodeEventBase {
  readonly type: "node_resume";
  readonly reason: string;
  /** Present if there was no answer in time: its handler continues with `ifExpired`. */
  readonly isExpired?: true;
}

/** A handler sleeps until an instant, parked. `node_start` follows when it is called again. */
export interface NodeSleepEvent extends NodeEventBase {
  readonly type: "node_sleep";
  /** Name of the sleep. */
  readonly name: string;
  /** End of the sleep, in epoch milliseconds. */
  readonly until: number;
}

/** A trace accepted a signal. */
export interface SignalAcceptEvent extends EventBase {
  readonly type: "signal_accept";
  /** Name of the signal. */
  readonly signal: string;
}

/** A handler waits for a signal, parked. `node_start` follows when it is called again. */
export interface SignalWaitEvent extends NodeEventBase {
  readonly type: "signal_wait";
  /** Name of the signal. */
  readonly signal: string;
  /** Epoch milliseconds at which it waits no longer, if it expires. */
  readonly expiresAt?: number;
}

/** A trace ended with signals that no handler has consumed. */
export interface SignalDropEvent extends EventBase {
  readonly type: "signal_drop";
  /** Number of these signals. */
  readonly signals: number;
}

/** Nothing of a trace is left to do until its pauses are answered. */
export interface TracePauseEvent extends EventBase {
  readonly type: "trace_pause";
  /** Number of missing answers. */
  readonly pauses: number;
}

/** A durable trace at rest leaves memory. It is loaded again when it is answered, looked up or due. */
export interface TraceUnloadEvent extends EventBase {
  readonly type: "trace_unload";
}

/** Fields of every event of a call to another agent. The attempt tells several calls of one trace apart. */
export interface RemoteEventBase extends NodeEventBase {
  readonly skill: string;
  readonly agentUrl: string;
  /** The agent's task id, once known. */
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/** Fields of the events that end a call to another agent: each call has exactly one of them. */
export interface RemoteEndEventBase extends RemoteEventBase {
  /** Milliseconds since the start of the call. */
  readonly latencyMs: number;
  /** Bytes of request and response bodies, as counted by the transport; absent where it does not count. */
  readonly bytesSent?: number | undefined;
  readonly bytesReceived?: number | undefined;
}

/** A remote node calls another agent. */
export interface RemoteCallStartEvent extends RemoteEventBase {
  readonly type: "remote_call_start";
}

/** Part of another agent's answer arrived. */
export interface RemoteStreamPartEvent extends RemoteEventBase {
  readonly type: "remote_stream_event";
  /** Counts from 0 within the call. */
  readonly index: number;
  /** Whether this was the last part. */
  readonly done: boolean;
  /** Bytes since the previous event, as counted by the transport; absent where it does not count. */
  readonly bytesReceived?: number | undefined;
}

/** Another agent answered with a result, or with a request for input or authentication. */
export interface RemoteCallSuccessEvent extends RemoteEndEventBase {
  readonly type: "remote_call_success";
  readonly state: RemoteState;
}

/** A call to another agent failed. */
export interface RemoteCallErrorEvent extends RemoteEndEventBase {
  readonly type: "remote_call_error";
  readonly error: ErrorPayload;
}

/** The attempt ended before another agent answered: node timeout, cancel, deadline or shutdown. */
export interface RemoteCallCancelledEvent extends RemoteEndEventBase {
  readonly type: "remote_call_cancelled";
  readonly reason: string;
  /** Whether the agent acknowledged that its task is no longer wanted. */
  readonly wasHeard: boolean;
}

/**
 * Data of the events that handlers report with `ctx.tell`, by type. Programs and libraries add their events by
 * declaration merging. Each type begins with `app.`; others, and types that are not declared, do not compile.
 *
 * @example
 * ```ts
 * declare module "penguiflow" {
 *   interface AppEvents {
 *     "app.cache_miss": { readonly key: string };
 *   }
 * }
 * ```
 */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface AppEvents {}

/** The declared types of {@link AppEvents}. */
export type AppEventType = keyof AppEvents & `app.${string}`;

/** An event to be reported by `ctx.tell`. Its data is JSON, of at most 16 384 characters. */
export type AppEventInit = {
  [Type in AppEventType]: { readonly type: Type } & DataField<AppEvents[Type]>;
}[AppEventType];

/** An event that a handler has reported with `ctx.tell`: one of {@link AppEvents}, with a frozen copy of its data. */
export type AppEvent = {
  [Type in AppEventType]: NodeEventBase & { readonly type: Type } & DataField<AppEvents[Type]>;
}[AppEventType];

/** An event of a flow. A program that declares {@link AppEvents} has those, too: give a `switch` a default case. */
export type FlowEvent =
  | AppEvent
  | TraceStartEvent
  | TraceEndEvent
  | NodeStartEvent
  | NodeSuccessEvent
  | NodeErrorEvent
  | NodeTimeoutEvent
  | NodeRetryEvent
  | NodeFailedEvent
  | NodeFallbackEvent
  | NodeCancelledEvent
  | NodeZombieEvent
  | NodeLateEvent
  | DeadlineSkipEvent
  | MessageDropEvent
  | RouteDropEvent
  | ResultDropEvent
  | JoinWaitEvent
  | DeadlockEvent
  | TraceCancelStartEvent
  | TraceCancelFinishEvent
  | NodePauseEvent
  | NodeResumeEvent
  | NodeSleepEvent
  | TracePauseEvent
  | SignalAcceptEvent
  | SignalWaitEvent
  | SignalDropEvent
  | TraceUnloadEvent
  | RemoteCallStartEvent
  | RemoteStreamPartEvent
  | RemoteCallSuccessEvent
  | RemoteCallErrorEvent
  | RemoteCallCancelledEvent;

/** The event types. */
export type FlowEventType = FlowEvent["type"];

/** Receives every event of a flow, in order. Its return value is ignored; errors are logged. */
export type Middleware = (event: FlowEvent) => unknown;
