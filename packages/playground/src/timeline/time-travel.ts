import { edgeId, OPEN_SEA } from "../graph/drawn-graph.ts";
import type { RunEvent } from "../protocol.ts";

/** State of a node at an instant of a run. */
export type NodeStateThen = "idle" | "running" | "done" | "backoff" | "failed" | "paused" | "cancelled";

/** A node as it was. */
export interface NodeThen {
  readonly state: NodeStateThen;
  /** Number of handlers that ran. */
  readonly running: number;
  /** Number of attempts that had succeeded. */
  readonly done: number;
  readonly retries: number;
}

/** A message that was in the run, and its place. */
export interface MessageThen {
  readonly lineage: string;
  readonly node: string;
  readonly from: string;
  readonly state: "running" | "backoff" | "paused" | "sleeping";
  readonly attempt: number;
}

/** A run as it was after one of its records. */
export interface Moment {
  /** Number of records that had happened. */
  readonly index: number;
  readonly at: number;
  /** By node, those of a playbook as `playbook/node`. */
  readonly nodes: ReadonlyMap<string, NodeThen>;
  /** Depth of the edges that had messages, by `from>to`. */
  readonly edges: ReadonlyMap<string, number>;
  readonly messages: readonly MessageThen[];
  /** Edges that the record moved a message along. */
  readonly moved: readonly string[];
  readonly memory: unknown;
  /** Outcome, once the trace had ended. */
  readonly status: string | undefined;
}

const IDLE: NodeThen = { state: "idle", running: 0, done: 0, retries: 0 };
/** Number of records between two kept moments: a jump plays at most so many. */
const KEPT_EVERY = 256;

interface Kept {
  readonly nodes: Map<string, NodeThen>;
  readonly edges: Map<string, number>;
  readonly messages: Map<string, MessageThen>;
  memory: unknown;
  status: string | undefined;
}

/**
 * Plays the records of a run: graph, queues and memory as they were after any of them. A copy is kept every
 * {@link KEPT_EVERY} records, so that a jump backwards does not play the run from its start.
 */
export class TimeTravel {
  readonly records: readonly RunEvent[];
  readonly #flow: string;
  readonly #kept: Kept[] = [
    { nodes: new Map(), edges: new Map(), messages: new Map(), memory: undefined, status: undefined },
  ];

  constructor(records: readonly RunEvent[], flow: string) {
    this.records = records;
    this.#flow = flow;
  }

  /** Returns the run as it was after its first `index` records. */
  at(index: number): Moment {
    const wanted = Math.min(this.records.length, Math.max(0, Math.trunc(index)));
    const stop = Math.floor(wanted / KEPT_EVERY);
    while (this.#kept.length <= stop) {
      const next = copyOf(this.#kept.at(-1) as Kept);
      const start = (this.#kept.length - 1) * KEPT_EVERY;
      for (let record = start; record < start + KEPT_EVERY; record++)
        this.#play(next, this.records[record] as RunEvent);
      this.#kept.push(next);
    }
    const now = copyOf(this.#kept[stop] as Kept);
    for (let record = stop * KEPT_EVERY; record < wanted; record++) this.#play(now, this.records[record] as RunEvent);
    const last = this.records[wanted - 1];
    return {
      index: wanted,
      at: last?.at ?? this.records[0]?.at ?? 0,
      nodes: now.nodes,
      edges: now.edges,
      messages: [...now.messages.values()],
      moved: last === undefined ? [] : this.#edgeOf(last),
      memory: now.memory,
      status: now.status,
    };
  }

  /** Returns the number of records that had happened at an instant. */
  indexAt(at: number): number {
    let [low, high] = [0, this.records.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.records[middle] as RunEvent).at <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #edgeOf({ event, from }: RunEvent): string[] {
    return event.type === "node_start" && event.attempt === 1 ? [edgeId(from ?? OPEN_SEA, this.#nodeOf(event))] : [];
  }

  #nodeOf(event: { readonly flow: string; readonly node: string }): string {
    return event.flow.startsWith(`${this.#flow}/`)
      ? `${event.flow.slice(this.#flow.length + 1)}/${event.node}`
      : event.node;
  }

  #play(state: Kept, record: RunEvent): void {
    const { event, edges, memory } = record;
    for (const [edge, depth] of Object.entries(edges ?? {})) {
      if (depth > 0) state.edges.set(edge, depth);
      else state.edges.delete(edge);
    }
    if (memory !== undefined) state.memory = memory;
    if (event.type === "trace_end" && event.flow === this.#flow) {
      state.status = event.status;
      state.messages.clear();
      state.edges.clear();
    }
    if (!("node" in event) || !("attempt" in event)) return;
    const node = this.#nodeOf(event);
    const lineage = record.lineage ?? node;
    const key = `${node} ${lineage}`;
    const then = state.nodes.get(node) ?? IDLE;
    const put = (state_: MessageThen["state"]): void => {
      const from = record.from ?? state.messages.get(key)?.from ?? OPEN_SEA;
      state.messages.set(key, { lineage, node, from, state: state_, attempt: event.attempt });
    };
    const stopped = Math.max(0, then.running - 1);
    const next = (state_: NodeStateThen, more: Partial<NodeThen> = {}): void => {
      const running = more.running ?? stopped;
      state.nodes.set(node, { ...then, ...more, running, state: running > 0 ? "running" : state_ });
    };
    // other events, also those that programs declare, change no node
    const type: string = event.type;
    switch (type) {
      case "node_start":
        put("running");
        next("running", { running: then.running + 1 });
        return;
      case "node_success":
        state.messages.delete(key);
        next("done", { done: then.done + 1 });
        return;
      case "node_error":
      case "node_timeout":
        state.messages.delete(key);
        next("failed");
        return;
      case "node_retry":
        put("backoff");
        next("backoff", { running: then.running, retries: then.retries + 1 });
        return;
      case "node_pause":
      case "signal_wait":
      case "node_sleep":
        put(type === "node_sleep" ? "sleeping" : "paused");
        next("paused");
        return;
      case "node_fallback":
        next("done", { running: then.running, done: then.done + 1 });
        return;
      case "node_cancelled":
      case "deadline_skip":
        state.messages.delete(key);
        next("cancelled");
        return;
      case "node_failed":
        next("failed", { running: then.running });
        return;
      default:
    }
  }
}

function copyOf({ nodes, edges, messages, memory, status }: Kept): Kept {
  return { nodes: new Map(nodes), edges: new Map(edges), messages: new Map(messages), memory, status };
}
