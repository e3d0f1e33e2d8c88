import type { Logger } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import type { KeptLease } from "penguiflow/durable";
import type { Machine } from "../form/machine.ts";

/** Settings that all parts of a cluster share, with defaults applied. */
export interface ClusterSettings {
  readonly name: string;
  readonly backend: ClusterBackend;
  readonly partitions: number;
  readonly lanes: number;
  readonly leaseMs: number;
  readonly keepMs: number;
  readonly logger: Logger;
  readonly machine: Machine;
}

/** Settings of a worker, with defaults applied. */
export interface WorkerSettings extends ClusterSettings {
  readonly member: string;
  readonly maxInFlight: number;
  readonly drainMs: number;
  /** Owners in a row that may be lost while a trace does not move. */
  readonly maxLostOwners: number;
  /** Placements of nodes that it runs. */
  readonly offers: readonly string[];
  /** Whether it runs placed nodes alone. */
  readonly isPlacedOnly: boolean;
}

/** Settings of the partitions of a running worker. */
export interface RunningSettings extends WorkerSettings {
  /** Returns the lease of the worker: a new one when the former has ended. */
  readonly lease: () => Promise<KeptLease>;
}
