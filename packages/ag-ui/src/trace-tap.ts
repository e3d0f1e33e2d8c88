import {
  type FlowRun,
  type ObservedChunk,
  type ObservedRecord,
  type ObservedRun,
  ROOKERY,
  type StreamChunk,
  type TraceRecord,
  WM,
} from "penguiflow";

/** A thing that a trace did, besides what its stream tells. */
export type Mark =
  | { readonly type: "entered" | "left"; readonly node: string }
  | { readonly type: "memory"; readonly memory: WM };

/** The part of Node's diagnostics channels that is used. */
interface Diagnostics {
  subscribe(name: string, take: (item: unknown) => void): void;
}

interface Host {
  readonly process?: { getBuiltinModule?(name: "node:diagnostics_channel"): Diagnostics | undefined };
}

/** Marks that wait for a slow reader: beyond them, nodes are not told of until it has caught up. */
const MOST_MARKS = 1_000;

/** Readers of traces, by {@link keyOf}. */
const readers = new Map<string, Set<TraceTap>>();
/** Runs whose records and chunks are published. */
const observed = new WeakSet<FlowRun<never, unknown>>();
let isObserving = false;

/**
 * Observes the flows of this process that begin to run later: needed, once, for the options `steps` and `state` of
 * flows. An observed flow costs more for each hop; see the guide on observing.
 *
 * @throws TypeError where there is no `node:diagnostics_channel`
 */
export function observeFlows(): void {
  if (isObserving) return;
  const diagnostics = (globalThis as Host).process?.getBuiltinModule?.("node:diagnostics_channel");
  if (diagnostics === undefined)
    throw new TypeError("observeFlows needs node:diagnostics_channel: this platform has none");
  isObserving = true;
  diagnostics.subscribe("penguiflow:run", (item) => {
    const { type, run } = item as ObservedRun;
    if (type === "started") observed.add(run);
  });
  diagnostics.subscribe("penguiflow:record", (item) => {
    const { flow, record } = item as ObservedRecord;
    for (const reader of readers.get(keyOf(flow, record)) ?? []) reader.takeRecord(record);
  });
  diagnostics.subscribe("penguiflow:chunk", (item) => {
    const { flow, chunk } = item as ObservedChunk;
    for (const reader of readers.get(keyOf(flow, chunk)) ?? []) reader.takeChunk(chunk);
  });
}

/** Throws unless the flow's run is observed, or will be. */
export function requireObserved(flow: FlowRun<never, unknown>): void {
  if (isObserving && (!flow.isRunning || observed.has(flow))) return;
  throw new TypeError(
    `Options "steps" and "state" need flow "${flow.name}" to be observed: call observeFlows before it runs`,
  );
}

function keyOf(flow: string, { traceId, tenant }: { readonly traceId: string; readonly tenant: string }): string {
  return JSON.stringify([flow, tenant, traceId]);
}

/**
 * Acts of a trace, in one order with its chunks: a queue of marks and chunks, from which its reader takes the marks that
 * came before the chunk it has read. Only the flow's own nodes count, not those of its playbooks.
 */
export class TraceTap implements Disposable {
  readonly #key: string;
  readonly #queue: (Mark | StreamChunk)[] = [];
  /** Lineage of the messages at each node, queued ones included. */
  readonly #there = new Map<string, Set<string>>();
  /** Nodes that have begun and are not left. */
  readonly #told = new Set<string>();
  #changed = Promise.withResolvers<void>();

  constructor(flow: string, place: { readonly traceId: string; readonly tenant: string }) {
    this.#key = keyOf(flow, place);
    readers.set(this.#key, (readers.get(this.#key) ?? new Set()).add(this));
  }

  [Symbol.dispose](): void {
    const all = readers.get(this.#key);
    all?.delete(this);
    if (all?.size === 0) readers.delete(this.#key);
  }

  takeRecord(record: TraceRecord): void {
    switch (record.type) {
      case "accepted":
      case "restored":
        this.#arrive(record.node, record.lineage, record.message.payload);
        break;
      case "started":
        this.#begin(record.node, record.lineage);
        break;
      case "emitted":
      case "committed":
        for (const { node, lineage, message } of record.outputs) this.#arrive(node, lineage, message.payload);
        if (record.type === "committed") this.#leave(record.node, record.lineage);
        break;
      case "parked":
      case "fetched":
      case "dropped":
        this.#leave(record.node, record.lineage);
        break;
      case "resumed":
      case "answered":
      case "received":
      case "signalled":
      case "spent":
      case "unloaded":
      case "ended":
    }
  }

  takeChunk(chunk: StreamChunk): void {
    this.#queue.push(chunk);
  }

  /** Yields items of a stream, and the marks of the trace where they belong. Ends with the stream. */
  async *amid<Item extends { readonly type: string }>(items: AsyncIterable<Item>): AsyncGenerator<Item | Mark> {
    const stream = items[Symbol.asyncIterator]();
    try {
      for (;;) {
        const reading = stream.next();
        // it may fail while the client is slow to take a mark
        reading.catch(() => {});
        let read: IteratorResult<Item, unknown> | void;
        do {
          // a mark at the head of the queue came before all chunks that are not read
          yield* this.#marks();
          read = await Promise.race([reading, this.#changed.promise]);
        } while (read === undefined);
        if (read.done === true) {
          yield* this.#queue.splice(0).filter((one): one is Mark => "type" in one);
          return;
        }
        yield* this.#marks((read.value as { readonly chunk?: StreamChunk }).chunk);
        yield read.value;
      }
    } finally {
      await stream.return?.();
    }
  }

  /** Takes the marks at the head of the queue; with a chunk, all before it. */
  *#marks(until?: StreamChunk): Generator<Mark> {
    this.#changed = Promise.withResolvers<void>();
    const isHere = until !== undefined && this.#queue.includes(until);
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      if ("type" in head) yield head;
      else if (!isHere) return;
      this.#queue.shift();
      if (head === until) return;
    }
  }

  #arrive(node: string, lineage: string, payload: unknown): void {
    if (node !== ROOKERY) this.#at(node).add(lineage);
    if (!(payload instanceof WM)) return;
    const last = this.#queue.at(-1);
    if (last !== undefined && "type" in last && last.type === "memory") this.#queue.pop();
    this.#mark({ type: "memory", memory: payload });
  }

  #begin(node: string, lineage: string): void {
    this.#at(node).add(lineage);
    if (this.#told.has(node) || this.#queue.length >= MOST_MARKS) return;
    this.#told.add(node);
    this.#mark({ type: "entered", node });
  }

  #leave(node: string, lineage: string): void {
    const there = this.#at(node);
    there.delete(lineage);
    if (there.size === 0 && this.#told.delete(node)) this.#mark({ type: "left", node });
  }

  #at(node: string): Set<string> {
    const there = this.#there.get(node) ?? new Set();
    this.#there.set(node, there);
    return there;
  }

  #mark(mark: Mark): void {
    this.#queue.push(mark);
    this.#changed.resolve();
  }
}
