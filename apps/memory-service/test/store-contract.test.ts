import { describe, expect, test } from "vitest";
import { memoryStoreContract, sqliteStore } from "@penguiflow/memory-service/store";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const stores = {
  "in memory": () => sqliteStore(),
  "in files": () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), "penguiflow-memory-"));
    const store = sqliteStore({ directory });
    const close = store.close.bind(store);
    store.close = async () => {
      await close();
      rmSync(directory, { recursive: true, force: true });
    };
    return store;
  },
};

describe.each(Object.entries(stores))("a store %s", (_, make) => {
  test.for(memoryStoreContract({ make }))("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
