import type { OutcomeStatus } from "../message/outcome.ts";
import type { Engine } from "./engine.ts";
import type { ObserverStats } from "./observe/reporter.ts";

/** Figures of a node in a running flow. */
export interface NodeStats {
  readonly name: string;
  /** Number of queued messages. */
  readonly queued: number;
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

/** Figures of a running flow. */
export interface FlowStats {
  /** Number of in-flight traces, including ended ones whose handlers still run. */
  readonly traces: number;
  /** Number of traces accepted since `run`. */
  readonly accepted: number;
  /** Number of ended traces by outcome. */
  readonly outcomes: Readonly<Record<OutcomeStatus, number>>;
  readonly nodes: readonly NodeStats[];
  readonly edges: readonly EdgeStats[];
  /** Number of results that wait for `fetch`. */
  readonly unreadResults: number;
  /** Number of pending `fetch` calls. */
  readonly fetchers: number;
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
    traces: engine.traces.size,
    accepted: engine.accepted,
    outcomes: { ...engine.ending.counts },
    nodes: engine.workshop.workers.map((worker) => ({
      name: worker.name,
      queued: worker.queued,
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
    unreadResults: engine.unreadResults,
    fetchers: engine.fetchers,
    droppedResults: engine.droppedResults,
    zombies: engine.ending.zombies,
    lateResults: engine.ending.late,
    timers: engine.timers.size,
    observers: engine.reporter.stats,
  };
}
