import { type Clock, systemClock } from "../foundation/clock.ts";
import { requireInteger, requireKnownKeys, requireMethods, requireNumber } from "../foundation/options.ts";
import { summarize } from "../history/summarize.ts";
import type {
  HistoryPage,
  HistoryQuery,
  RemoteBinding,
  Retention,
  StateStore,
  StoredEvent,
  TraceKey,
  TracePage,
  TraceQuery,
  TraceSummary,
} from "../ports/state-store.ts";

/** Limits of {@link MemoryStateStore}: by default, 1000 traces and 10 000 events of each. */
export interface MemoryStateStoreOptions extends Retention {
  /** Clock that determines a trace's age. @defaultValue the machine's clock */
  readonly clock?: Clock;
}

interface Kept {
  /** Distinguishes the trace in lists from others that started in the same millisecond. */
  readonly number: number;
  /** Summary of the trace; absent while there are only bindings. */
  summary: TraceSummary | undefined;
  readonly events: StoredEvent[];
  /** Number of events removed before the first one kept. */
  dropped: number;
  /** Size in bytes, counted only when bytes are limited. */
  bytes: number;
  /** Epoch milliseconds of the latest event, or of the first binding while there is no event. */
  quietSince: number;
  readonly bindings: Map<string, RemoteBinding>;
}

/** A bounded state store within this process, for tests and for inspecting recent traces. */
export class MemoryStateStore implements StateStore {
  /** Traces by name, least recently active first. */
  readonly #traces = new Map<string, Kept>();
  readonly #maxAgeMs: number | undefined;
  readonly #maxTraces: number;
  readonly #maxEventsPerTrace: number;
  readonly #maxBytes: number | undefined;
  readonly #clock: Clock;
  #bytes = 0;
  #heardOf = 0;

