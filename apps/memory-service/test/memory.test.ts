import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { flowToMermaid, type Logger } from "penguiflow";
import { expect, test } from "vitest";
import { type BusinessEvent, hashEmbedder, MemoryError, openMemory } from "@penguiflow/memory-service";
import { sqliteStore, type MemoryStore } from "@penguiflow/memory-service/store";
import { flowBench } from "./flow-services.ts";
import { codeOf, ownFolder, ownMemory } from "./own-memory.ts";

const ADA = { tenant: "acme", user: "ada" };
const app = path.resolve(import.meta.dirname, "..");

/** A store whose calls fail, or wait, from a given moment on. */
function troubled(act: () => Promise<void>): { readonly store: MemoryStore; readonly begin: () => void } {
  const store = sqliteStore();
  let isOn = false;
  const guarded: MemoryStore = {
    catalog: store.catalog,
    read: async (tenant, work) => {
      if (isOn) await act();
      return await store.read(tenant, work);
    },
    write: async (tenant, work) => {
      if (isOn) await act();
      return await store.write(tenant, work);
    },
    purge: async (tenant) => await store.purge(tenant),
    eraseTenant: async (tenant) => await store.eraseTenant(tenant),
    close: async () => await store.close(),
    [Symbol.asyncDispose]: async () => await store.close(),
  };
  return { store: guarded, begin: () => void (isOn = true) };
}

test("no source file imports the test kit", () => {
  const files = globSync("src/**/*.ts", { cwd: app });
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((file) => readFileSync(path.join(app, file), "utf8").includes("penguiflow/testing"))).toEqual([]);
});

test("every flow is one file of fewer than 100 lines, and drawn as it is", () => {
  const page = readFileSync(path.join(app, "FLOWS.md"), "utf8");
  for (const { flow } of Object.values(flowBench().flows)) {
    const file = `src/flows/${flow.name.replace("memory.", "").replaceAll("_", "-")}.ts`;
    expect(readFileSync(path.join(app, file), "utf8").split("\n").length, file).toBeLessThan(100);
    expect(page).toContain(flowToMermaid(flow).trim());
  }
});

test("flows start once for many requests, and each request is a trace", async () => {
  const memory = await ownMemory();
  for (let at = 0; at < 5; at++) await memory.as(ADA).ingest({ text: `text ${at}` });
  const figures = await memory.figures();
  const requests = figures.find(
    ({ name, labels }) => name === "memory_requests_total" && labels["flow"] === "memory.ingest",
  );
  expect(requests).toMatchObject({ value: 5, labels: { status: "completed" } });
});

test("a failure is logged with its cause and counted, and the caller is told no detail", async () => {
  const lines: string[] = [];
  const write = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  const { store, begin } = troubled(async () => await Promise.reject(new Error("CHECK constraint failed: event_type")));
  const memory = await ownMemory({ store, logger });
  const ada = memory.as(ADA);
  begin();
  const failure: unknown = await ada.erase("some-id").catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(MemoryError);
  expect([String(failure), (failure as MemoryError).code]).toEqual(["MemoryError: The service failed", "INTERNAL"]);
  await expect.poll(() => lines.join("\n")).toContain("CHECK constraint failed: event_type");
  const figures = await memory.figures();
  expect(figures.find(({ name }) => name === "memory_stage_failures_total")?.labels).toEqual({
    flow: "memory.erase",
    stage: "authorize",
  });
});

test("deadline, cancel and stop have codes of their own", async () => {
  const { promise: never } = Promise.withResolvers<void>();
  const { store, begin } = troubled(async () => await never);
  const memory = await openMemory({ store });
  const ada = memory.as(ADA);
  begin();
  expect(await codeOf(ada.retrieve({ query: "a" }, { timeoutMs: 20 }))).toBe("DEADLINE");
  const leaving = new AbortController();
  const left = codeOf(ada.retrieve({ query: "a" }, { signal: leaving.signal }));
  leaving.abort();
  expect(await left).toBe("CANCELLED");
  const waiting = codeOf(ada.retrieve({ query: "a" }));
  await memory.close({ drainMs: 0 });
  expect(await waiting).toBe("STOPPED");
  expect(await codeOf(ada.list())).toBe("STOPPED");
});

