import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { create, payloadNode } from "penguiflow";
import { SqliteStateStore } from "@penguiflow/state-sqlite";
import { describe, expect, test, vi } from "vitest";
import { Database } from "../src/database.ts";
import { resolveOptions } from "../src/options.ts";
import { newFile } from "./fixtures/new-file.ts";
import { numbered, numbersOf, upTo } from "./fixtures/numbered.ts";

const binding = { tenant: "ada", traceId: "t", node: "n", agentUrl: "https://agent.example", taskId: "1" };

describe("a file", () => {
  test("has after a restart what a flow and its remote nodes left in it", async () => {
    const file = newFile();
    {
      await using store = await SqliteStateStore.open({ file });
      const fail = payloadNode("fail", () => {
        throw new RangeError("no");
      });
      await using flow = create(fail.to(), { name: "failing", stateStore: store });
      flow.run();
      await flow.outcome(1, { traceId: "t", tenant: "ada" });
      await flow.saveRemoteBinding({ ...binding, contextId: "c" });
      await flow.flush();
    }
    await using store = await SqliteStateStore.open({ file });
    const { events } = await store.loadHistory({ tenant: "ada", traceId: "t" });
    expect(events.map(({ kind }) => kind)).toEqual([
      "trace_start",
      "node_start",
      "node_error",
      "node_failed",
      "trace_end",
    ]);
    expect((await store.listTraces({ tenant: "ada" })).traces).toMatchObject([
      { traceId: "t", flow: "failing", state: "failed", node: "fail", errorCode: "NODE_EXCEPTION" },
    ]);
    expect(await store.findRemoteBindings({ tenant: "ada", traceId: "t" })).toEqual([{ ...binding, contextId: "c" }]);
  });

  test("of the wrong kind is refused and left as it is", async () => {
    const text = newFile();
    writeFileSync(text, "Dear diary, ".repeat(100));
    await expect(SqliteStateStore.open({ file: text })).rejects.toThrow(
      `Cannot open "${text}": it is not an SQLite database (file is not a database)`,
    );
    expect(readFileSync(text, "utf8")).toBe("Dear diary, ".repeat(100));
    const other = newFile();
    const database = new DatabaseSync(other);
    database.exec("CREATE TABLE recipes (name TEXT)");
    database.close();
    await expect(SqliteStateStore.open({ file: other })).rejects.toThrow("it belongs to another application");
  });

  test("in a folder that is not there is refused", async () => {
    const file = path.join(path.dirname(newFile()), "nowhere", "flow.db");
    await expect(SqliteStateStore.open({ file })).rejects.toThrow(
      `Cannot open "${file}": the file cannot be opened; its folder must exist and be accessible`,
    );
  });

  test("that may only be read is refused", async () => {
    const file = newFile();
    await (await SqliteStateStore.open({ file })).close();
    chmodSync(file, 0o444);
    chmodSync(path.dirname(file), 0o777);
    const program = path.join(import.meta.dirname, "fixtures/opening-process.ts");
    const args = ["--conditions=@penguiflow/source", "--no-warnings", program, file];
    expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe(
      `Cannot open "${file}": the file or its folder is not writable; grant write permission (attempt to write a readonly database)`,
    );
  });

  test("that is damaged says so and does not give what is not sure", async () => {
    const file = newFile();
    const store = await SqliteStateStore.open({ file });
    await store.saveEvents(numbered("t", 1, 2_000));
    await store.close();
    const bytes = readFileSync(file);
    bytes.fill(0x5a, bytes.length >> 1);
    writeFileSync(file, bytes);
    await using damaged = await SqliteStateStore.open({ file });
    await expect(numbersOf(damaged, "t")).rejects.toThrow("the file is damaged; restore it from a backup");
  });

  test("on a full disk keeps what it has, and takes more when there is room", async () => {
    const opened: Database[] = [];
    const open = Database.open.bind(Database);
    vi.spyOn(Database, "open").mockImplementationOnce(async (options) => {
      const database = await open(options);
      database.exec("PRAGMA max_page_count = 60");
      opened.push(database);
      return database;
    });
    const file = newFile();
    await using store = await SqliteStateStore.open({ file });
    await store.saveEvents(numbered("t", 1, 10));
    await expect(store.saveEvents(numbered("t", 11, 5_000))).rejects.toThrow(
      `Cannot save events in "${file}": the disk is full (database or disk is full)`,
    );
    expect(await numbersOf(store, "t")).toEqual(upTo(10));
    opened[0]?.exec("PRAGMA max_page_count = 4000");
    await store.saveEvents(numbered("t", 11, 5_000));
    expect(await numbersOf(store, "t")).toEqual(upTo(5_010));
  });

  test("that is closed refuses to be used, and may be closed again", async () => {
    const file = newFile();
    const store = await SqliteStateStore.open({ file });
    const saved = store.saveEvents(numbered("t", 1, 1_200));
    await Promise.all([store.close(), store.close()]);
    await saved;
    await store.close();
    await expect(store.saveEvents([])).rejects.toThrow(`Cannot save events in "${file}": it is closed`);
    await expect(store.listTraces({ tenant: "ada" })).rejects.toThrow("it is closed");
    await using again = await SqliteStateStore.open({ file });
    expect(await numbersOf(again, "t")).toHaveLength(1_200);
  });

  test("keeps nothing of a batch that cannot be written as JSON, and says which event it was", async () => {
    await using store = await SqliteStateStore.open({ file: newFile() });
    const [event] = numbered("t", 2, 1);
    const wrong = { ...event, kind: "node_success", payload: { count: 1n } } as never;
    await expect(store.saveEvents([...numbered("t", 1, 1), wrong])).rejects.toThrow(
      'Cannot save a "node_success" event of trace "t": its payload cannot be written as JSON',
    );
    expect(await numbersOf(store, "t")).toEqual([]);
  });
});

describe("an option", () => {
  test.each([
    [{ file: "" }, 'Option "file" must be the path of a file: got ""'],
    [{ file: ":memory:" }, 'Option "file" must be the path of a file: got ":memory:"'],
    [{ file: 7 }, 'Option "file" must be the path of a file: got 7'],
    [{ file: "a", durability: "FULL" }, 'Option "durability" must be one of "normal", "full": got "FULL"'],
    [{ file: "a", patienceMs: 0 }, 'Option "patienceMs" must be a whole number of 1 or more: got 0'],
    [{ file: "a", maxAgeMs: -1 }, 'Option "maxAgeMs" must be a number of 1 or more: got -1'],
    [{ file: "a", maxTraces: 1.5 }, 'Option "maxTraces" must be a whole number of 1 or more: got 1.5'],
    [{ file: "a", maxBytes: "1" }, 'Option "maxBytes" must be a whole number of 1 or more: got "1"'],
    [
      { file: "a", maxEvents: 1 },
      'Unknown option "maxEvents" of SqliteStateStore: expected one of "file", "durability"',
    ],
  ])("that is wrong is named: %j", async (options, message) => {
    await expect(SqliteStateStore.open(options as never)).rejects.toThrow(message);
  });

  test.each([
    ["normal", 1],
    ["full", 2],
  ] as const)("says how durable saves are: %s", async (durability, level) => {
    const database = await Database.open(resolveOptions({ file: newFile(), durability }));
    expect(database.get("PRAGMA synchronous")).toEqual({ synchronous: level });
    expect(database.get("PRAGMA journal_mode")).toEqual({ journal_mode: "wal" });
    await database.close();
  });
});
