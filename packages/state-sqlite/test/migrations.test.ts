import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SqliteCheckpointStore, SqliteStateStore } from "@penguiflow/state-sqlite";
import { describe, expect, test } from "vitest";
import { Database } from "../src/database.ts";
import { migrate, MIGRATIONS } from "../src/migrations.ts";
import { resolveOptions } from "../src/options.ts";
import { batchOf, requireChain } from "./fixtures/chained.ts";
import { newFile } from "./fixtures/new-file.ts";
import { numbered, numbersOf, upTo } from "./fixtures/numbered.ts";

const next = [...MIGRATIONS, "ALTER TABLE traces ADD COLUMN topic TEXT; UPDATE traces SET topic = 'none';"];
const current = MIGRATIONS.length;
const versions = path.join(import.meta.dirname, "versions");

/** Opens a file, migrates it with `migrations`, and runs `look` on it. */
async function migrated<Value>(file: string, migrations: readonly string[], look: (database: Database) => Value) {
  const database = await Database.open(resolveOptions({ file }));
  try {
    await migrate(database, migrations);
    return look(database);
  } finally {
    await database.close();
  }
}

const versionsIn = (database: Database) => database.all("SELECT version FROM versions").map(({ version }) => version);

describe("a file", () => {
  test("of every version that was ever published is brought up to date with what is in it", async () => {
    const dumps = readdirSync(versions);
    expect(dumps).toHaveLength(current);
    for (const dump of dumps) {
      const file = newFile();
      const old = new DatabaseSync(file);
      old.exec(readFileSync(path.join(versions, dump), "utf8"));
      old.close();
      await using store = await SqliteStateStore.open({ file });
      expect(await numbersOf(store, "t"), dump).toEqual([1, 2, 3]);
      expect((await store.listTraces({ tenant: "ada" })).traces).toEqual([
        {
          tenant: "ada",
          traceId: "t",
          flow: "orders",
          state: "failed",
          startedAt: 1_760_000_000_001,
          lastAt: 1_760_000_000_004,
          node: "pack",
          errorCode: "NODE_TIMEOUT",
        },
      ]);
      expect(await store.findRemoteBindings({ tenant: "ada", traceId: "t" })).toHaveLength(1);
      await store.saveEvents(numbered("t", 4, 2));
      expect(await numbersOf(store, "t")).toEqual([1, 2, 3, 4, 5]);
      await using checkpoints = await SqliteCheckpointStore.open({ file });
      const partition = await checkpoints.open({ partition: "orders", owner: "two", leaseMs: 1_000 });
      // the checkpoint store came with the second version
      const kept = dump === "1.sql" ? [partition.id, 1, 0] : ["6d3c1f0e-5b7a-4c52-9d0e-2f6f5c1b8a40", 2, 2];
      expect([partition.id, partition.fencingToken, await requireChain(partition)], dump).toEqual(kept);
      // logs and positions came with the third
      expect(await partition.readLog(16), dump).toEqual(dump >= "3.sql" ? [{ run: 16, at: 0, items: '["one"]' }] : []);
      expect(await partition.consumed(), dump).toEqual(new Map(dump >= "3.sql" ? [[0, 2]] : []));
      await partition.append(batchOf(partition.sequence + 1), partition.sequence);
      expect(await requireChain(partition), dump).toBe(partition.sequence);
    }
  });

  test("goes to the next version once, with its rows, from none and from the last", async () => {
    const file = newFile();
    {
      await using store = await SqliteStateStore.open({ file });
      await store.saveEvents(numbered("t", 1, 3));
    }
    for (const again of [1, 2]) {
      const found = await migrated(file, next, (database) => ({
        versions: versionsIn(database),
        topics: database.all("SELECT trace_id, topic FROM traces"),
      }));
      expect(found, String(again)).toEqual({ versions: upTo(next.length), topics: [{ trace_id: "t", topic: "none" }] });
    }
    expect(await migrated(newFile(), next, versionsIn)).toEqual(upTo(next.length));
  });

  test("of a newer version is refused, and says what to do", async () => {
    const file = newFile();
    await migrated(file, next, () => {});
    await expect(SqliteStateStore.open({ file })).rejects.toThrow(
      `Cannot open "${file}": its version is ${next.length}, written by a newer @penguiflow/state-sqlite; update this one, which supports versions up to ${current}`,
    );
  });

  test("stays at its version when a step fails half-way", async () => {
    const file = newFile();
    {
      await using store = await SqliteStateStore.open({ file });
      await store.saveEvents(numbered("t", 1, 3));
    }
    const broken = [...MIGRATIONS, "ALTER TABLE traces ADD COLUMN topic TEXT; INSERT INTO nowhere VALUES (1);"];
    await expect(migrated(file, broken, () => {})).rejects.toThrow("no such table: nowhere");
    await using store = await SqliteStateStore.open({ file });
    expect(await numbersOf(store, "t")).toEqual(upTo(3));
    expect(await migrated(file, MIGRATIONS, versionsIn)).toEqual(upTo(current));
  });

  test("is migrated by one of many that open it at once", async () => {
    const file = newFile();
    const stores = await Promise.all(upTo(5).map(async () => await SqliteStateStore.open({ file })));
    await Promise.all(stores.map(async (store, index) => await store.saveEvents(numbered(`t${index}`, 1, 3))));
    for (const index of stores.keys()) expect(await numbersOf(stores[0] as never, `t${index}`)).toEqual(upTo(3));
    for (const store of stores) await store.close();
  });
});
