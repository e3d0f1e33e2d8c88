import type { Intake } from "./intake.ts";
import type { Registry } from "./registry.ts";
import type { ResultStore } from "./result-store.ts";
import type { SharingCheckpointStore } from "./shared-lease.ts";
import type { Wire } from "./wire.ts";

/** Figures of a backend, for its operators. A figure that it does not tell is absent. */
export interface BackendFigures {
  /** Share of the bound of the intake in use, from 0 to 1: of the fullest partition where each has its own bound. */
  readonly intakeFill?: number | undefined;
  /** Bytes of the checkpoints in the store, with what was replaced or removed and still takes room. */
  readonly checkpointBytes?: number | undefined;
  /** Bytes of the checkpoints that are live. */
  readonly liveBytes?: number | undefined;
  /** Number of results that are kept. */
  readonly keptResults?: number | undefined;
  /** Number of replicas that do not follow: disconnected, or not up to date. 0 also where there are none. */
  readonly replicasBehind?: number | undefined;
  /** Milliseconds by which the slowest connected replica is behind. */
  readonly replicaLagMs?: number | undefined;
}

/** The shared state of a cluster. */
export interface ClusterBackend extends AsyncDisposable {
  readonly checkpoints: SharingCheckpointStore;
  readonly intake: Intake;
  readonly results: ResultStore;
  readonly registry: Registry;
  readonly wire: Wire;
  /** Largest body of an offer, in bytes. */
  readonly limits: { readonly offerBytes: number };
  /** Returns figures for operators. Absent where the backend has none. */
  figures?(): Promise<BackendFigures>;
}
