import { natsBackend } from "@penguiflow/cluster-nats";
import { type Cluster, cluster, memoryBackend } from "@penguiflow/cluster";
import { postgresBackend } from "@penguiflow/state-postgres";
import type { ClusterBackend } from "penguiflow/adapter";

/** Variables of the environment. One of the servers is named; without one, all is in this process and ends with it. */
export interface Environment {
  readonly POSTGRES?: string | undefined;
  readonly NATS?: string | undefined;
  /** Name of the worker: that of its pod or container. */
  readonly NAME?: string | undefined;
  readonly PORT?: string | undefined;
}

/** Opens the backend that the environment names. */
export async function openBackend({ POSTGRES, NATS }: Environment): Promise<ClusterBackend> {
  if (POSTGRES !== undefined && NATS !== undefined) throw new Error("Set POSTGRES or NATS, not both");
  if (POSTGRES !== undefined) return await postgresBackend({ connection: POSTGRES });
  if (NATS !== undefined) return await natsBackend({ servers: NATS.split(","), replicas: NATS.split(",").length });
  return memoryBackend();
}

/** Describes the cluster: all its programs give the same. */
export const shop = (backend: ClusterBackend): Cluster =>
  cluster({ name: "shop", backend, partitions: 16, leaseMs: 10_000 });
