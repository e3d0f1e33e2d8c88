import { stateStoreContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { SqliteStateStore } from "@penguiflow/state-sqlite";
import { newFile } from "./fixtures/new-file.ts";

const cases = stateStoreContract({
  make: (retention) => SqliteStateStore.open({ file: newFile(), ...retention }),
  close: (store) => (store as SqliteStateStore).close(),
});

describe("the SQLite store", () => {
  test.for(cases)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
