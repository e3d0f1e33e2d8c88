import { type CheckpointStores, on, waitingOn } from "../penguiflow-durable.ts";
import { inFiles } from "../sqlite.ts";

export const checkpointStores: CheckpointStores = inFiles("full", "survives a loss of power");

export const durable = on(checkpointStores, "sqlite-full");

export const waitingDurable = waitingOn(checkpointStores);
