import { checkpointed, checkpointsOn } from "../penguiflow-cluster.ts";
import { backendOf } from "./cluster-nats.ts";

export const cluster = checkpointed("checkpoints-nats", backendOf(1));

export const work = checkpointsOn(backendOf(1));