  constructor(options: MemoryStateStoreOptions = {}) {
    requireKnownKeys("MemoryStateStore", options, ["maxAgeMs", "maxTraces", "maxEventsPerTrace", "maxBytes", "clock"]);
    if (options.clock !== undefined) requireMethods("clock", options.clock, ["epochNow"]);
    this.#maxAgeMs = options.maxAgeMs;
    this.#maxTraces = options.maxTraces ?? 1000;
    this.#maxEventsPerTrace = options.maxEventsPerTrace ?? 10_000;
    this.#maxBytes = options.maxBytes;
    this.#clock = options.clock ?? systemClock;
    if (this.#maxAgeMs !== undefined) requireNumber("maxAgeMs", this.#maxAgeMs, 1);
    requireInteger("maxTraces", this.#maxTraces, 1);
    requireInteger("maxEventsPerTrace", this.#maxEventsPerTrace, 1);
    if (this.#maxBytes !== undefined) requireInteger("maxBytes", this.#maxBytes, 1);
  }

  /** Stores events in the given order; beyond the limits, the oldest are removed. */
  async saveEvents(batch: readonly StoredEvent[]): Promise<void> {
    for (const event of batch) {
      const name = keyOf(event);
      const kept = this.#keptOf(name, event.at);
      kept.quietSince = Math.max(kept.quietSince, event.at);
      // moves the trace to the end of the map
      this.#traces.delete(name);
      this.#traces.set(name, kept);
      kept.summary = summarize(kept.summary, event);
      kept.events.push(event);
      this.#weigh(kept, event, 1);
      if (kept.events.length > this.#maxEventsPerTrace) {
        this.#weigh(kept, kept.events.shift() as StoredEvent, -1);
        kept.dropped += 1;
      }
    }
    this.#release();
  }

  /**
   * Returns a page of a trace's events, oldest first; an empty page for an unknown trace.
   *
   * @throws TypeError when the cursor is not one of this store
   * @throws TypeError, RangeError when the limit is not a whole number of 1 or more
   */
  async loadHistory(query: HistoryQuery): Promise<HistoryPage> {
    const { limit = 1000 } = query;
    requireInteger("limit", limit, 1);
    const [number, from = 0] = placeOf(query.cursor, /^(\d+)\/(\d+)$/);
    const kept = this.#traces.get(keyOf(query));
    if (kept === undefined) return { events: [], cursor: undefined };
    // a trace that was removed and has new events is another trace
    const start = number === kept.number ? Math.max(0, from - kept.dropped) : 0;
    const events = kept.events.slice(start, start + limit);
    const isLast = start + events.length >= kept.events.length;
    return { events, cursor: isLast ? undefined : `${kept.number}/${kept.dropped + start + events.length}` };
  }

  /**
   * Returns a page of a tenant's traces, most recently started first.
   *
   * @throws TypeError when the cursor is not one of this store
   * @throws TypeError, RangeError when the limit is not a whole number of 1 or more
   */
  async listTraces(query: TraceQuery): Promise<TracePage> {
    const { limit = 1000 } = query;
    requireInteger("limit", limit, 1);
    const [before = Infinity, beforeNumber = 0] = placeOf(query.cursor, /^(-?\d+(?:\.\d+)?)\/(\d+)$/);
    const found: { readonly number: number; readonly summary: TraceSummary }[] = [];
    for (const { number, summary } of this.#traces.values()) {
      if (summary === undefined || !answers(summary, query)) continue;
      const { startedAt } = summary;
      if (startedAt < before || (startedAt === before && number < beforeNumber)) found.push({ number, summary });
    }
    found.sort((a, b) => b.summary.startedAt - a.summary.startedAt || b.number - a.number);
    const page = found.slice(0, limit);
    const last = found.length > limit ? page.at(-1) : undefined;
    return {
      traces: page.map(({ summary }) => ({ ...summary })),
      cursor: last === undefined ? undefined : `${last.summary.startedAt}/${last.number}`,
    };
  }

  /** Removes traces beyond the age and number limits; resolves to the number of removed traces. */
  async prune(): Promise<number> {
    return this.#release();
  }

  /** Stores a binding, replacing one of the same trace, node, agent and task. */
  async saveRemoteBinding(binding: RemoteBinding): Promise<void> {
    const { bindings } = this.#keptOf(keyOf(binding), this.#clock.epochNow());
    bindings.set(JSON.stringify([binding.node, binding.agentUrl, binding.taskId]), binding);
    this.#release();
  }

  /** Returns the bindings of a trace in the order in which they were first stored; none for an unknown trace. */
  async findRemoteBindings(key: TraceKey): Promise<readonly RemoteBinding[]> {
    return [...(this.#traces.get(keyOf(key))?.bindings.values() ?? [])];
  }

  /** Returns the record of a trace, creating it if needed. */
  #keptOf(name: string, at: number): Kept {
    let kept = this.#traces.get(name);
    if (kept === undefined) {
      const nothing = { summary: undefined, events: [], dropped: 0, bytes: 0, bindings: new Map() };
      kept = { number: (this.#heardOf += 1), quietSince: at, ...nothing };
      this.#traces.set(name, kept);
    }
    return kept;
  }

  /** Adds or subtracts an event's bytes. */
  #weigh(kept: Kept, event: StoredEvent, sign: 1 | -1): void {
    if (this.#maxBytes === undefined) return;
    const bytes = sign * new TextEncoder().encode(JSON.stringify(event.payload)).byteLength;
    kept.bytes += bytes;
    this.#bytes += bytes;
  }

  /** Removes the least recently active traces until the limits are met; returns their number. */
  #release(): number {
    const from = this.#maxAgeMs === undefined ? -Infinity : this.#clock.epochNow() - this.#maxAgeMs;
    let released = 0;
    for (const [name, kept] of this.#traces) {
      const isTooMuch = this.#traces.size > this.#maxTraces || this.#bytes > (this.#maxBytes ?? Infinity);
      if (!isTooMuch && kept.quietSince >= from) break;
      this.#traces.delete(name);
      this.#bytes -= kept.bytes;
      released += 1;
    }
    return released;
  }
}

function keyOf({ tenant, traceId }: TraceKey): string {
  return JSON.stringify([tenant, traceId]);
}

/** Parses the numbers of a cursor; none without a cursor. */
function placeOf(cursor: string | undefined, shape: RegExp): number[] {
  if (cursor === undefined) return [];
  const numbers = shape.exec(cursor)?.slice(1).map(Number);
  if (numbers === undefined)
    throw new TypeError(`Cannot continue from cursor "${cursor}": this store did not issue it`);
  return numbers;
}

function answers(summary: TraceSummary, query: TraceQuery): boolean {
  const { tenant, state, node, errorCode, startedFrom = -Infinity, startedBefore = Infinity } = query;
  return (
    summary.tenant === tenant &&
    (state === undefined || summary.state === state) &&
    (node === undefined || summary.node === node) &&
    (errorCode === undefined || summary.errorCode === errorCode) &&
    summary.startedAt >= startedFrom &&
    summary.startedAt < startedBefore
  );
}
