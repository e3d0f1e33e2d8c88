import type { FlowEvent } from "../events/flow-event.ts";

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

/**
 * Keeps what happened. The runtime calls it off the hot path, one batch at a time; a call that fails is
 * logged and never reaches a handler. A store never returns another tenant's data.
 */
export interface StateStore {
  /** Keeps events in the given order. */
  saveEvents(batch: readonly StoredEvent[]): Promise<void>;
  /** A page of a trace's events, oldest first; an empty one for a trace that is not known. */
  loadHistory(query: HistoryQuery): Promise<HistoryPage>;
  /** Keeps a binding; one of the same trace, node and task is replaced. */
  saveRemoteBinding(binding: RemoteBinding): Promise<void>;
  /** The bindings kept for a trace; none for a trace that is not known. */
  findRemoteBindings(key: TraceKey): Promise<readonly RemoteBinding[]>;
}
