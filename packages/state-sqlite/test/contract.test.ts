import { journalContract, stateStoreContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { SqliteJournal, SqliteStateStore } from "@penguiflow/state-sqlite";
import { newFile } from "./fixtures/new-file.ts";

const ofStores = stateStoreContract({
  make: (retention) => SqliteStateStore.open({ file: newFile(), ...retention }),
  close: (store) => (store as SqliteStateStore).close(),
});
const ofJournals = journalContract({
  make: () => SqliteJournal.open({ file: newFile() }),
  close: (journal) => (journal as SqliteJournal).close(),
});

describe("the SQLite store", () => {
  test.for(ofStores)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the SQLite journal", () => {
  test.for(ofJournals)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
