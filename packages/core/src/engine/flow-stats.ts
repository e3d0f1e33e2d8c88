import type { OutcomeStatus } from "../message/outcome.ts";
import type { Engine } from "./engine.ts";
import type { ObserverStats } from "./observe/reporter.ts";
import type { Permits } from "./state/permits.ts";
import type { Worker } from "./state/worker.ts";

/** Figures of a node in a running flow. */
export interface NodeStats {
  readonly name: string;
  /** Number of queued messages, including those that wait for the node's limiter. */
  readonly queued: number;
  /** Number of messages that wait for the node's limiter. */
  readonly limited: number;
  /** Number of slots in use. */
  readonly running: number;
  readonly concurrency: number;
  /** Number of attempts whose outputs are blocked. */
  readonly blocked: number;
  /** Number of messages in backoff. */
  readonly parked: number;
  /** Incomplete groups, if it is a join. */
  readonly groups: readonly { readonly have: number; readonly want: number }[];
  /** Number of handlers still running after their attempt ended. */
  readonly lingering: number;
  /** Number of lingering handlers whose grace period is over. */
  readonly zombies: number;
}

/** Figures of an edge in a running flow. */
export interface EdgeStats {
  readonly source: string;
  readonly target: string;
  readonly size: number;
  /** Maximum number of messages; 0 for no bound. */
  readonly capacity: number;
  /** Number of blocked senders. A waiting call counts at its node, in `queued`. */
  readonly waiting: number;
}

/** Figures of a limiter, over all flows that use it. */
export interface LimiterStats {
  /** Nodes of this flow that use it. */
  readonly nodes: readonly string[];
  /** Maximum number of handlers that run at once, per key if it has keys. */
  readonly concurrency: number;
  /** Number of handlers that run under it. */
  readonly running: number;
  /** Number of messages and handlers that wait for it. */
  readonly waiting: number;
  /** Number of keys in use; 1 at most for a limiter without keys. */
  readonly keys: number;
}

/** Figures of a running flow. */
export interface FlowStats {
  /** Number of in-flight traces, including unloaded ones, and ended ones whose handlers still run. */
  readonly traces: number;
  /** Number of traces, and of retries of failed ones, that wait for their turn: see `exclusive` and `maxTraces`. */
  readonly waitingTraces: number;
  /** Number of traces accepted since `run`. */
  readonly accepted: number;
  /** Number of ended traces by outcome. */
  readonly outcomes: Readonly<Record<OutcomeStatus, number>>;
  readonly nodes: readonly NodeStats[];
  readonly edges: readonly EdgeStats[];
  /** Limiters of its nodes, in the order of their first node. */
  readonly limiters: readonly LimiterStats[];
  /** Number of results that wait for `fetch`. */
  readonly unreadResults: number;
  /** Number of outcomes that the outbox has not taken yet. */
  readonly undeliveredOutcomes: number;
  /** Number of pending `fetch` calls. */
  readonly fetchers: number;
  /** Number of outcomes of given ids in memory. A durable flow stores most of them, and has few in memory. */
  readonly keptOutcomes: number;
  /** Number of dropped results. */
  readonly droppedResults: number;
  /** Number of handlers abandoned after their grace period, since `run`. */
  readonly zombies: number;
  /** Number of results discarded because their handler returned too late, since `run`. */
  readonly lateResults: number;
  /** Number of pending timers: deadlines, timeouts, backoffs, joins, waits. */
  readonly timers: number;
  readonly observers: ObserverStats;
}

/** Collects the figures of a running flow. Cost: the size of its graph, independent of its traces. */
export function statsOf(engine: Engine): FlowStats {
  return {
    traces: engine.traces.size + (engine.durable?.unloaded ?? 0),
    waitingTraces: engine.waitingTraces,
    accepted: engine.accepted,
    outcomes: { ...engine.ending.counts },
    nodes: engine.workshop.workers.map((worker) => ({
      name: worker.name,
      queued: worker.queued,
      limited: worker.limited,
      running: worker.running,
      concurrency: worker.concurrency,
      blocked: worker.blocked.size,
      parked: worker.parked,
      groups: worker.groups.map((group) => ({ have: group.members.length, want: group.want })),
      lingering: worker.lingering,
      zombies: worker.zombies,
    })),
    edges: engine.workshop.edges.map((edge) => ({
      source: edge.source,
      target: edge.target.name,
      size: edge.size,
      capacity: edge.capacity,
      waiting: edge.waiting.size,
    })),
    limiters: limitersOf(engine.workshop.workers),
    unreadResults: engine.unreadResults,
    undeliveredOutcomes: engine.undeliveredOutcomes,
    fetchers: engine.fetchers,
    keptOutcomes: engine.keptInMemory,
    droppedResults: engine.droppedResults,
    zombies: engine.ending.zombies,
    lateResults: engine.ending.late,
    timers: engine.timers.size,
    observers: engine.reporter.stats,
  };
}

function limitersOf(workers: readonly Worker[]): LimiterStats[] {
  const nodes = new Map<Permits, string[]>();
  for (const { limit, name } of workers)
    if (limit !== undefined) nodes.set(limit.permits, [...(nodes.get(limit.permits) ?? []), name]);
  return [...nodes].map(([permits, names]) => {
    const { used, waiting } = permits.load;
    return { nodes: names, concurrency: permits.concurrency, running: used, waiting, keys: permits.keys };
  });
}
