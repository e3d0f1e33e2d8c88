import type { ErrorPayload } from "../foundation/flow-error.ts";
import type { OutcomeStatus } from "../message/outcome.ts";
import type { RemoteState } from "../message/remote-interrupt.ts";

/** What every event carries. */
export interface EventBase {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The flow's name; that of a playbook is `parent/playbook`. */
  readonly flow: string;
  readonly traceId: string;
  readonly tenant: string;
}

/** What every event of a node carries. */
export interface NodeEventBase extends EventBase {
  readonly node: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** How many messages wait for the node. */
  readonly queueDepth: number;
  /** How many messages the node works on. */
  readonly inflight: number;
}

/** A trace was begun. */
export interface TraceStartEvent extends EventBase {
  readonly type: "trace_start";
  readonly topic?: string | undefined;
}

/** A trace ended. Only what its handlers still do may follow: `node_zombie`, `node_late`, `trace_cancel_finish`. */
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
  /** Milliseconds the message waited for the node. */
  readonly queueMs: number;
}

/** An attempt succeeded and everything it sent was accepted. */
export interface NodeSuccessEvent extends NodeEventBase {
  readonly type: "node_success";
  /** Milliseconds the message waited for the node. */
  readonly queueMs: number;
  /** Milliseconds the handler ran. */
  readonly runMs: number;
  /** Milliseconds until what it sent was accepted. */
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

/** An attempt was told to stop because its trace ended. */
export interface NodeCancelledEvent extends NodeEventBase {
  readonly type: "node_cancelled";
  readonly reason: string;
}

/** A handler that was told to stop has not returned within the flow's grace period. It counts as a zombie until it does. */
export interface NodeZombieEvent extends NodeEventBase {
  readonly type: "node_zombie";
}

/** A handler returned after its attempt was over; what it returned was not used. */
export interface NodeLateEvent extends NodeEventBase {
  readonly type: "node_late";
}

/** A message was not handled because the trace's deadline passed while it waited. */
export interface DeadlineSkipEvent extends NodeEventBase {
  readonly type: "deadline_skip";
}

/** A message was dropped: its trace ended while it waited, or its join had sent a short group on without it. */
export interface MessageDropEvent extends NodeEventBase {
  readonly type: "message_drop";
  readonly reason: string;
}

/** A router sent a message nowhere. */
export interface RouteDropEvent extends NodeEventBase {
  readonly type: "route_drop";
  readonly reason: string;
}

/** A result was not kept: nobody asked for more, or the trace ended unread. */
export interface ResultDropEvent extends EventBase {
  readonly type: "result_drop";
  readonly node: string;
  readonly reason: string;
}

/** A message waits in a join for others. */
export interface JoinWaitEvent extends EventBase {
  readonly type: "join_wait";
  readonly node: string;
  readonly have: number;
  readonly want: number;
}

/** Nodes of a cycle wait for one another; the trace fails. */
export interface DeadlockEvent extends EventBase {
  readonly type: "deadlock";
  /** Names of the nodes, first and last the same. */
  readonly cycle: readonly string[];
}

/** Somebody cancels a trace. */
export interface TraceCancelStartEvent extends EventBase {
  readonly type: "trace_cancel_start";
  readonly reason: string;
}

/** Every handler of a cancelled trace has returned or was given up. */
export interface TraceCancelFinishEvent extends EventBase {
  readonly type: "trace_cancel_finish";
  readonly dropped: number;
  readonly aborted: number;
  readonly zombies: number;
}

/** A handler pauses until somebody answers. */
export interface NodePauseEvent extends NodeEventBase {
  readonly type: "node_pause";
  readonly reason: string;
  /** Epoch milliseconds after which nobody can, if ever. */
  readonly expiresAt?: number;
}

/** A pause was answered: its handler is called again. */
export interface NodeResumeEvent extends NodeEventBase {
  readonly type: "node_resume";
  readonly reason: string;
}

/** Of a trace, nothing is left to do before somebody answers. */
export interface TracePauseEvent extends EventBase {
  readonly type: "trace_pause";
  /** How many answers are missing. */
  readonly pauses: number;
}

/** What every event of a call of another agent carries. Several calls of one trace are told apart by their attempt. */
export interface RemoteEventBase extends NodeEventBase {
  readonly skill: string;
  readonly agentUrl: string;
  /** The task at the agent, once it is known. */
  readonly taskId?: string | undefined;
  readonly contextId?: string | undefined;
}

/** What the events that end a call of another agent carry: each call has one of them. */
export interface RemoteEndEventBase extends RemoteEventBase {
  /** Milliseconds from the beginning of the call. */
  readonly latencyMs: number;
  /** Bytes of bodies, as the transport counted them; none where it does not count. */
  readonly bytesSent?: number | undefined;
  readonly bytesReceived?: number | undefined;
}

/** A remote node calls another agent. */
export interface RemoteCallStartEvent extends RemoteEventBase {
  readonly type: "remote_call_start";
}

/** A part of another agent's answer has come. */
export interface RemoteStreamPartEvent extends RemoteEventBase {
  readonly type: "remote_stream_event";
  /** Counts from 0 within the call. */
  readonly index: number;
  /** Whether it was the last. */
  readonly done: boolean;
  /** Bytes since the event before, as the transport counted them; none where it does not count. */
  readonly bytesReceived?: number | undefined;
}

/** Another agent has answered: with a result, or with what it needs to go on. */
export interface RemoteCallSuccessEvent extends RemoteEndEventBase {
  readonly type: "remote_call_success";
  readonly state: RemoteState;
}

/** A call of another agent failed. */
export interface RemoteCallErrorEvent extends RemoteEndEventBase {
  readonly type: "remote_call_error";
  readonly error: ErrorPayload;
}

/** The attempt was over before another agent had answered: node timeout, cancel, deadline, stop. */
export interface RemoteCallCancelledEvent extends RemoteEndEventBase {
  readonly type: "remote_call_cancelled";
  readonly reason: string;
  /** Whether the agent has heard that its task is no longer wanted. */
  readonly wasHeard: boolean;
}

/** Something that happened in a flow. */
export type FlowEvent =
  | TraceStartEvent
  | TraceEndEvent
  | NodeStartEvent
  | NodeSuccessEvent
  | NodeErrorEvent
  | NodeTimeoutEvent
  | NodeRetryEvent
  | NodeFailedEvent
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
  | TracePauseEvent
  | RemoteCallStartEvent
  | RemoteStreamPartEvent
  | RemoteCallSuccessEvent
  | RemoteCallErrorEvent
  | RemoteCallCancelledEvent;

/** The kinds of events. */
export type FlowEventType = FlowEvent["type"];

/** Sees every event of a flow, in order. What it returns is ignored, what it throws is logged. */
export type Middleware = (event: FlowEvent) => unknown;
