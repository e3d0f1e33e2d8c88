import { clustered, workerOn } from "../penguiflow-cluster.ts";
import { backendOf } from "./cluster-nats.ts";

export const cluster = clustered("cluster-nats-3", backendOf(3));

export const work = workerOn(backendOf(3));
