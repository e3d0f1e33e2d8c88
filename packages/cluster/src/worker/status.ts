import type { Spread } from "./recent.ts";

/** Figures of a worker. */
export interface WorkerStatus {
  readonly cluster: string;
  readonly name: string;
  readonly isDraining: boolean;
  readonly leaseMs: number;
  /** Delay of the event loop, of the last 30 to 60 seconds: at most a quarter of `leaseMs`, or the lease is too short. */
  readonly loopDelayMs: Spread;
  readonly flows: readonly WorkerFlowStatus[];
}

/** Figures of one version of a flow on a worker. Counts are since the worker began. */
export interface WorkerFlowStatus {
  readonly flow: string;
  readonly version: string;
  /** Number of partitions of the flow, on all workers. */
  readonly partitions: number;
  /** Number of partitions that are assigned to this worker. */
  readonly assigned: number;
  /** Indices of the partitions that it holds. */
  readonly held: readonly number[];
  /** Number of traces in its partitions, also those that wait for an answer. */
  readonly inFlight: number;
  /** Number of outcomes that are not among the results yet. */
  readonly undelivered: number;
  /** Duration of appends to the checkpoint store, of the last 30 to 60 seconds. */
  readonly appendMs: Spread;
  /** Number of times that it has acquired a partition. */
  readonly acquired: number;
  /** Number of traces that have ended. */
  readonly ended: number;
  /** Number of appends that were refused because another worker has the partition. */
  readonly fenced: number;
  /** Number of outcomes that were refused because the id has one. */
  readonly superseded: number;
  /** Bytes that its partitions take, with what is not live; absent where the backend does not tell it to a worker. */
  readonly storedBytes?: number | undefined;
  /** Bytes of what is live in them. */
  readonly liveBytes?: number | undefined;
}
