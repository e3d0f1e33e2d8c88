import type { Attributes } from "@opentelemetry/api";
import { ClusterMetric, Own } from "./conventions.ts";
import { type Instruments, observe, type ObserveOptions, type Tell } from "./observed-figures.ts";

/** A worker of `@penguiflow/cluster`. */
export interface ObservedWorker {
  /** Returns the figures of the worker. */
  status(): WorkerFigures;
}

/** Figures of a worker, as its `status` returns them. */
export interface WorkerFigures {
  readonly cluster: string;
  readonly name: string;
  readonly leaseMs: number;
  readonly loopDelayMs: { readonly count: number; readonly max: number };
  readonly flows: readonly WorkerFlowFigures[];
}

/** Figures of one version of a flow on a worker. */
export interface WorkerFlowFigures {
  readonly flow: string;
  readonly version: string;
  readonly partitions: number;
  readonly held: readonly number[];
  readonly inFlight: number;
  readonly undelivered: number;
  readonly appendMs: { readonly count: number; readonly p99: number };
  readonly acquired: number;
  readonly ended: number;
  readonly fenced: number;
  readonly superseded: number;
  readonly storedBytes?: number | undefined;
  readonly liveBytes?: number | undefined;
}

/** A cluster of `@penguiflow/cluster`. */
export interface ObservedCluster {
  /** Reads the figures of the cluster. */
  status(): Promise<ClusterFigures>;
}

/** Figures of a cluster, as its `status` returns them. */
export interface ClusterFigures {
  readonly name: string;
  readonly members: readonly unknown[];
  readonly flows: readonly ClusterFlowFigures[];
  readonly backend: BackendFigures;
}

/** Figures of one version of a flow on a cluster. */
export interface ClusterFlowFigures {
  readonly flow: string;
  readonly version: string;
  readonly members: readonly string[];
  readonly unowned: readonly number[];
  readonly hasWork: boolean;
  readonly backlog: number;
  readonly oldest: readonly { readonly lane: number; readonly ms: number }[];
}

/** Figures of a backend. */
export interface BackendFigures {
  readonly intakeFill?: number | undefined;
  readonly checkpointBytes?: number | undefined;
  readonly liveBytes?: number | undefined;
  readonly keptResults?: number | undefined;
  readonly replicasBehind?: number | undefined;
  readonly replicaLagMs?: number | undefined;
}

/**
 * Measures a worker of a cluster: what it holds and has in flight, its appends, its event loop. They are read when
 * metrics are collected, until the returned object is disposed. Without a registered SDK it does nothing. A level that is
 * no longer there is told as 0.
 *
 * @throws TypeError when an option is unknown or of the wrong kind
 */
export function observeWorker(worker: ObservedWorker, options: ObserveOptions = {}): Disposable {
  return observe("observeWorker", options, instrumentsOfWorker, (tell) => {
    const { cluster, name, leaseMs, loopDelayMs, flows } = worker.status();
    const of = { [Own.CLUSTER]: cluster, [Own.MEMBER]: name };
    tell(ClusterMetric.LEASE, leaseMs / 1_000, of);
    if (loopDelayMs.count > 0) tell(ClusterMetric.LOOP_DELAY, loopDelayMs.max / 1_000, of);
    for (const flow of flows) tellWorkerFlow(tell, flow, { ...of, ...nameOf(flow) });
  });
}

/**
 * Measures a cluster as a whole: its members, partitions without an owner, what waits, its backend. Each collection
 * reads the registry and the backend: few processes should do so. Until the returned object is disposed; without a
 * registered SDK it does nothing.
 *
 * @throws TypeError when an option is unknown or of the wrong kind
 */
export function observeCluster(cluster: ObservedCluster, options: ObserveOptions = {}): Disposable {
  return observe("observeCluster", options, instrumentsOfCluster, async (tell) => {
    const { name, members, flows, backend } = await cluster.status();
    const of = { [Own.CLUSTER]: name };
    tell(ClusterMetric.MEMBERS, members.length, of);
    for (const flow of flows) tellClusterFlow(tell, flow, { ...of, ...nameOf(flow) });
    tellBackend(tell, backend, of);
  });
}

function tellWorkerFlow(tell: Tell, flow: WorkerFlowFigures, of: Attributes): void {
  tell(ClusterMetric.PARTITIONS, flow.partitions, of);
  tell(ClusterMetric.HELD, flow.held.length, of);
  tell(ClusterMetric.ACQUIRED, flow.acquired, of);
  tell(ClusterMetric.IN_FLIGHT, flow.inFlight, of);
  tell(ClusterMetric.ENDED, flow.ended, of);
  tell(ClusterMetric.OUTBOX, flow.undelivered, of);
  tell(ClusterMetric.FENCED, flow.fenced, of);
  tell(ClusterMetric.SUPERSEDED, flow.superseded, of);
  if (flow.appendMs.count > 0) tell(ClusterMetric.APPEND_P99, flow.appendMs.p99 / 1_000, of);
  tell(ClusterMetric.STORED, flow.storedBytes, of);
  tell(ClusterMetric.LIVE, flow.liveBytes, of);
}

