import { core } from "../core.ts";
import { type CheckpointStores, on } from "../penguiflow-durable.ts";

/** Checkpoint stores that serialise their batches and have no disk to write to. */
export const checkpointStores: CheckpointStores = {
  make: async () => ({
    address: "",
    note: "the end of the process loses all; batches are made as for a disk",
    waits: false,
    bytes: async () => 0,
    remove: async () => {},
  }),
  open: async () => ({ checkpoints: new core.MemoryCheckpointStore(), [Symbol.asyncDispose]: async () => {} }),
};

export const durable = on(checkpointStores, "memory-checkpoint-store");

export { log } from "../penguiflow-log.ts";
