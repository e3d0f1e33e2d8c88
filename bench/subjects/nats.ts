import { natsBackend } from "@penguiflow/cluster-nats";
import { startJetStream } from "../cluster-rig.ts";
import { type CheckpointStores, on } from "../penguiflow-durable.ts";

/** Checkpoint stores on a server of their own each. */
export const checkpointStores: CheckpointStores = {
  async make() {
    const server = await startJetStream(1);
    if (typeof server === "string") return server;
    const { address, note } = server;
    // each workload that asks for the size names a store on a disk
    const bytes = async (): Promise<number> => Number.NaN;
    return { address, note, waits: true, bytes, remove: async () => await server[Symbol.asyncDispose]() };
  },
  async open(servers) {
    const backend = await natsBackend({ servers: servers.split(",") });
    return { checkpoints: backend.checkpoints, [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose]() };
  },
};

export const durable = on(checkpointStores, "nats");