test("closing lets requests in flight finish", async () => {
  const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
  const { store, begin } = troubled(async () => await goOn);
  const memory = await openMemory({ store });
  begin();
  const kept = memory.as(ADA).ingest({ text: "the last one" });
  const closed = memory.close();
  release();
  expect((await kept).created).toBe(true);
  await closed;
});

test("a tenant that has as many requests in flight as it may is refused, and no other", async () => {
  const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
  const { store, begin } = troubled(async () => await goOn);
  const memory = await ownMemory({ store, limits: { tenantRequests: 2 } });
  begin();
  const flood = Array.from({ length: 4 }, (_, at) => codeOf(memory.as(ADA).ingest({ text: `text ${at}` })));
  const other = memory.as({ tenant: "other", user: "eve" }).ingest({ text: "mine" });
  release();
  expect(await Promise.all(flood)).toEqual(["no error", "no error", "TENANT_LIMIT", "TENANT_LIMIT"]);
  expect((await other).created).toBe(true);
});

test("input that does not fit is refused with the place of each fault, and nothing is kept", async () => {
  const memory = await ownMemory({ limits: { textBytes: 100, fragments: 3 } });
  const ada = memory.as(ADA);
  const faults: readonly (readonly [unknown, string])[] = [
    [{ text: "" }, "text"],
    [{ text: " \n" }, "text"],
    [{ text: "a\u0000b" }, "text"],
    [{ text: "\ud800" }, "text"],
    [{ text: "é".repeat(51) }, "text"],
    [{ text: "a", level: "public" }, "level"],
    [{ text: "a", conversation: "a b" }, "conversation"],
    [{ text: "a", tenant: "other" }, ""],
    [{ text: "a", saidAt: Number.NaN }, "saidAt"],
  ];
  for (const [input, place] of faults) {
    const error: unknown = await ada.ingest(input as { text: string }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "INVALID" });
    expect((error as MemoryError).issues.map((issue) => issue.path.filter((key) => key !== 0).join("."))).toEqual([
      place,
    ]);
  }
  expect(await codeOf(ada.ingest([{ text: "fine" }, { text: "" }]))).toBe("INVALID");
  expect((await ada.list()).items).toEqual([]);
  await ada.ingest([{ text: "one" }, { text: "two" }]);
  expect(await codeOf(ada.ingest([{ text: "three" }, { text: "four" }]))).toBe("TENANT_LIMIT");
});

test("scopes decide which methods a principal may call", async () => {
  const memory = await ownMemory();
  const reader = memory.as({ ...ADA, scopes: ["read"] });
  expect(await codeOf(reader.ingest({ text: "a" }))).toBe("FORBIDDEN");
  expect(await codeOf(reader.share("a", ADA))).toBe("FORBIDDEN");
  expect(await codeOf(reader.eraseTenant())).toBe("FORBIDDEN");
  expect((await reader.list()).items).toEqual([]);
});

test("keys prove a principal until they end or are revoked, and their secrets are in no file", async () => {
  const directory = ownFolder();
  const memory = await ownMemory({ directory });
  const secret = await memory.keys.create({ ...ADA, scopes: ["read"] });
  expect(await memory.keys.verify(secret)).toMatchObject({ ...ADA, scopes: ["read"] });
  expect(await memory.keys.verify(`${secret}x`)).toBeUndefined();
  const old = await memory.keys.create({ tenant: "acme", expiresAt: 1 });
  expect(await memory.keys.verify(old)).toBeUndefined();
  expect(await memory.keys.revoke(secret)).toBe(true);
  expect(await memory.keys.verify(secret)).toBeUndefined();
  for (const file of globSync("**/*", { cwd: directory }).filter((name) => name.includes(".db")))
    expect(readFileSync(path.join(directory, file)).includes(secret)).toBe(false);
});

