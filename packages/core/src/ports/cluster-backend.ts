import type { CheckpointStore } from "./checkpoint-store.ts";
import type { Intake } from "./intake.ts";
import type { Registry } from "./registry.ts";
import type { ResultStore } from "./result-store.ts";
import type { Wire } from "./wire.ts";

/** The shared state of a cluster. */
export interface ClusterBackend extends AsyncDisposable {
  readonly checkpoints: CheckpointStore;
  readonly intake: Intake;
  readonly results: ResultStore;
  readonly registry: Registry;
  readonly wire: Wire;
  /** Largest body of an offer, in bytes. */
  readonly limits: { readonly offerBytes: number };
}
