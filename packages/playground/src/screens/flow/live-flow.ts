import { edgeId, OPEN_SEA, ROOKERY } from "../../graph/drawn-graph.ts";
import { Latencies } from "../../graph/latencies.ts";
import type { FeedEvent, FlowStats, Frame, GraphJson } from "../../protocol.ts";

/** Number of latest events that are kept for the list. */
const EVENTS = 500;
/** Milliseconds over which rates are counted. */
const WINDOW_MS = 2_000;
/** Number of tenants that are counted apart; the rest share one row. */
const TENANTS = 50;
const OTHERS = "others";
/** Milliseconds between two sorts of all durations. */
const QUANTILES_MS = 1_000;
/** Number of messages in backoff that are remembered, so that their next start is no new message on the edge. */
const RETRYING = 4_096;

/** Receives each message that goes along an edge, with the milliseconds until it leaves. */
export type SendDot = (edge: string, delayMs: number) => void;

/** Figures a second, over the last two seconds. */
export interface Rates {
  readonly events: number;
  readonly accepted: number;
  readonly failed: number;
}

interface Quantiles {
  readonly p50: number;
  readonly p95: number;
}

/** Counts of one tenant since the page was opened. */
export interface TenantFigures {
  readonly tenant: string;
  started: number;
  completed: number;
  failed: number;
  handled: number;
}

/** The page's knowledge of a running flow: made of the feed's frames, bounded however long it is open. */
export class LiveFlow {
  readonly flow: string;
  readonly tenants = new Map<string, TenantFigures>();
  stats: FlowStats | undefined;
  /** The last cycle in which nodes waited for one another; it stays until it is dismissed. */
  deadlock: { readonly cycle: readonly string[]; readonly at: number; readonly traceId: string } | undefined;
  readonly #send: SendDot;
  readonly #latencies: Map<string, Latencies>;
  readonly #quantiles = new Map<string, Quantiles>();
  #quantilesAt = 0;
  readonly #exits: Set<string>;
  readonly #retrying = new Set<string>();
  readonly #events: FeedEvent[] = [];
  readonly #window: { at: number; events: number; accepted: number; failed: number }[] = [];

  constructor(flow: string, graph: GraphJson, send: SendDot = () => {}) {
    this.flow = flow;
    this.#send = send;
    this.#latencies = new Map(graph.nodes.map(({ name }) => [name, new Latencies()]));
    const exits = graph.edges.filter(({ to }) => to === ROOKERY).map(({ from }) => from);
    // of a node with other successors, too, an event does not say that its message left the flow
    this.#exits = new Set(exits.filter((name) => graph.edges.every(({ from, to }) => from !== name || to === ROOKERY)));
  }

  /** The latest events, newest last. */
  get events(): readonly FeedEvent[] {
    return this.#events;
  }

  /** Takes a frame of the feed; what it says of other flows is left out. */
  take(frame: Frame): void {
    const stats = frame.stats.find(({ flow }) => flow === this.flow)?.stats;
    const accepted = stats === undefined || this.stats === undefined ? 0 : stats.accepted - this.stats.accepted;
    const failed = stats === undefined || this.stats === undefined ? 0 : failures(stats) - failures(this.stats);
    if (stats !== undefined) this.stats = stats;
    const own = frame.events.filter(({ flow }) => flow === this.flow);
    const first = own[0]?.at ?? frame.at;
    for (const event of own) this.#take(event, Math.max(0, event.at - first));
    this.#events.push(...own.slice(-EVENTS));
    this.#events.splice(0, this.#events.length - EVENTS);
    this.#window.push({
      at: frame.at,
      events: own.length + frame.skipped,
      accepted: Math.max(0, accepted),
      failed: Math.max(0, failed),
    });
    if (frame.at - this.#quantilesAt >= QUANTILES_MS) this.#measure(frame.at);
    while ((this.#window[0]?.at ?? Infinity) < frame.at - WINDOW_MS) this.#window.shift();
  }

  /** Returns the rates at an instant. A feed that tells nothing for a while brings them to 0. */
  rates(now: number): Rates {
    const recent = this.#window.filter(({ at }) => at >= now - WINDOW_MS);
    const seconds = Math.max(1_000, now - (recent[0]?.at ?? now)) / 1_000;
    const sum = (key: "events" | "accepted" | "failed"): number =>
      recent.reduce((total, each) => total + each[key], 0) / seconds;
    return { events: sum("events"), accepted: sum("accepted"), failed: sum("failed") };
  }

  /** p50 and p95 of a node's latest handlers, of a second ago at most. */
  readonly latencyOf = (node: string): Quantiles | undefined => this.#quantiles.get(node);

  #measure(now: number): void {
    this.#quantilesAt = now;
    for (const [node, latencies] of this.#latencies) {
      const quantiles = latencies.quantiles();
      if (quantiles !== undefined) this.#quantiles.set(node, quantiles);
    }
  }

  #take(event: FeedEvent, delayMs: number): void {
    const { type, node } = event;
    if (type === "deadlock" && event.cycle !== undefined)
      this.deadlock = { cycle: event.cycle, at: event.at, traceId: event.traceId };
    this.#count(event);
    if (node === undefined) return;
    if (event.ms !== undefined && (type === "node_success" || type === "node_error" || type === "node_timeout"))
      this.#latencies.get(node)?.add(event.ms);
    const message = `${event.traceId} ${event.lineage ?? ""} ${node}`;
    if (type === "node_retry" && this.#retrying.size < RETRYING) this.#retrying.add(message);
    else if (type === "node_start") {
      if (!this.#retrying.delete(message)) this.#send(edgeId(event.from ?? OPEN_SEA, node), delayMs);
    } else if (type === "node_success" && this.#exits.has(node)) this.#send(edgeId(node, ROOKERY), delayMs);
    else if (type === "node_cancelled" || type === "node_failed") this.#retrying.delete(message);
  }

  #count({ type, tenant, code }: FeedEvent): void {
    const key = this.tenants.has(tenant) || this.tenants.size < TENANTS ? tenant : OTHERS;
    let figures = this.tenants.get(key);
    if (figures === undefined)
      this.tenants.set(key, (figures = { tenant: key, started: 0, completed: 0, failed: 0, handled: 0 }));
    if (type === "trace_start") figures.started++;
    else if (type === "node_success") figures.handled++;
    else if (type === "trace_end") {
      if (code === undefined) figures.completed++;
      else figures.failed++;
    }
  }
}

function failures({ outcomes }: FlowStats): number {
  return outcomes.failed + outcomes.exhausted;
}
