import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Clock, type CheckpointPartition, seededRandom, systemClock } from "penguiflow";
import { SqliteCheckpointStore, SqliteStateStore } from "@penguiflow/state-sqlite";
import { describe, expect, test, vi } from "vitest";
import { Database } from "../src/database.ts";
import { batchOf, requireChain } from "./fixtures/chained.ts";
import { newFile } from "./fixtures/new-file.ts";
import { numbered, numbersOf, upTo } from "./fixtures/numbered.ts";

const lease = { partition: "orders", owner: "one", leaseMs: 60_000 };

/** Stores the next batches of a chain. */
async function appendTo(partition: CheckpointPartition, batches: number): Promise<void> {
  for (const number of upTo(batches).map((one) => one + partition.sequence))
    await partition.append(batchOf(number), number - 1);
}

/** Creates a closed file with a chain in it, and no file beside it. */
async function chainFile(batches: number): Promise<string> {
  const file = newFile();
  await using checkpoints = await SqliteCheckpointStore.open({ file });
  const partition = await checkpoints.open(lease);
  await appendTo(partition, batches);
  await partition.close();
  return file;
}

/** Clock that tests set by hand, forwards or back. */
class HandClock implements Clock {
  fencingToken = 1_760_000_000_000;
  now(): number {
    return systemClock.now();
  }
  epochNow(): number {
    return this.fencingToken;
  }
  setTimer(callback: () => void, delayMs: number): () => void {
    return systemClock.setTimer(callback, delayMs);
  }
}

