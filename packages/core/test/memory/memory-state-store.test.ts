import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryStateStore, type RemoteBinding, type StoredEvent } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { rejection } from "../fixtures/watched-flow.ts";

const event = (traceId: string, number: number, tenant = "acme"): StoredEvent => ({
  tenant,
  traceId,
  kind: "node_start",
  at: number,
  node: "n",
  payload: { number },
});
const series = (traceId: string, many: number, from = 0) =>
  Array.from({ length: many }, (_, index) => event(traceId, from + index));
const key = { tenant: "acme", traceId: "t" };

async function pages(store: MemoryStateStore, limit: number, between: () => Promise<unknown> = async () => {}) {
  const found: StoredEvent[][] = [];
  let cursor: string | undefined;
  do {
    const page = await store.loadHistory({ ...key, limit, cursor });
    found.push([...page.events]);
    cursor = page.cursor;
    if (cursor !== undefined) await between();
  } while (cursor !== undefined);
  return found;
}

describe("the memory store", () => {
  test("returns the stored events, in order, at any page size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 12 }),
        async (batches, limit) => {
          const store = new MemoryStateStore();
          let number = 0;
          for (const size of batches) {
            await store.saveEvents(series("t", size, number));
            number += size;
          }
          const found = await pages(store, limit);
          expect(found.flat().map((one) => one.at)).toEqual(Array.from({ length: number }, (_, index) => index));
          for (const page of found.slice(0, -1)) expect(page).toHaveLength(limit);
          expect(found.length).toBe(Math.max(1, Math.ceil(number / limit)));
        },
      ),
    );
  });

  test("continues from a cursor without a gap or a repetition while events are added and old ones go", async () => {
    const store = new MemoryStateStore({ maxEventsPerTrace: 10 });
    await store.saveEvents(series("t", 8));
    let next = 8;
    const found = await pages(store, 3, async () => {
      if (next < 16) await store.saveEvents(series("t", 1, next++));
    });
    const numbers = found.flat().map((one) => one.at);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.at(-1)).toBe(next - 1);
  });

  test("keeps the newest events of a trace and says no more than it has", async () => {
    const store = new MemoryStateStore({ maxEventsPerTrace: 5 });
    await store.saveEvents(series("t", 20));
    expect((await pages(store, 2)).flat().map((one) => one.at)).toEqual([15, 16, 17, 18, 19]);
  });

  test("removes traces by its clock, bindings without events too", async () => {
    const clock = new TestClock();
    const store = new MemoryStateStore({ clock, maxAgeMs: 1_000 });
    const at = (traceId: string, instant: number) => store.saveEvents([{ ...event(traceId, 1), at: instant }]);
    await at("old", clock.epochNow());
    await store.saveRemoteBinding({ ...binding("one"), traceId: "bound" });
    await clock.advance(600);
    await at("new", clock.epochNow());
    expect(await store.prune()).toBe(0);
    await clock.advance(600);
    expect(await store.prune()).toBe(2);
    expect((await store.listTraces({ tenant: "acme" })).traces.map(({ traceId }) => traceId)).toEqual(["new"]);
    expect(await store.findRemoteBindings({ tenant: "acme", traceId: "bound" })).toEqual([]);
  });

  test("gives summaries that do not change afterwards and do not change the store", async () => {
    const store = new MemoryStateStore();
    await store.saveEvents(series("t", 1));
    const [before] = (await store.listTraces({ tenant: "acme" })).traces;
    await store.saveEvents(series("t", 1, 5));
    expect(before?.lastAt).toBe(0);
    Object.assign(before ?? {}, { state: "failed" });
    expect((await store.listTraces({ tenant: "acme" })).traces[0]).toMatchObject({ lastAt: 5, state: "running" });
  });

  test("gives up the trace that was least recently active when there are too many", async () => {
    const store = new MemoryStateStore({ maxTraces: 2 });
    await store.saveEvents([event("a", 1), event("b", 1), event("a", 2), event("c", 1)]);
    const has = async (traceId: string) => (await store.loadHistory({ tenant: "acme", traceId })).events.length;
    expect([await has("a"), await has("b"), await has("c")]).toEqual([2, 0, 1]);
  });

  test("never gives another tenant's events or bindings, whatever tenant and trace are called", async () => {
    const store = new MemoryStateStore();
    await store.saveEvents([event("t", 1, "acme"), event("t", 2, "rival"), event('","t', 3, "acme")]);
    await store.saveEvents([event("b", 4, "a:"), event(":b", 5, "a")]);
    const numbers = async (tenant: string, traceId: string) =>
      (await store.loadHistory({ tenant, traceId })).events.map((one) => one.at);
    expect(await numbers("acme", "t")).toEqual([1]);
    expect(await numbers("rival", "t")).toEqual([2]);
    expect(await numbers("stranger", "t")).toEqual([]);
    expect(await numbers("a:", "b")).toEqual([4]);
    expect(await numbers("a", ":b")).toEqual([5]);
    await store.saveRemoteBinding(binding("one"));
    expect(await store.findRemoteBindings({ tenant: "rival", traceId: "t" })).toEqual([]);
  });

  test("knows nothing of a trace it never saw", async () => {
    expect(await new MemoryStateStore().loadHistory(key)).toEqual({ events: [], cursor: undefined });
    expect(await new MemoryStateStore().findRemoteBindings(key)).toEqual([]);
  });

  test.each(["-1", "abc", "1.5", "NaN", ""])("refuses the cursor %j, which it never gave", async (cursor) => {
    const store = new MemoryStateStore();
    await store.saveEvents(series("t", 3));
    expect(await rejection(store.loadHistory({ ...key, cursor }))).toBeInstanceOf(TypeError);
  });

  test.each([0, -1, 1.5, Number.NaN])("refuses a limit of %s", async (limit) => {
    expect(await rejection(new MemoryStateStore().loadHistory({ ...key, limit }))).toMatchObject({
      name: "RangeError",
    });
    expect(() => new MemoryStateStore({ maxTraces: limit })).toThrow(RangeError);
    expect(() => new MemoryStateStore({ maxEventsPerTrace: limit })).toThrow(RangeError);
    expect(() => new MemoryStateStore({ maxBytes: limit })).toThrow(RangeError);
  });

  test("refuses options that it does not have", () => {
    expect(() => new MemoryStateStore({ maxTrace: 5 } as never)).toThrow(/Unknown option "maxTrace".*"maxTraces"/);
    expect(() => new MemoryStateStore({ maxAgeMs: -1 })).toThrow('Option "maxAgeMs" must be a number of 1 or more');
  });

  test("replaces a binding of the same trace, node and task, and keeps others apart", async () => {
    const store = new MemoryStateStore();
    await store.saveRemoteBinding(binding("one"));
    await store.saveRemoteBinding({ ...binding("one"), contextId: "later" });
    await store.saveRemoteBinding(binding("two"));
    await store.saveRemoteBinding({ ...binding("one"), node: "other" });
    expect(await store.findRemoteBindings(key)).toEqual([
      { ...binding("one"), contextId: "later" },
      binding("two"),
      { ...binding("one"), node: "other" },
    ]);
  });

  test("gives lists that do not change afterwards and do not change the store", async () => {
    const store = new MemoryStateStore();
    await store.saveEvents(series("t", 2));
    const before = await store.loadHistory(key);
    (before.events as StoredEvent[]).length = 0;
    await store.saveEvents(series("t", 1, 2));
    expect((await store.loadHistory(key)).events).toHaveLength(3);
  });
});

function binding(taskId: string): RemoteBinding {
  return { ...key, node: "remote", agentUrl: "http://agent", taskId, contextId: undefined };
}
