import { natsBackend } from "@penguiflow/cluster-nats";
import { startJetStream } from "../cluster-rig.ts";
import { type Backend, clustered, withMembers, workerOn } from "../penguiflow-cluster.ts";

export function backendOf(count: 1 | 3): Backend {
  return {
    start: async () => await startJetStream(count),
    open: async (servers) => await natsBackend({ servers: servers.split(","), replicas: count }),
  };
}

export const cluster = clustered("cluster-nats", backendOf(1));

export const members = withMembers("cluster-nats", backendOf(1));

export const work = workerOn(backendOf(1));
