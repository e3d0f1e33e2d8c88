import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";
import { hashEmbedder, type Memory } from "@penguiflow/memory-service";
import { type MemoryStore, sqliteStore } from "@penguiflow/memory-service/store";
import { OpenFiles } from "../src/store/sqlite/open-files.ts";
import { ownFolder, ownMemory } from "./own-memory.ts";

const IDLE_MS = 60_000;

/** Whether the file of a tenant is open in some process: SQLite removes its log when the last one closes it. */
function isOpen(directory: string, tenant: string): boolean {
  return existsSync(path.join(directory, "tenants", `${tenant}.db-wal`));
}

/** Lets minutes pass until the worker leaves a tenant's file closed; it trusts a file's time only when it is not young. */
async function untilClosed(memory: Memory, clock: TestClock, directory: string, tenant: string): Promise<void> {
  for (let minute = 0; minute < 2_000; minute++) {
    await memory.drained();
    await clock.advance(IDLE_MS);
    await memory.drained();
    if (!isOpen(directory, tenant)) return;
  }
  throw new Error(`The file of "${tenant}" is still open`);
}

/** Opens numbered files that a test can see closing. */
function numberedFiles(limit: number) {
  const clock = new TestClock();
  const closed: string[] = [];
  const files = new OpenFiles({
    clock,
    limit,
    idleMs: IDLE_MS,
    open: async (name) => name,
    close: async (name) => void closed.push(name),
  });
  return { clock, closed, files };
}

test("a tenant that no request used for a minute is closed with its vectors; the next request opens it again", async () => {
  const [directory, clock] = [ownFolder(), new TestClock()];
  const memory = await ownMemory({ directory, clock, embedder: hashEmbedder(32) });
  const ada = memory.as({ tenant: "acme", user: "ada" });
  await ada.ingest({ text: "the gate code is 4711" });
  await memory.drained();
  await ada.retrieve({ query: "gate code" });
  const bytes = async () => (await memory.figures()).find(({ name }) => name === "memory_blocks_bytes")?.value;
  expect([isOpen(directory, "acme"), await bytes()]).toEqual([true, 65_536]);
  await clock.advance(IDLE_MS - 1);
  expect([isOpen(directory, "acme"), await bytes()]).toEqual([true, 65_536]);
  // the worker looks once more at a tenant whose file has changed, then leaves it closed
  await untilClosed(memory, clock, directory, "acme");
  expect([isOpen(directory, "acme"), await bytes()]).toEqual([false, 0]);
  const { items } = await ada.retrieve({ query: "gate code" });
  expect(items).toMatchObject([{ text: "the gate code is 4711", why: { words: 1, vectors: 1 } }]);
  expect([isOpen(directory, "acme"), await bytes()]).toEqual([true, 65_536]);
});

test("monitoring opens no tenant at rest, and still counts its dead jobs", async () => {
  const [directory, clock] = [ownFolder(), new TestClock()];
  const embedder = { ...hashEmbedder(32), embed: async () => await Promise.reject(new Error("no model")) };
  const memory = await ownMemory({ directory, clock, embedder });
  await memory.as({ tenant: "acme", user: "ada" }).ingest({ text: "the gate code" });
  const dead = async () => (await memory.figures()).find(({ labels }) => labels["state"] === "dead")?.value;
  for (let minute = 0; minute < 70; minute++) {
    await memory.drained();
    await clock.advance(IDLE_MS);
  }
  await untilClosed(memory, clock, directory, "acme");
  expect([isOpen(directory, "acme"), await dead(), isOpen(directory, "acme")]).toEqual([false, 1, false]);
});

test("jobs that another process leaves to a tenant at rest are found within a minute", async () => {
  const [directory, clock] = [ownFolder(), new TestClock()];
  const memory = await ownMemory({ directory, clock, embedder: hashEmbedder(32) });
  const ada = memory.as({ tenant: "acme", user: "ada" });
  await ada.ingest({ text: "first" });
  await untilClosed(memory, clock, directory, "acme");
  const other = await ownMemory({ directory, clock, embedder: hashEmbedder(32), worker: false });
  await other.as({ tenant: "acme", user: "ada" }).ingest({ text: "second" });
  expect((await ada.jobs()).figures.waiting).toBe(1);
  await clock.advance(IDLE_MS);
  await memory.drained();
  expect((await ada.jobs()).figures.waiting).toBe(0);
});