describe("a checkpoint store", () => {
  test("shares a file with a store, each with what it kept", async () => {
    const file = newFile();
    await using store = await SqliteStateStore.open({ file });
    await using checkpoints = await SqliteCheckpointStore.open({ file });
    const partition = await checkpoints.open(lease);
    await Promise.all([store.saveEvents(numbered("t", 1, 2_000)), appendTo(partition, 20)]);
    expect(await numbersOf(store, "t")).toEqual(upTo(2_000));
    expect(await requireChain(partition)).toBe(20);
    expect(await checkpoints.integrityCheck()).toEqual([]);
  });

  test("gets its turn beside a store that saves without a pause", async () => {
    const file = newFile();
    await using store = await SqliteStateStore.open({ file });
    await using checkpoints = await SqliteCheckpointStore.open({
      file: path.join(path.dirname(file), ".", "flow.db"),
      patienceMs: 500,
    });
    const partition = await checkpoints.open(lease);
    const over = new AbortController();
    let batches = 0;
    const saving = async () => {
      for (; !over.signal.aborted; batches += 1) await store.saveEvents(numbered("t", batches * 1_000 + 1, 1_000));
    };
    const saved = saving();
    for (const number of upTo(10)) {
      await partition.append(batchOf(number), number - 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    over.abort();
    await saved;
    expect(await requireChain(partition)).toBe(10);
    // some writers were served in between
    expect(batches).toBeLessThan(25);
  });

  test("stores a batch without giving others a turn", async () => {
    await using checkpoints = await SqliteCheckpointStore.open({ file: newFile() });
    const partition = await checkpoints.open(lease);
    let turns = 0;
    const put = upTo(5_000).map((run) => ({ ...batchOf(1).put[0]!, run }));
    const turn = setImmediate(() => void (turns += 1));
    await partition.append({ put, remove: [], counts: new Map() }, 0);
    clearImmediate(turn);
    expect(turns).toBe(0);
  });

  test("ends a page when its states are long, and holds nothing up when a reader stops half-way", async () => {
    const file = newFile();
    await using checkpoints = await SqliteCheckpointStore.open({ file });
    const partition = await checkpoints.open(lease);
    const state = JSON.stringify("x".repeat(1_000_000));
    const put = upTo(12).map((run) => ({ ...batchOf(1).put[0]!, run, state }));
    await partition.append({ put, remove: [], counts: new Map() }, 0);
    const sizes: number[] = [];
    for await (const page of partition.read()) sizes.push(page.length);
    expect(sizes).toEqual([5, 5, 2]);
    for await (const page of partition.read()) {
      expect(page).toHaveLength(5);
      break;
    }
    const other = new DatabaseSync(file);
    expect(other.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()).toMatchObject({ busy: 0 });
    other.close();
  });

  test("that is closed refuses to be used, and leaves a lease that was not given up to its end", async () => {
    const file = newFile();
    const checkpoints = await SqliteCheckpointStore.open({ file });
    const partition = await checkpoints.open(lease);
    const stored = partition.append(batchOf(1), 0);
    await Promise.all([checkpoints.close(), checkpoints.close()]);
    expect(await stored).toBe(1);
    await expect(partition.append(batchOf(2), 1)).rejects.toThrow(
      `Cannot write a checkpoint store in "${file}": it is closed`,
    );
    await expect(checkpoints.open(lease)).rejects.toThrow(`Cannot open a checkpoint store in "${file}": it is closed`);
    await using again = await SqliteCheckpointStore.open({ file });
    await expect(again.open(lease)).rejects.toMatchObject({ code: "PARTITION_LEASED" });
  });

  test.each([
    [
      { file: "a", maxAgeMs: 1 },
      'Unknown option "maxAgeMs" of SqliteCheckpointStore: expected one of "file", "durability", "patienceMs"',
    ],
    [{ file: "" }, 'Option "file" must be the path of a file: got ""'],
  ])("names an option that is wrong: %j", async (options, message) => {
    await expect(SqliteCheckpointStore.open(options as never)).rejects.toThrow(message);
  });
});

describe("a lease", () => {
  test("ends after its lease although the clock was set back by a day", async () => {
    const clock = new HandClock();
    await using checkpoints = await SqliteCheckpointStore.open({ file: newFile(), clock });
    const one = await checkpoints.open({ ...lease, leaseMs: 1_000 });
    await one.append(batchOf(1), 0);
    clock.fencingToken -= 86_400_000;
    for (const leftMs of [1_000, 400]) {
      await expect(checkpoints.open({ ...lease, owner: "two" })).rejects.toMatchObject({
        details: { endsInMs: leftMs },
      });
      clock.fencingToken += 600;
    }
    const two = await checkpoints.open({ ...lease, owner: "two" });
    await expect(one.append(batchOf(2), 1)).rejects.toThrow(
      'Cannot write partition "orders" of the checkpoint store any more: "two" has it now',
    );
    expect(await requireChain(two)).toBe(1);
  });

  test("is kept by its writer although the clock was set back", async () => {
    const clock = new HandClock();
    await using checkpoints = await SqliteCheckpointStore.open({ file: newFile(), clock });
    const one = await checkpoints.open({ ...lease, leaseMs: 1_000 });
    clock.fencingToken -= 86_400_000;
    for (const times of upTo(5)) {
      await one.renew();
      clock.fencingToken += 600;
      await expect(checkpoints.open({ ...lease, owner: "two" }), String(times)).rejects.toMatchObject({
        details: { owner: "one", endsInMs: 400 },
      });
    }
  });

  test("gives each number to one batch, whatever the clocks of its writers say", async () => {
    const random = seededRandom(11);
    const file = newFile();
    const clocks = [new HandClock(), new HandClock(), new HandClock()];
    const checkpointStores = await Promise.all(
      clocks.map(async (clock) => await SqliteCheckpointStore.open({ file, clock })),
    );
    const partitions: (CheckpointPartition | undefined)[] = clocks.map(() => undefined);
    const stored: number[] = [];
    const refused = new Set<unknown>();
    for (let step = 0; step < 600; step += 1) {
      const writer = Math.floor(random() * 3);
      const partition = partitions[writer];
      clocks[writer]!.fencingToken += (random() - 0.5) * 4_000;
      try {
        if (partition === undefined)
          partitions[writer] = await checkpointStores[writer]?.open({
            ...lease,
            owner: `writer ${writer}`,
            leaseMs: 1_000,
          });
        else stored.push(await partition.append(batchOf(partition.sequence + 1), partition.sequence));
      } catch (error) {
        const { code } = error as { readonly code?: unknown };
        refused.add(code);
        if (code === "PARTITION_FENCED") partitions[writer] = undefined;
      }
    }
    expect(stored.length).toBeGreaterThan(100);
    expect(stored).toEqual(upTo(stored.length));
    expect(refused).toEqual(new Set(["PARTITION_LEASED", "PARTITION_FENCED"]));
    for (const checkpoints of checkpointStores) await checkpoints.close();
  });
});

describe("a fault", () => {
  test("of a full disk refuses the batch, keeps what there is, and is over when there is room", async () => {
    const opened: Database[] = [];
    const open = Database.open.bind(Database);
    vi.spyOn(Database, "open").mockImplementationOnce(async (options) => {
      const database = await open(options);
      database.exec("PRAGMA max_page_count = 60");
      opened.push(database);
      return database;
    });
    const file = newFile();
    await using checkpoints = await SqliteCheckpointStore.open({ file });
    const partition = await checkpoints.open(lease);
    await appendTo(partition, 2);
    const put = upTo(1_000).map((run) => ({ ...batchOf(1).put[0]!, run }));
    const large = { put, remove: [21], counts: new Map([["a", 7]]) };
    await expect(partition.append(large, 2)).rejects.toThrow(
      `Cannot write a checkpoint store in "${file}": the disk is full (database or disk is full)`,
    );
    expect(await requireChain(partition)).toBe(2);
    // changes that need no space still succeed
    await appendTo(partition, 3);
    expect(await requireChain(partition)).toBe(5);
    opened[0]?.exec("PRAGMA max_page_count = 4000");
    expect(await partition.append(large, 5)).toBe(6);
    expect(await checkpoints.integrityCheck()).toEqual([]);
  });

  test("of rights refuses to open a file that may only be read", async () => {
    const file = await chainFile(1);
    chmodSync(file, 0o444);
    chmodSync(path.dirname(file), 0o777);
    const program = path.join(import.meta.dirname, "fixtures/opening-process.ts");
    const args = ["--conditions=@penguiflow/source", "--no-warnings", program, file, "SqliteCheckpointStore"];
    expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe(
      `Cannot open "${file}": the file or its folder is not writable; grant write permission (attempt to write a readonly database)`,
    );
  });

  test("of another process that keeps the file busy refuses the batch when the patience ends, and is over with it", async () => {
    const file = newFile();
    await using checkpoints = await SqliteCheckpointStore.open({ file, patienceMs: 30 });
    const partition = await checkpoints.open(lease);
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    await expect(appendTo(partition, 1)).rejects.toThrow(
      `Cannot write a checkpoint store in "${file}": another process has kept it busy for 30 ms`,
    );
    other.exec("COMMIT");
    other.close();
    await appendTo(partition, 1);
    expect(await requireChain(partition)).toBe(1);
  });

  test.each([1, 1_000, 4_096, 5_000, 40_000])(
    "of a file whose last %i bytes are lost is found before anything is given that is not as it was",
    async (bytes) => {
      const file = await chainFile(100);
      truncateSync(file, statSync(file).size - bytes);
      expect(await faultOf(file, 100)).toMatch(/^Cannot (open|read a checkpoint store in) ".*": the file is damaged/);
    },
  );

  test(
    "of any page that was overwritten, or a part of entries, is found or has changed nothing",
    { timeout: 60_000 },
    async () => {
      const sound = await chainFile(60);
      const database = new DatabaseSync(sound);
      const leaves = database
        .prepare("SELECT pageno FROM dbstat WHERE name = 'journal_entries' AND pagetype = 'leaf'")
        .all();
      database.close();
      const bytes = readFileSync(sound);
      const file = newFile();
      const faults = new Map<string, number>();
      const damage = async (page: number, filling: number, length: number) => {
        writeFileSync(file, Buffer.from(bytes).fill(filling, page * 4_096 - length, page * 4_096));
        const fault = (await faultOf(file, 60)) ?? "none";
        const kind = fault.replace(` "${file}"`, "").replace(/ \(.*\)$/s, "");
        faults.set(kind, (faults.get(kind) ?? 0) + 1);
      };
      for (const page of upTo(bytes.length / 4_096))
        for (const filling of [0x00, 0x5a]) await damage(page, filling, 4_096);
      for (const { pageno } of leaves) await damage(Number(pageno), 0x5a, 40);
      expect([...faults.keys()].sort()).toEqual([
        "Cannot open: it is not an SQLite database",
        "Cannot open: the file is damaged; restore it from a backup",
        "Cannot read a checkpoint store in: the file is damaged; restore it from a backup",
        "none",
      ]);
      // the other blocks hold free pages
      expect(
        faults.get("Cannot read a checkpoint store in: the file is damaged; restore it from a backup"),
      ).toBeGreaterThan(10);
    },
  );

  test("in what else is in the file is told by a check", async () => {
    const file = await chainFile(10);
    {
      await using store = await SqliteStateStore.open({ file });
      await store.saveEvents(numbered("t", 1, 2_000));
      await using checkpoints = await SqliteCheckpointStore.open({ file });
      expect(await checkpoints.integrityCheck()).toEqual([]);
    }
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0x5a, bytes.length - 4_096));
    await using checkpoints = await SqliteCheckpointStore.open({ file });
    const wrong = await checkpoints.integrityCheck();
    expect(wrong.length).toBeGreaterThan(0);
    expect(await requireChain(await checkpoints.open(lease))).toBe(10);
  });
});

/** Returns the error of opening and reading a file with a chain; `undefined` when the chain is intact. */
async function faultOf(file: string, batches: number): Promise<string | undefined> {
  try {
    await using checkpoints = await SqliteCheckpointStore.open({ file });
    const sequence = await requireChain(await checkpoints.open(lease));
    return sequence === batches ? undefined : `It has ${sequence} batches`;
  } catch (error) {
    return (error as Error).message;
  }
}
