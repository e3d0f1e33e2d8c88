import type { CheckpointBatch, CheckpointPartition, CheckpointStore, LeaseRequest } from "penguiflow";

/** Receives each batch before it is stored, or stores it by itself. A batch for which it throws is lost. */
type Watch = (batch: CheckpointBatch, append: () => Promise<unknown>) => void | Promise<void>;

/** A checkpoint store that shows its batches. */
export class WatchedCheckpoints implements CheckpointStore {
  readonly #store: CheckpointStore;
  readonly #watch: Watch;

  constructor(store: CheckpointStore, watch: Watch) {
    this.#store = store;
    this.#watch = watch;
  }

  async open(lease: LeaseRequest): Promise<CheckpointPartition> {
    const partition = await this.#store.open(lease);
    const append: CheckpointPartition["append"] = async (batch, sequence) => {
      await this.#watch(batch, () => partition.append(batch, sequence));
      return await partition.append(batch, sequence);
    };
    return new Proxy(partition, {
      get: (target, key) => {
        if (key === "append") return append;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }
}
