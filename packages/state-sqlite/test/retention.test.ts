import * as fc from "fast-check";
import type { Retention, StateStore, StoredEvent } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { SqliteStateStore } from "@penguiflow/state-sqlite";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { newFile } from "./fixtures/new-file.ts";
import { numbered, numbersOf } from "./fixtures/numbered.ts";

async function idsOf(store: StateStore, tenant = "ada"): Promise<string[]> {
  return (await store.listTraces({ tenant })).traces.map(({ traceId }) => traceId);
}

/** Checks that the stored totals match the rows and that every row belongs to a trace. */
function checkSums(file: string): void {
  const database = new DatabaseSync(file);
  const get = (sql: string) => ({ ...database.prepare(sql).get() });
  expect(get("SELECT traces, bytes FROM totals")).toEqual(
    get("SELECT count(*) AS traces, coalesce(sum(bytes), 0) AS bytes FROM traces"),
  );
  const wrong = `SELECT count(*) AS wrong FROM traces WHERE events != (SELECT count(*) FROM events WHERE trace = traces.id)
    OR bytes != (SELECT coalesce(sum(octet_length(payload)), 0) FROM events WHERE trace = traces.id)`;
  expect(get(wrong)).toEqual({ wrong: 0 });
  for (const table of ["events", "bindings"])
    expect(get(`SELECT count(*) AS lost FROM ${table} WHERE trace NOT IN (SELECT id FROM traces)`)).toEqual({
      lost: 0,
    });
  database.close();
}

describe("a file with limits", () => {
  test("keeps to them with every save, whatever is saved, and its sums are right", { timeout: 60_000 }, async () => {
    const save = fc.record({
      trace: fc.integer({ min: 0, max: 5 }),
      events: fc.integer({ min: 0, max: 30 }),
      binds: fc.boolean(),
    });
    const limit = (max: number) => fc.option(fc.integer({ min: 1, max }), { nil: undefined });
    const limits = fc.record({ maxTraces: limit(4), maxEventsPerTrace: limit(20), maxBytes: limit(2_000) });
    await fc.assert(
      fc.asyncProperty(limits, fc.array(save, { maxLength: 12 }), async (retention, saves) => {
        const file = newFile();
        await using store = await SqliteStateStore.open({ file, ...retention });
        let number = 0;
        for (const { trace, events, binds } of saves) {
          const traceId = `t${trace}`;
          await store.saveEvents(numbered(traceId, number + 1, events));
          number += events;
          const task = { tenant: "ada", traceId, node: "n", agentUrl: "a", taskId: "1", contextId: undefined };
          if (binds) await store.saveRemoteBinding(task);
          const ids = await idsOf(store);
          const kept = await Promise.all(
            ids.map(async (id) => await store.loadHistory({ tenant: "ada", traceId: id })),
          );
          const { maxTraces = Infinity, maxEventsPerTrace = Infinity, maxBytes = Infinity } = retention as Retention;
          expect(ids.length).toBeLessThanOrEqual(maxTraces);
          for (const page of kept) expect(page.events.length).toBeLessThanOrEqual(maxEventsPerTrace);
          const payloads = kept.flatMap((page) => page.events.map(({ payload }) => JSON.stringify(payload)));
          expect(Buffer.byteLength(payloads.join(""))).toBeLessThanOrEqual(maxBytes);
        }
        expect(await store.prune()).toBe(0);
        checkSums(file);
      }),
      { numRuns: 40 },
    );
  });

  test("is brought to lower limits by pruning, large traces and small", async () => {
    const file = newFile();
    {
      await using store = await SqliteStateStore.open({ file });
      await store.saveEvents(numbered("large", 1, 9_000));
      for (let trace = 0; trace < 300; trace += 1)
        await store.saveEvents(numbered(`t${trace}`, 10_000 + trace * 20, 15));
      await store.saveEvents(numbered("last", 20_000, 30));
    }
    await using store = await SqliteStateStore.open({ file, maxTraces: 200, maxEventsPerTrace: 10 });
    expect(await store.prune()).toBe(102);
    expect(await idsOf(store)).toHaveLength(200);
    expect(await numbersOf(store, "last")).toEqual(numbered("", 20_020, 10).map(({ payload }) => payload["number"]));
    expect(await numbersOf(store, "large")).toEqual([]);
    checkSums(file);
  });

  test("lets go of old traces by its clock, bindings without events too", async () => {
    const clock = new TestClock();
    const file = newFile();
    await using store = await SqliteStateStore.open({ file, clock, maxAgeMs: 1_000 });
    const event = (traceId: string): StoredEvent[] => [
      { tenant: "ada", traceId, kind: "trace_start", at: clock.epochNow(), node: undefined, payload: {} },
    ];
    const bound = { tenant: "ada", traceId: "bound" };
    await store.saveEvents(event("old"));
    await store.saveRemoteBinding({ ...bound, node: "n", agentUrl: "a", taskId: "1", contextId: undefined });
    await clock.advance(600);
    await store.saveEvents(event("new"));
    expect(await idsOf(store)).toEqual(["new", "old"]);
    expect(await store.findRemoteBindings(bound)).toHaveLength(1);
    await clock.advance(600);
    expect(await store.prune()).toBe(2);
    expect(await idsOf(store)).toEqual(["new"]);
    expect(await store.findRemoteBindings(bound)).toEqual([]);
    checkSums(file);
  });
});

test(
  "a million events, of which the last thousand traces are kept, take no more memory than a few",
  { timeout: 180_000 },
  async () => {
    const file = newFile();
    await using store = await SqliteStateStore.open({ file, maxTraces: 1_000 });
    const used: number[] = [];
    for (let batch = 0; batch < 200; batch += 1) {
      const events = Array.from({ length: 50 }, (_, trace) =>
        numbered(`t${batch * 50 + trace}`, batch * 5_000 + trace * 100, 100),
      );
      await store.saveEvents(events.flat());
      used.push(process.memoryUsage().heapUsed);
    }
    const highest = (numbers: number[]): number => Math.max(...numbers) / 2 ** 20;
    expect(highest(used.slice(-50))).toBeLessThan(highest(used.slice(0, 50)) + 64);
    let traces = 0;
    let last: string | undefined;
    for (let cursor: string | undefined; traces === 0 || cursor !== undefined;) {
      const page = await store.listTraces({ tenant: "ada", cursor, limit: 300 });
      traces += page.traces.length;
      last = page.traces.at(-1)?.traceId;
      cursor = page.cursor;
    }
    expect([traces, last]).toEqual([1_000, "t9000"]);
    expect(await numbersOf(store, "t9000")).toHaveLength(100);
    checkSums(file);
  },
);
