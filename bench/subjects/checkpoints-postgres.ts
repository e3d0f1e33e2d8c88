import { checkpointed, checkpointsOn } from "../penguiflow-cluster.ts";
import { backend } from "./cluster-postgres.ts";

export const cluster = checkpointed("checkpoints-postgres", backend);

export const work = checkpointsOn(backend);
