import { spawn } from "node:child_process";
import { statSync, truncateSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SqliteStateStore } from "@penguiflow/state-sqlite";
import { describe, expect, test } from "vitest";
import { newFile } from "./fixtures/new-file.ts";
import { BATCH_SIZE, numbered, numbersOf, upTo } from "./fixtures/numbered.ts";

const program = path.join(import.meta.dirname, "fixtures/saving-process.ts");

/** Runs the saving process and kills it after a number of answers; returns the last stored batch. */
async function saving(file: string, traceId: string, first: number, batches: number, killAfter = Infinity) {
  const args = [
    "--conditions=@penguiflow/source",
    "--no-warnings",
    program,
    file,
    traceId,
    String(first),
    String(batches),
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let answered = "";
  let errors = "";
  child.stderr.on("data", (text: Buffer) => void (errors += text.toString()));
  child.stdout.on("data", (text: Buffer) => {
    answered += text.toString();
    if (answered.split("\n").length > killAfter) child.kill("SIGKILL");
  });
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (code, by) => resolve([code, by])),
  );
  expect([status, signal, errors]).toEqual(killAfter === Infinity ? [0, null, ""] : [null, "SIGKILL", ""]);
  return Number(answered.trimEnd().split("\n").at(-1));
}

function integrityOf(file: string): unknown {
  const database = new DatabaseSync(file);
  const [row] = database.prepare("PRAGMA integrity_check").all();
  database.close();
  return row?.["integrity_check"];
}

describe("processes", () => {
  test(
    "that are killed while they save leave every answered batch, and no part of another",
    { timeout: 60_000 },
    async () => {
      const file = newFile();
      let next = 0;
      for (const killAfter of [1, 5, 23, 40]) {
        const answered = await saving(file, "t", next, 1_000_000, killAfter);
        await using store = await SqliteStateStore.open({ file });
        const numbers = await numbersOf(store, "t");
        expect(numbers).toEqual(upTo(numbers.length));
        expect(numbers.length % BATCH_SIZE).toBe(0);
        expect(numbers.length).toBeGreaterThanOrEqual((answered + 1) * BATCH_SIZE);
        next = numbers.length / BATCH_SIZE;
      }
      expect(next).toBeGreaterThanOrEqual(69);
      expect(integrityOf(file)).toBe("ok");
    },
  );

  test("that end while the file system has only a part of their last saves leave the batches before", async () => {
    const file = newFile();
    await saving(file, "t", 0, 1_000_000, 10);
    const log = `${file}-wal`;
    truncateSync(log, statSync(log).size - 1_000);
    await using store = await SqliteStateStore.open({ file });
    const numbers = await numbersOf(store, "t");
    expect(numbers).toEqual(upTo(numbers.length));
    expect(numbers.length % BATCH_SIZE).toBe(0);
    expect(numbers.length).toBeGreaterThan(5 * BATCH_SIZE);
    expect(integrityOf(file)).toBe("ok");
  });

  test("open, migrate and write one file at once, and lose nothing", { timeout: 60_000 }, async () => {
    const file = newFile();
    const names = ["one", "two", "three"];
    await Promise.all(names.map(async (name) => await saving(file, name, 0, 60)));
    await using store = await SqliteStateStore.open({ file });
    for (const name of names) expect(await numbersOf(store, name)).toEqual(upTo(60 * BATCH_SIZE));
    expect((await store.listTraces({ tenant: "ada" })).traces).toHaveLength(3);
    expect(integrityOf(file)).toBe("ok");
  });

  test("share a trace, whose events stay in the order in which they were saved", async () => {
    const file = newFile();
    await using one = await SqliteStateStore.open({ file });
    await using two = await SqliteStateStore.open({ file });
    await one.saveEvents(numbered("t", 1, 5));
    await two.saveEvents(numbered("t", 6, 5));
    await one.saveEvents(numbered("t", 11, 5));
    expect(await numbersOf(one, "t")).toEqual(upTo(15));
    expect(await numbersOf(two, "t")).toEqual(upTo(15));
  });
});

describe("while another process writes", () => {
  test("readers do not wait, writers try again, and the event loop goes on", async () => {
    const file = newFile();
    await using store = await SqliteStateStore.open({ file });
    await store.saveEvents(numbered("t", 1, 3));
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    expect(await numbersOf(store, "t")).toEqual(upTo(3));
    const saved = store.saveEvents(numbered("t", 4, 3));
    let turns = 0;
    const ticking = setInterval(() => void (turns += 1), 1);
    setTimeout(() => other.exec("COMMIT"), 100);
    await saved;
    clearInterval(ticking);
    other.close();
    expect(turns).toBeGreaterThan(5);
    expect(await numbersOf(store, "t")).toEqual(upTo(6));
  });

  test("a writer gives up when its patience ends, says so, and can be asked again", async () => {
    const file = newFile();
    await using store = await SqliteStateStore.open({ file, patienceMs: 30 });
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    await expect(store.saveEvents(numbered("t", 1, 3))).rejects.toThrow(
      `Cannot save events in "${file}": another process has kept it busy for 30 ms`,
    );
    expect(await numbersOf(store, "t")).toEqual([]);
    other.exec("COMMIT");
    other.close();
    await store.saveEvents(numbered("t", 1, 3));
    expect(await numbersOf(store, "t")).toEqual(upTo(3));
  });
});
