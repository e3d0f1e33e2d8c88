import type { Clock } from "penguiflow";
import type { Classifier } from "./feedback/classifier.ts";
import type { EmbeddingModels } from "./embed/embedding-models.ts";
import type { MemoryLimits } from "./limits.ts";
import type { Reranker, Rollout } from "./retrieval/reranker.ts";
import type { MemoryStore } from "./store/memory-store.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import type { VectorChange, VectorIndex } from "./vector/vector-index.ts";

/** The services that flows are made of: injected by the factories of their nodes. */
export interface MemoryServices {
  readonly store: MemoryStore;
  readonly index: VectorIndex;
  readonly models: EmbeddingModels;
  readonly limits: MemoryLimits;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly reranker: Rollout<Reranker> | undefined;
  readonly classifier: Rollout<Classifier> | undefined;
  /** Counts changes that take sight away, so that answers under way are checked again. */
  readonly revocations: Revocations;
  /** Tells the worker that a tenant has jobs. */
  readonly wake: (tenant: string) => void;
}

/** Number of changes so far that took sight away. */
export class Revocations {
  #count = 0;

  /** The number so far. */
  get count(): number {
    return this.#count;
  }

  /** Counts one more; called in the turn in which the change is committed. */
  add(): void {
    this.#count += 1;
  }
}

/** Follows a committed change of vectors or sight, in the turn of the commit. */
export function followChange({ index, revocations }: MemoryServices, change: VectorChange): void {
  index.apply(change);
  if (change.moved === true || (change.removed ?? []).length > 0) revocations.add();
}
