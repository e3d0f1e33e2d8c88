import { requireInteger } from "../foundation/options.ts";
import type {
  HistoryPage,
  HistoryQuery,
  RemoteBinding,
  StateStore,
  StoredEvent,
  TraceKey,
} from "../ports/state-store.ts";

/** How much {@link MemoryStateStore} keeps. */
export interface MemoryStateStoreOptions {
  /** How many traces; the one that was quiet longest goes first. @defaultValue 1000 */
  readonly maxTraces?: number;
  /** How many events of one trace; the oldest go first. @defaultValue 10000 */
  readonly maxEventsPerTrace?: number;
}

interface Kept {
  readonly events: StoredEvent[];
  /** How many events were there before the first that is kept. */
  dropped: number;
  readonly bindings: Map<string, RemoteBinding>;
}

/** A state store in this process, for tests and for looking back at recent traces. Bounded. */
export class MemoryStateStore implements StateStore {
  readonly #traces = new Map<string, Kept>();
  readonly #maxTraces: number;
  readonly #maxEventsPerTrace: number;

  constructor(options: MemoryStateStoreOptions = {}) {
    this.#maxTraces = options.maxTraces ?? 1000;
    this.#maxEventsPerTrace = options.maxEventsPerTrace ?? 10_000;
    requireInteger("maxTraces", this.#maxTraces, 1);
    requireInteger("maxEventsPerTrace", this.#maxEventsPerTrace, 1);
  }

  /** Keeps events in the given order; beyond the limits the oldest go. */
  async saveEvents(batch: readonly StoredEvent[]): Promise<void> {
    for (const event of batch) {
      const kept = this.#touch(event);
      kept.events.push(event);
      if (kept.events.length <= this.#maxEventsPerTrace) continue;
      kept.events.shift();
      kept.dropped += 1;
    }
  }

  /**
   * A page of a trace's events, oldest first; an empty one for a trace that is not known.
   *
   * @throws TypeError when the cursor is not one of this store
   * @throws TypeError, RangeError when the limit is not a whole number of 1 or more
   */
  async loadHistory(query: HistoryQuery): Promise<HistoryPage> {
    const { cursor, limit = 1000 } = query;
    requireInteger("limit", limit, 1);
    const from = cursor === undefined ? 0 : Number(cursor);
    if (cursor !== undefined && !/^\d+$/.test(cursor))
      throw new TypeError(`Cannot go on from cursor "${cursor}": it is not one this store gave`);
    const kept = this.#traces.get(keyOf(query));
    if (kept === undefined) return { events: [], cursor: undefined };
    const start = Math.max(0, from - kept.dropped);
    const events = kept.events.slice(start, start + limit);
    const isLast = start + events.length >= kept.events.length;
    return { events, cursor: isLast ? undefined : String(kept.dropped + start + events.length) };
  }

  /** Keeps a binding; one of the same trace, node, agent and task is replaced. */
  async saveRemoteBinding(binding: RemoteBinding): Promise<void> {
    this.#touch(binding).bindings.set(JSON.stringify([binding.node, binding.agentUrl, binding.taskId]), binding);
  }

  /** The bindings of a trace in the order in which they were first kept; none for a trace that is not known. */
  async findRemoteBindings(key: TraceKey): Promise<readonly RemoteBinding[]> {
    return [...(this.#traces.get(keyOf(key))?.bindings.values() ?? [])];
  }

  #touch(key: TraceKey): Kept {
    const name = keyOf(key);
    const kept = this.#traces.get(name) ?? { events: [], dropped: 0, bindings: new Map() };
    this.#traces.delete(name);
    this.#traces.set(name, kept);
    if (this.#traces.size > this.#maxTraces) {
      const [oldest] = this.#traces.keys();
      this.#traces.delete(oldest as string);
    }
    return kept;
  }
}

function keyOf({ tenant, traceId }: TraceKey): string {
  return JSON.stringify([tenant, traceId]);
}