function tellClusterFlow(tell: Tell, flow: ClusterFlowFigures, of: Attributes): void {
  const { members, unowned, hasWork, backlog, oldest } = flow;
  tell(ClusterMetric.WORKERS, members.length, of);
  tell(ClusterMetric.ORPHANED, members.length === 0 && hasWork ? 1 : 0, of);
  // a version that is over has no partition that wants an owner
  tell(ClusterMetric.UNOWNED, members.length > 0 || hasWork ? unowned.length : 0, of);
  tell(ClusterMetric.BACKLOG, backlog, of);
  for (const { lane, ms } of oldest) tell(ClusterMetric.OFFER_AGE, ms / 1_000, { ...of, [Own.LANE]: String(lane) });
}

function tellBackend(tell: Tell, backend: BackendFigures, of: Attributes): void {
  tell(ClusterMetric.INTAKE_FILL, backend.intakeFill, of);
  tell(ClusterMetric.STORED, backend.checkpointBytes, of);
  tell(ClusterMetric.LIVE, backend.liveBytes, of);
  tell(ClusterMetric.KEPT_RESULTS, backend.keptResults, of);
  tell(ClusterMetric.REPLICAS_BEHIND, backend.replicasBehind, of);
  const { replicaLagMs } = backend;
  tell(ClusterMetric.REPLICA_LAG, replicaLagMs === undefined ? undefined : replicaLagMs / 1_000, of);
}

const nameOf = ({ flow, version }: { readonly flow: string; readonly version: string }): Attributes => ({
  [Own.FLOW]: flow,
  [Own.VERSION]: version,
});

function instrumentsOfWorker(make: Instruments): void {
  make.level(ClusterMetric.PARTITIONS, "{partition}", "Partitions of the flow, on all workers together");
  make.level(ClusterMetric.HELD, "{partition}", "Partitions that the worker holds");
  make.counter(ClusterMetric.ACQUIRED, "{partition}", "Times that the worker has acquired a partition");
  make.level(ClusterMetric.IN_FLIGHT, "{trace}", "Traces in the worker's partitions");
  make.counter(ClusterMetric.ENDED, "{trace}", "Traces that ended on the worker");
  make.level(ClusterMetric.OUTBOX, "{outcome}", "Outcomes that are not among the results yet");
  make.gauge(ClusterMetric.APPEND_P99, "s", "99th percentile of appends to the checkpoint store in the last minute");
  make.counter(ClusterMetric.FENCED, "{append}", "Appends that were refused because another worker has the partition");
  make.counter(ClusterMetric.SUPERSEDED, "{result}", "Outcomes that were refused because the id has one");
  make.gauge(ClusterMetric.LOOP_DELAY, "s", "Longest delay of the worker's event loop in the last minute");
  make.gauge(ClusterMetric.LEASE, "s", "Duration of a lease");
  make.level(ClusterMetric.STORED, "By", "Bytes of checkpoints in the store");
  make.level(ClusterMetric.LIVE, "By", "Bytes of checkpoints that are live");
}

function instrumentsOfCluster(make: Instruments): void {
  make.level(ClusterMetric.MEMBERS, "{member}", "Members of the cluster");
  make.level(ClusterMetric.WORKERS, "{member}", "Members that run the flow");
  make.gauge(ClusterMetric.ORPHANED, "{flow}", "1 when the flow has work and no member runs it, else 0");
  make.level(ClusterMetric.UNOWNED, "{partition}", "Partitions that no member holds");
  make.level(ClusterMetric.BACKLOG, "{message}", "Messages that wait in intakes");
  make.gauge(ClusterMetric.OFFER_AGE, "s", "Time that the oldest message of the lane waits");
  make.gauge(ClusterMetric.INTAKE_FILL, "1", "Share of the bound of the intake in use");
  make.level(ClusterMetric.STORED, "By", "Bytes of checkpoints in the store");
  make.level(ClusterMetric.LIVE, "By", "Bytes of checkpoints that are live");
  make.level(ClusterMetric.KEPT_RESULTS, "{result}", "Results that are kept");
  make.level(ClusterMetric.REPLICAS_BEHIND, "{replica}", "Replicas of the backend that do not follow");
  make.gauge(ClusterMetric.REPLICA_LAG, "s", "Time by which the slowest connected replica is behind");
}
