import type { FlowEvent } from "../events/flow-event.ts";
import type { OutcomeStatus } from "../message/outcome.ts";

/** An event in the form in which it is stored. */
export interface StoredEvent {
  readonly tenant: string;
  readonly traceId: string;
  /** The event's type. */
  readonly kind: FlowEvent["type"];
  /** Epoch milliseconds. */
  readonly at: number;
  readonly node: string | undefined;
  /** The event as plain data. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** A remote task that works for a trace. */
export interface RemoteBinding {
  readonly tenant: string;
  readonly traceId: string;
  readonly node: string;
  readonly agentUrl: string;
  readonly taskId: string;
  readonly contextId: string | undefined;
}

/** The tenant and trace id of a trace. */
export interface TraceKey {
  readonly tenant: string;
  readonly traceId: string;
}

/** A request for a page of a trace's history. */
export interface HistoryQuery extends TraceKey {
  /** Cursor of the previous page. @defaultValue the beginning */
  readonly cursor?: string | undefined;
  /** Maximum number of events. @defaultValue 1000 */
  readonly limit?: number | undefined;
}

/** A page of a history, in order of occurrence. */
export interface HistoryPage {
  readonly events: readonly StoredEvent[];
  /** Cursor for the next page; `undefined` on the last page. */
  readonly cursor: string | undefined;
}

/** State of a trace, derived from its events: `running` until an event reports its end or a pause. */
export type TraceState = "running" | "paused" | OutcomeStatus;

/** A trace in a list. Runs with the same tenant and trace id are one trace; the latest run determines its state. */
export interface TraceSummary extends TraceKey {
  /** The name of the flow. */
  readonly flow: string | undefined;
  readonly state: TraceState;
  /** Epoch milliseconds of its first event. */
  readonly startedAt: number;
  /** Epoch milliseconds of its latest event. */
  readonly lastAt: number;
  /** The node at which it failed; otherwise the last node seen. */
  readonly node: string | undefined;
  /** The code of the error that ended it. */
  readonly errorCode: string | undefined;
}

/** Filter for the traces of a tenant; all given conditions must hold. */
export interface TraceQuery {
  readonly tenant: string;
  readonly state?: TraceState | undefined;
  readonly node?: string | undefined;
  readonly errorCode?: string | undefined;
  /** Epoch milliseconds: matches traces that started then or later. */
  readonly startedFrom?: number | undefined;
  /** Epoch milliseconds: matches traces that started earlier. */
  readonly startedBefore?: number | undefined;
  /** Cursor of the previous page. @defaultValue the newest trace */
  readonly cursor?: string | undefined;
  /** Maximum number of traces. @defaultValue 1000 */
  readonly limit?: number | undefined;
}

/** A page of a list of traces, most recently started first. */
export interface TracePage {
  readonly traces: readonly TraceSummary[];
  /** Cursor for the next page; `undefined` on the last page. */
  readonly cursor: string | undefined;
}

/** Limits of a state store. Traces are removed whole, with their events and bindings, least recently active first. */
export interface Retention {
  /** Maximum age of a trace in milliseconds, since its latest event. */
  readonly maxAgeMs?: number | undefined;
  /** Maximum number of traces. */
  readonly maxTraces?: number | undefined;
  /** Maximum number of events per trace; its oldest are removed. */
  readonly maxEventsPerTrace?: number | undefined;
  /** Maximum size in bytes of all event payloads as JSON text. */
  readonly maxBytes?: number | undefined;
}

/**
 * Stores the events of a flow. The runtime calls it off the hot path, one batch at a time; a failed call is logged and
 * never reaches a handler. A store never returns another tenant's data.
 *
 * Its size is bounded by its {@link Retention}, enforced by `saveEvents` from time to time and by `prune` immediately.
 * A cursor stays valid while events are saved and removed: the events that remain are returned once, in order. An
 * unknown cursor is rejected with a `TypeError`, a limit that is not a whole number of 1 or more with a `RangeError`.
 */
export interface StateStore {
  /** Stores events in the given order, atomically. */
  saveEvents(batch: readonly StoredEvent[]): Promise<void>;
  /** Returns a page of a trace's events, oldest first; an empty page for an unknown trace. */
  loadHistory(query: HistoryQuery): Promise<HistoryPage>;
  /** Returns a page of a tenant's traces that have events, most recently started first. */
  listTraces(query: TraceQuery): Promise<TracePage>;
  /** Removes traces and events beyond the retention limits; resolves to the number of removed traces. */
  prune(): Promise<number>;
  /** Stores a binding, replacing one of the same trace, node, agent and task. */
  saveRemoteBinding(binding: RemoteBinding): Promise<void>;
  /** Returns the bindings of a trace in the order in which they were first stored; none for an unknown trace. */
  findRemoteBindings(key: TraceKey): Promise<readonly RemoteBinding[]>;
}
