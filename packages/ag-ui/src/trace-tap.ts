import {
  type FinalOutcome,
  type FlowRun,
  type ObservedChunk,
  type ObservedRecord,
  type ObservedRun,
  ROOKERY,
  type StreamChunk,
  type TraceRecord,
  WM,
} from "penguiflow";

/**
 * A thing that a trace did, besides what its stream tells. `call` is the call of a playbook in which it happened; `""` for
 * the flow itself.
 */
export type Mark =
  | { readonly type: "called"; readonly call: string; readonly path: readonly string[] }
  /** The end of a call, with the code of its failure. A cancelled call has none: it may go on after a pause. */
  | { readonly type: "returned"; readonly call: string; readonly code: string | undefined }
  | { readonly type: "entered" | "left"; readonly call: string; readonly node: string }
  | { readonly type: "event"; readonly event: TraceEvent }
  | { readonly type: "memory"; readonly memory: WM };

/** A message that waits for its next attempt (`retry`), or that a join has gathered (`join`). */
export interface TraceEvent {
  readonly type: "retry" | "join";
  readonly node: string;
  /** Names of the playbooks around the node, outermost first. */
  readonly path: readonly string[];
}

/** The nodes of the flow or of a playbook's call, with the messages at them. */
interface Call {
  readonly id: string;
  readonly path: readonly string[];
  /** Whether the reader was told of it. */
  readonly isTold: boolean;
  /** Lineage of the messages at each node, queued ones included. */
  readonly there: Map<string, Set<string>>;
  /** Nodes that have begun and are not left. */
  readonly told: Set<string>;
}

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
 * Observes the flows of this process that begin to run later: needed, once, for the options `steps`, `state` and `events`
 * of flows. An observed flow costs more for each hop; see the guide on observing.
 *
 * @param running - flows that run already, for a tool that subscribed to `penguiflow:record` and `penguiflow:chunk` before
 * @throws TypeError where there is no `node:diagnostics_channel`
 */
export function observeFlows(running: Iterable<FlowRun<never, unknown>> = []): void {
  for (const run of running) observed.add(run);
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
    if (readers.size === 0) return;
    const { flow, record } = item as ObservedRecord;
    // a playbook is named after its caller
    for (let end = flow.length; end > 0; end = flow.lastIndexOf("/", end - 1))
      for (const reader of readers.get(keyOf(flow.slice(0, end), record)) ?? [])
        reader.takeRecord(record, flow.slice(end + 1));
  });
  diagnostics.subscribe("penguiflow:chunk", (item) => {
    if (readers.size === 0) return;
    const { flow, chunk } = item as ObservedChunk;
    for (const reader of readers.get(keyOf(flow, chunk)) ?? []) reader.takeChunk(chunk);
  });
}

/** Throws unless the flow's run is observed, or will be. */
export function requireObserved(flow: FlowRun<never, unknown>): void {
  if (isObserving && (!flow.isRunning || observed.has(flow))) return;
  throw new TypeError(
    `Options "steps", "state" and "events" need flow "${flow.name}" to be observed: call observeFlows before it runs`,
  );
}

function keyOf(flow: string, { traceId, tenant }: { readonly traceId: string; readonly tenant: string }): string {
  return JSON.stringify([flow, tenant, traceId]);
}

/**
 * Acts of a trace and of its playbooks, in one order with its chunks: a queue of marks and chunks, from which its reader
 * takes the marks that came before the chunk it has read.
 */
export class TraceTap implements Disposable {
  readonly #key: string;
  readonly #queue: (Mark | StreamChunk)[] = [];
  /** Calls under way, by playbook and number. */
  readonly #calls = new Map<string, Call>();
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

  /** @param playbook - names of the playbooks around it, joined by `/` */
  takeRecord(record: TraceRecord, playbook: string): void {
    const id = playbook === "" ? "" : `${playbook}#${record.run}`;
    switch (record.type) {
      case "accepted":
      case "restored":
        this.#arrive(this.#callOf(id), record.node, record.lineage, record.message.payload);
        break;
      case "started":
        this.#begin(this.#callOf(id), record.node, record.lineage);
        break;
      case "emitted":
      case "committed": {
        const call = this.#callOf(id);
        for (const { node, lineage, message } of record.outputs) this.#arrive(call, node, lineage, message.payload);
        if (record.type === "committed") this.#leave(call, record.node, record.lineage);
        break;
      }
      case "parked":
        if (record.why !== "pause" && this.#hasRoom) {
          const type = record.why === "join" ? "join" : "retry";
          this.#mark({ type: "event", event: { type, node: record.node, path: this.#callOf(id).path } });
        }
        this.#leave(this.#callOf(id), record.node, record.lineage);
        break;
      case "fetched":
      case "dropped":
        this.#leave(this.#callOf(id), record.node, record.lineage);
        break;
      case "ended":
        if (id !== "") this.#return(this.#callOf(id), record.outcome);
        break;
      case "resumed":
      case "answered":
      case "received":
      case "signalled":
      case "spent":
      case "unloaded":
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

  get #hasRoom(): boolean {
    return this.#queue.length < MOST_MARKS;
  }

  #callOf(id: string): Call {
    const known = this.#calls.get(id);
    if (known !== undefined) return known;
    const path = id === "" ? [] : id.slice(0, id.lastIndexOf("#")).split("/");
    const call = { id, path, isTold: id === "" || this.#hasRoom, there: new Map(), told: new Set<string>() };
    this.#calls.set(id, call);
    if (id !== "" && call.isTold) this.#mark({ type: "called", call: id, path });
    return call;
  }

  #return({ id, isTold, told }: Call, outcome: FinalOutcome): void {
    this.#calls.delete(id);
    for (const node of told) this.#mark({ type: "left", call: id, node });
    if (!isTold || outcome.status === "cancelled") return;
    this.#mark({ type: "returned", call: id, code: outcome.status === "failed" ? outcome.error.code : undefined });
  }

  #arrive(call: Call, node: string, lineage: string, payload: unknown): void {
    if (node !== ROOKERY) messagesAt(call, node).add(lineage);
    // the state of a client is that of the flow itself
    if (call.id !== "" || !(payload instanceof WM)) return;
    const last = this.#queue.at(-1);
    if (last !== undefined && "type" in last && last.type === "memory") this.#queue.pop();
    this.#mark({ type: "memory", memory: payload });
  }

  #begin(call: Call, node: string, lineage: string): void {
    messagesAt(call, node).add(lineage);
    if (call.told.has(node) || !call.isTold || !this.#hasRoom) return;
    call.told.add(node);
    this.#mark({ type: "entered", call: call.id, node });
  }

  #leave(call: Call, node: string, lineage: string): void {
    const there = messagesAt(call, node);
    there.delete(lineage);
    if (there.size === 0 && call.told.delete(node)) this.#mark({ type: "left", call: call.id, node });
  }

  #mark(mark: Mark): void {
    this.#queue.push(mark);
    this.#changed.resolve();
  }
}

function messagesAt({ there }: Call, node: string): Set<string> {
  const messages = there.get(node) ?? new Set();
  there.set(node, messages);
  return messages;
}
