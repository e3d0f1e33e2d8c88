import { checkpointStoreContract, logContract, stateStoreContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { SqliteCheckpointStore, SqliteLog, SqliteStateStore } from "@penguiflow/state-sqlite";
import { newFile } from "./fixtures/new-file.ts";

const ofStores = stateStoreContract({
  make: (retention) => SqliteStateStore.open({ file: newFile(), ...retention }),
  close: (store) => (store as SqliteStateStore).close(),
});
const ofCheckpointStores = checkpointStoreContract({
  make: () => SqliteCheckpointStore.open({ file: newFile() }),
  close: (checkpoints) => (checkpoints as SqliteCheckpointStore).close(),
});

const ofLogs = logContract({
  make: () => SqliteLog.open({ file: newFile() }),
  close: (log) => (log as SqliteLog).close(),
});

describe("the SQLite log", () => {
  test.for(ofLogs)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the SQLite store", () => {
  test.for(ofStores)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the SQLite checkpoint store", () => {
  test.for(ofCheckpointStores)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