test("to look for changes of a file lets no other process write into a transaction under way", async () => {
  const directory = ownFolder();
  await using store = sqliteStore({ directory });
  const file = path.join(directory, "tenants", "acme.db");
  const other = `
    const database = new (require("node:sqlite").DatabaseSync)(process.argv[1], { timeout: 0 });
    try { database.exec("begin immediate"); console.log("begun"); } catch (error) { console.log(error.message); }`;
  const said = await store.write("acme", async ({ settings }) => {
    await settings.set("salt", "first");
    store.changeMark?.("acme");
    return execFileSync(process.execPath, ["--no-warnings", "-e", other, file], { encoding: "utf8" });
  });
  expect(said).toBe("database is locked\n");
});

test("an erased tenant is looked at no more", async () => {
  const clock = new TestClock();
  const inner = sqliteStore();
  let calls = 0;
  const store: MemoryStore = {
    catalog: inner.catalog,
    read: async (tenant, work) => {
      calls += 1;
      return await inner.read(tenant, work);
    },
    write: async (tenant, work) => {
      calls += 1;
      return await inner.write(tenant, work);
    },
    purge: async (tenant) => await inner.purge(tenant),
    eraseTenant: async (tenant) => await inner.eraseTenant(tenant),
    close: async () => await inner.close(),
    [Symbol.asyncDispose]: async () => await inner.close(),
  };
  const memory = await ownMemory({ store, clock, embedder: hashEmbedder(32) });
  const ada = memory.as({ tenant: "acme", user: "ada", scopes: ["read", "write", "admin"] });
  await ada.ingest({ text: "first" });
  await memory.drained();
  await ada.eraseTenant();
  await clock.advance(IDLE_MS);
  await memory.drained();
  calls = 0;
  for (let minute = 0; minute < 5; minute++) await clock.advance(IDLE_MS);
  expect(calls).toBe(0);
});

test("a file stays open while a call uses it, beyond the idle time and beyond the limit", async () => {
  const { clock, closed, files } = numberedFiles(1);
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const work = files.use("long", async () => await end);
  await files.use("short", async () => {});
  await clock.advance(10 * IDLE_MS);
  expect([closed, files.size]).toEqual([["short"], 1]);
  resolve();
  await work;
  await clock.advance(IDLE_MS - 1);
  expect(closed).toEqual(["short"]);
  await clock.advance(1);
  expect([closed, files.size]).toEqual([["short", "long"], 0]);
});

test("the least recently used file is closed first, beyond the limit", async () => {
  const { closed, files } = numberedFiles(2);
  for (const name of ["a", "b", "a", "c"]) await files.use(name, async () => {});
  expect(closed).toEqual(["b"]);
});

test("a call is answered also when the file whose place it needed does not close", async () => {
  const files = new OpenFiles({
    clock: new TestClock(),
    limit: 1,
    open: async (name) => name,
    close: async () => await Promise.reject(new Error("no space left")),
  });
  await files.use("first", async () => {});
  expect([await files.use("second", async () => "answered"), files.size]).toEqual(["answered", 1]);
});

test("a transaction under way outlasts the idle time: all of it is kept", async () => {
  const [directory, clock] = [ownFolder(), new TestClock()];
  await using store = sqliteStore({ directory, clock, idleMs: IDLE_MS, openFiles: 1 });
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const work = store.write("acme", async ({ settings }) => {
    await settings.set("salt", "first");
    await end;
    await settings.set("active_model", "second");
  });
  await store.read("other", async ({ settings }) => await settings.get("salt"));
  await clock.advance(10 * IDLE_MS);
  resolve();
  await work;
  await clock.advance(IDLE_MS);
  expect(isOpen(directory, "acme")).toBe(false);
  const kept = await store.read("acme", async ({ settings }) => [
    await settings.get("salt"),
    await settings.get("active_model"),
  ]);
  expect(kept).toEqual(["first", "second"]);
});
