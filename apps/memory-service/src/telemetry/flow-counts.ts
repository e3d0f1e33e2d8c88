import type { FlowEvent } from "penguiflow";
import type { Viewer } from "../store/sight.ts";

/** Principals whose requests are counted; of more, those that asked longest ago begin again. */
const PRINCIPALS = 10_000;
/** Traces whose end is awaited. */
const TRACES = 10_000;

/** Counts of a node, for the requests of one principal. */
export interface NodeCounts {
  /** Attempts that succeeded. */
  done: number;
  /** Attempts that failed or took too long. */
  failed: number;
  /** Times that its second way was taken. */
  fellBack: number;
  /** Milliseconds of the attempts that succeeded, together. */
  ms: number;
}

/** Counts of a flow, for the requests of one principal. */
export interface FlowCounts {
  running: number;
  completed: number;
  /** Requests that failed, were cancelled or took too long. */
  failed: number;
  readonly nodes: Map<string, NodeCounts>;
}

type CountsByFlow = Map<string, FlowCounts>;

/**
 * Counts each principal's own requests, so that a drawing of flows tells nothing of other users and tenants (laws M2,
 * M3). Events name no principal: a trace is announced before it begins, and forgotten when it ends.
 */
export class RequestCounts {
  /** The one that asked longest ago first. */
  readonly #byPrincipal = new Map<string, CountsByFlow>();
  readonly #traces = new Map<string, FlowCounts>();

  /** Announces a trace of a principal. */
  begin(flow: string, traceId: string, principal: Viewer): void {
    const counts = this.#countsOf(principal, flow);
    counts.running += 1;
    this.#traces.set(`${flow} ${traceId}`, counts);
    const [oldest] = this.#traces.keys();
    if (this.#traces.size > TRACES && oldest !== undefined) this.#traces.delete(oldest);
  }

  /** Ends a trace; one that never began, because it was refused, counts as failed. */
  end(flow: string, traceId: string, isCompleted: boolean): void {
    const key = `${flow} ${traceId}`;
    const counts = this.#traces.get(key);
    if (counts === undefined) return;
    this.#traces.delete(key);
    counts.running -= 1;
    counts[isCompleted ? "completed" : "failed"] += 1;
  }

  /** Counts an event of a trace that was announced. */
  record(event: FlowEvent): void {
    if (event.type === "trace_end") {
      this.end(event.flow, event.traceId, event.status === "completed");
      return;
    }
    if (!isOfNode(event)) return;
    const nodes = this.#traces.get(`${event.flow} ${event.traceId}`)?.nodes;
    if (nodes === undefined) return;
    const counts = nodes.get(event.node) ?? { done: 0, failed: 0, fellBack: 0, ms: 0 };
    nodes.set(event.node, counts);
    if (event.type === "node_success") {
      counts.done += 1;
      counts.ms += event.latencyMs;
    } else counts[event.type === "node_fallback" ? "fellBack" : "failed"] += 1;
  }

  /** Returns the counts of a principal, by the name of the flow. */
  of(principal: Viewer): ReadonlyMap<string, FlowCounts> {
    return this.#byPrincipal.get(keyOf(principal)) ?? new Map();
  }

  #countsOf(principal: Viewer, flow: string): FlowCounts {
    const key = keyOf(principal);
    const flows: CountsByFlow = this.#byPrincipal.get(key) ?? new Map();
    this.#byPrincipal.delete(key);
    this.#byPrincipal.set(key, flows);
    const [oldest] = this.#byPrincipal.keys();
    if (this.#byPrincipal.size > PRINCIPALS && oldest !== undefined) this.#byPrincipal.delete(oldest);
    const counts = flows.get(flow) ?? { running: 0, completed: 0, failed: 0, nodes: new Map() };
    flows.set(flow, counts);
    return counts;
  }
}

function keyOf({ tenant, user }: Viewer): string {
  return `${tenant}/${user}`;
}

const COUNTED = ["node_success", "node_error", "node_timeout", "node_fallback"] as const;

function isOfNode(event: FlowEvent): event is Extract<FlowEvent, { type: (typeof COUNTED)[number] }> {
  return COUNTED.some((type) => type === event.type);
}
