import { type CheckpointStores, on, waitingOn } from "../penguiflow-durable.ts";
import { inFiles } from "../sqlite.ts";

export const checkpointStores: CheckpointStores = inFiles("normal", "survives the end of the process");

export const durable = on(checkpointStores, "sqlite-normal");

export const waitingDurable = waitingOn(checkpointStores);
