import type { OutcomeStatus } from "../message/outcome.ts";
import type { Engine } from "./engine.ts";
import type { ObserverStats } from "./observe/reporter.ts";

/** What a node of a running flow holds. */
export interface NodeStats {
  readonly name: string;
  /** Messages that wait for it. */
  readonly queued: number;
  /** Slots in use. */
  readonly running: number;
  readonly concurrency: number;
  /** Attempts that wait until what they send is accepted. */
  readonly blocked: number;
  /** Messages that wait for their next attempt. */
  readonly parked: number;
  /** Groups that wait for further messages, if it is a join. */
  readonly groups: readonly { readonly have: number; readonly want: number }[];
  /** Handlers that have not returned though their attempt is over. */
  readonly lingering: number;
  /** Those of them whose grace period is over. */
  readonly zombies: number;
}

/** What an edge of a running flow holds. */
export interface EdgeStats {
  readonly source: string;
  readonly target: string;
  readonly size: number;
  /** 0 for no bound. */
  readonly capacity: number;
  /** Senders that wait for room. A call that waits is counted at its node, in `queued`. */
  readonly waiting: number;
}

/** Figures of a running flow. */
export interface FlowStats {
  /** Traces under way, those included whose handlers have not returned yet. */
  readonly traces: number;
  /** Traces accepted since `run`. */
  readonly accepted: number;
  /** How the traces that ended did. */
  readonly outcomes: Readonly<Record<OutcomeStatus, number>>;
  readonly nodes: readonly NodeStats[];
  readonly edges: readonly EdgeStats[];
  /** Results that wait for `fetch`. */
  readonly unreadResults: number;
  /** Calls of `fetch` that wait. */
  readonly fetchers: number;
  /** Results that were not kept. */
  readonly droppedResults: number;
  /** Handlers given up after their grace period, since `run`. */
  readonly zombies: number;
  /** Results of handlers that returned too late, since `run`. */
  readonly lateResults: number;
  /** Timers set: deadlines, timeouts, backoffs, joins, waits. */
  readonly timers: number;
  readonly observers: ObserverStats;
}

/** Reads the figures of a running flow. Cost is that of its graph, not of its traces. */
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
