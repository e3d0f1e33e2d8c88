import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { type Checkpoints, checkpointed, checkpointsOn } from "../penguiflow-cluster.ts";

const files: Checkpoints = {
  async start() {
    const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-bench-"));
    return {
      address: path.join(folder, "checkpoints.db"),
      processes: "",
      note: "survives a loss of power; SQLite in the worker's process",
      [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
  open: async (file) => ({ checkpoints: await SqliteCheckpointStore.open({ file, durability: "full" }) }),
};

export const cluster = checkpointed("checkpoints-sqlite", files);

export const work = checkpointsOn(files);
