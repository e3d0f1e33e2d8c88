import type { FlowEvent } from "../events/flow-event.ts";
import type { OutcomeStatus } from "../message/outcome.ts";

/** An event as it is kept. */
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

/** Which remote task works for a trace. */
export interface RemoteBinding {
  readonly tenant: string;
  readonly traceId: string;
  readonly node: string;
  readonly agentUrl: string;
  readonly taskId: string;
  readonly contextId: string | undefined;
}

/** Whose trace is meant. */
export interface TraceKey {
  readonly tenant: string;
  readonly traceId: string;
}

/** Which part of a history is wanted. */
export interface HistoryQuery extends TraceKey {
  /** Where the last page ended. @defaultValue the beginning */
  readonly cursor?: string | undefined;
  /** How many events at most. @defaultValue 1000 */
  readonly limit?: number | undefined;
}

/** A part of a history, in the order of occurrence. */
export interface HistoryPage {
  readonly events: readonly StoredEvent[];
  /** Pass it on for the next page; none when this is the last. */
  readonly cursor: string | undefined;
}

/** What became of a trace, as far as its events tell: `running` until one says how it ended, or that it waits for answers. */
export type TraceState = "running" | "paused" | OutcomeStatus;

/** A trace in a list. Runs of the same tenant and trace id are one trace, and the last one's news count. */
export interface TraceSummary extends TraceKey {
  /** The name of the flow. */
  readonly flow: string | undefined;
  readonly state: TraceState;
  /** Epoch milliseconds of its first event. */
  readonly startedAt: number;
  /** Epoch milliseconds of its latest event. */
  readonly lastAt: number;
  /** Where it failed; otherwise where it was seen last. */
  readonly node: string | undefined;
  /** The code of the error with which it ended. */
  readonly errorCode: string | undefined;
}

/** Which traces of a tenant are wanted; all that is given must hold. */
export interface TraceQuery {
  readonly tenant: string;
  readonly state?: TraceState | undefined;
  readonly node?: string | undefined;
  readonly errorCode?: string | undefined;
  /** Epoch milliseconds: traces that started then or later. */
  readonly startedFrom?: number | undefined;
  /** Epoch milliseconds: traces that started earlier. */
  readonly startedBefore?: number | undefined;
  /** Where the last page ended. @defaultValue the newest */
  readonly cursor?: string | undefined;
  /** How many traces at most. @defaultValue 1000 */
  readonly limit?: number | undefined;
}

/** A part of a list of traces: the one that started last comes first. */
export interface TracePage {
  readonly traces: readonly TraceSummary[];
  /** Pass it on for the next page; none when this is the last. */
  readonly cursor: string | undefined;
}

/**
 * How much a state store keeps. Traces go whole, with their events and bindings, the one whose latest event is
 * oldest first.
 */
export interface Retention {
  /** Milliseconds since its latest event after which a trace goes. */
  readonly maxAgeMs?: number | undefined;
  /** How many traces. */
  readonly maxTraces?: number | undefined;
  /** How many events of one trace; its oldest go. */
  readonly maxEventsPerTrace?: number | undefined;
  /** How many bytes the payloads of all events have as JSON text. */
  readonly maxBytes?: number | undefined;
}

/**
 * Keeps what happened. The runtime calls it off the hot path, one batch at a time; a call that fails is
 * logged and never reaches a handler. A store never returns another tenant's data. It keeps as much as its
 * {@link Retention} allows: `saveEvents` has it kept from time to time, `prune` at once. A cursor stays good
 * while events are saved and others go: what is there is given once, in order. One that the store never gave is
 * refused with a `TypeError`, a limit that is not a whole number of 1 or more with a `RangeError`.
 */
export interface StateStore {
  /** Keeps events in the given order, all of them or none. */
  saveEvents(batch: readonly StoredEvent[]): Promise<void>;
  /** A page of a trace's events, oldest first; an empty one for a trace that is not known. */
  loadHistory(query: HistoryQuery): Promise<HistoryPage>;
  /** A page of a tenant's traces of which there are events, the one that started last first. */
  listTraces(query: TraceQuery): Promise<TracePage>;
  /** Removes what is too old or too much; resolves to the number of traces that went. */
  prune(): Promise<number>;
  /** Keeps a binding; one of the same trace, node, agent and task is replaced. */
  saveRemoteBinding(binding: RemoteBinding): Promise<void>;
  /** The bindings kept for a trace, in the order in which they were first kept; none for a trace that is not known. */
  findRemoteBindings(key: TraceKey): Promise<readonly RemoteBinding[]>;
}
