import type { ErrorPayload } from "../foundation/flow-error.ts";
import type { OutcomeStatus } from "../message/outcome.ts";

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

/** A message was not handled because its trace ended while it waited. */
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
  | TracePauseEvent;

/** The kinds of events. */
export type FlowEventType = FlowEvent["type"];

/** Sees every event of a flow, in order. What it returns is ignored, what it throws is logged. */
export type Middleware = (event: FlowEvent) => unknown;