test("pages follow each other without gaps, and a cursor of another user or filter is refused", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  const { ids } = await ada.ingest(
    Array.from({ length: 25 }, (_, at) => ({ text: `text ${at}`, level: "tenant" as const })),
  );
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await ada.list({ limit: 10, cursor });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  expect(seen).toEqual(ids.toReversed());
  const { next = "" } = await ada.list({ limit: 10 });
  expect(await codeOf(memory.as({ ...ADA, user: "bob" }).list({ cursor: next, limit: 10 }))).toBe("INVALID");
  expect(await codeOf(ada.list({ cursor: next, level: "tenant" }))).toBe("INVALID");
  expect(await codeOf(ada.list({ cursor: `${next}x` }))).toBe("INVALID");
  const events = await ada.events({ limit: 20 });
  expect((await ada.events({ limit: 20, cursor: events.next })).items).toHaveLength(5);
  const exported: string[] = [];
  for await (const { id } of ada.export()) exported.push(id);
  expect(exported).toEqual(seen);
});

test("a long text is split at sentences into neighbours that join to the text", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  const text = Array.from({ length: 120 }, (_, at) => `Sentence number ${at} is about penguins.`).join(" ");
  const { ids } = await ada.ingest({ text });
  const parts = await Promise.all(ids.map(async (id) => await ada.get(id)));
  expect(ids.length).toBeGreaterThan(2);
  expect(parts.map((part) => part.text).join("")).toBe(text);
  expect(parts[1]?.neighbours.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
  expect(parts.every((part) => part.text.length <= 2_000)).toBe(true);
});

test("a turn that corrects what was recalled in its conversation weakens it; one that confirms strengthens", async () => {
  const events: BusinessEvent[] = [];
  const memory = await ownMemory({ onBusinessEvent: (event) => void events.push(event) });
  const ada = memory.as(ADA);
  const { id } = await ada.ingest({ text: "The gate code is 4711." });
  await ada.reinforce(id, 1);
  const strength = async (): Promise<number> => (await ada.get(id)).strength;
  const first = await strength();
  await ada.retrieve({ query: "gate code", within: "chat" });
  const said = { conversation: "chat", role: "user" } as const;
  expect((await ada.ingest({ text: "That's right, thanks.", ...said })).feedback).toBe("confirmed");
  const second = await strength();
  expect(second).toBeGreaterThan(first);
  expect((await ada.ingest({ text: "No, that's wrong.", ...said })).feedback).toBe("corrected");
  expect(await strength()).toBeLessThan(second);
  expect((await ada.ingest({ text: "No, that's wrong.", ...said, conversation: "elsewhere" })).feedback).toBe("none");
  expect(JSON.stringify(events)).not.toMatch(/4711|"ada"|"acme"/);
});

test("a superseded fragment is hidden from searches, stays readable, and comes back when the newer is erased", async () => {
  const memory = await ownMemory({ embedder: hashEmbedder() });
  const ada = memory.as(ADA);
  const { id: older } = await ada.ingest({ text: "The gate code is 4711." });
  await memory.drained();
  const { id: newer } = await ada.ingest({ text: "The gate code is 1147 now.", supersedes: older });
  await memory.drained();
  const found = async (): Promise<string[]> => (await ada.retrieve({ query: "gate code" })).items.map(({ id }) => id);
  expect(await found()).toEqual([newer]);
  expect((await ada.get(older)).supersededBy).toBe(newer);
  await ada.erase(newer);
  expect(await found()).toEqual([older]);
});

test("an answer is cut at its limit and tokens, and says so", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  await ada.ingest(Array.from({ length: 8 }, (_, at) => ({ text: `penguin ${"x".repeat(40)} ${at}` })));
  const few = await ada.retrieve({ query: "penguin", limit: 3, explain: true });
  expect([few.items.length, few.truncated]).toEqual([3, true]);
  expect(few.candidates?.filter(({ cut }) => cut === "limit")).toHaveLength(5);
  const short = await ada.retrieve({ query: "penguin", maxTokens: 30, explain: true });
  expect(short.items).toHaveLength(2);
  expect(short.candidates?.filter(({ cut }) => cut === "tokens")).toHaveLength(6);
});

test("options that do not fit are refused when the memory is opened", async () => {
  await expect(openMemory({ folder: "x" } as object)).rejects.toThrow('Unknown option "folder"');
  await expect(openMemory({ limits: { batch: 0 } })).rejects.toThrow('Limit "batch"');
  await expect(openMemory({ store: sqliteStore(), directory: "x" })).rejects.toThrow("exclude each other");
  await expect(openMemory({ formerEmbedders: [hashEmbedder()] })).rejects.toThrow("need a current one");
});
