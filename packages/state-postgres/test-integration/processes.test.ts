import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { StoredEvent } from "penguiflow";
import { expect, test } from "vitest";
import { MIGRATIONS } from "../src/migrations.ts";
import { historyOf, TestSchema } from "./server.ts";

const program = path.join(import.meta.dirname, "saving-process.ts");

/** Starts a process that saves; resolves when it has ended. */
async function runWriter(schema: TestSchema, name: string, batches: number): Promise<void> {
  const args = ["--conditions=@penguiflow/source", program, schema.name, name, String(batches)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  child.stderr.on("data", (text: Buffer) => (complaints += text.toString()));
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`Writer "${name}" ended with ${status}:\n${complaints}`);
}

const ofWriter = (events: readonly StoredEvent[], name: string): unknown[] =>
  events.filter(({ payload }) => payload["name"] === name).map(({ payload }) => payload["number"]);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test("five processes that open a new schema at once make it once", { timeout: 60_000 }, async () => {
  await using schema = await TestSchema.create();
  await Promise.all(upTo(5).map((number) => runWriter(schema, `writer ${number}`, 1)));
  expect(await schema.rows("select version from @versions")).toHaveLength(MIGRATIONS.length);
  const store = await schema.open();
  const history = await historyOf(store, { tenant: "ada", traceId: "shared" });
  expect(history).toHaveLength(10);
});

test("a reader who follows a trace that two processes write misses nothing", { timeout: 60_000 }, async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open();
  const written = new AbortController();
  const writing = Promise.all([runWriter(schema, "one", 150), runWriter(schema, "other", 150)]).finally(() =>
    written.abort(),
  );
  const seen: StoredEvent[] = [];
  // leaves the last event of each page for the next one, so that the cursor stays in use
  let cursor: string | undefined;
  for (let isLast = false; !isLast;) {
    isLast = written.signal.aborted;
    for (;;) {
      const page = await store.loadHistory({ tenant: "ada", traceId: "shared", cursor, limit: 7 });
      if (page.cursor === undefined) {
        if (isLast) seen.push(...page.events);
        break;
      }
      seen.push(...page.events);
      cursor = page.cursor;
    }
  }
  await writing;
  expect(seen).toHaveLength(600);
  for (const name of ["one", "other"]) {
    expect(ofWriter(seen, name)).toEqual(upTo(300));
    const own = await historyOf(store, { tenant: "ada", traceId: name });
    expect(ofWriter(own, name)).toEqual(upTo(300));
  }
});

test("what is pruned while two processes write leaves nothing behind", { timeout: 60_000 }, async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open({ maxTraces: 1, maxEventsPerTrace: 20 });
  const written = new AbortController();
  const writing = Promise.all([runWriter(schema, "one", 100), runWriter(schema, "other", 100)]).finally(() =>
    written.abort(),
  );
  let pruned = 0;
  while (!written.signal.aborted) pruned += await store.prune();
  await writing;
  await store.prune();
  expect(pruned).toBeGreaterThan(0);
  const orphans = "select count(*)::int from @events e where not exists (select from @traces t where t.id = e.trace)";
  expect(await schema.rows(orphans)).toEqual([{ count: 0 }]);
  const [left, ...others] = await schema.rows(
    `select t.events::int, t.bytes::int, count(*)::int as counted, sum(octet_length(e.payload))::int as weighed
     from @traces t join @events e on e.trace = t.id group by t.tenant, t.trace_id`,
  );
  expect(others).toEqual([]);
  expect(left?.["events"]).toBeLessThanOrEqual(20);
  expect(left).toEqual({
    events: left?.["counted"],
    bytes: left?.["weighed"],
    counted: left?.["events"],
    weighed: left?.["bytes"],
  });
});
