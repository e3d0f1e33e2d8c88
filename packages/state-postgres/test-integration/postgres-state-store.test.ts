import { once } from "node:events";
import type { StoredEvent, TraceKey } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";
import { historyOf, TestSchema } from "./server.ts";

const event = ({ tenant, traceId }: TraceKey, number: number): StoredEvent => ({
  tenant,
  traceId,
  kind: "node_start",
  at: Date.UTC(2026, 0, 1) + number,
  node: "node",
  payload: { number },
});

test("ids of any length and of any letters are kept apart, and are listed as they are", async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open();
  const long = "r".repeat(3_000);
  const traceIds = [`${long}1`, `${long}2`, `${"𐍈".repeat(2_000)}\ud800`, "a\\b", "a\\005cb", "\0", "\\0000", ""];
  for (const tenant of [long, `${long}\0`]) {
    await store.saveEvents(traceIds.map((traceId, number) => event({ tenant, traceId }, number)));
    const { traces } = await store.listTraces({ tenant });
    expect(traces.map(({ traceId }) => traceId)).toEqual([...traceIds].reverse());
    for (const [number, traceId] of traceIds.entries()) {
      await store.saveRemoteBinding({
        tenant,
        traceId,
        node: long,
        agentUrl: long,
        taskId: `${long}\0`,
        contextId: "\0",
      });
      expect(await historyOf(store, { tenant, traceId })).toEqual([event({ tenant, traceId }, number)]);
      const [binding, ...others] = await store.findRemoteBindings({ tenant, traceId });
      expect(others).toEqual([]);
      expect(binding).toMatchObject({ tenant, traceId, node: long, taskId: `${long}\0`, contextId: "\0" });
    }
  }
});

test("every statement about events, traces and bindings names the tenant first in its key", async () => {
  await using schema = await TestSchema.create();
  await schema.open();
  const keys = await schema.rows(
    `select c.relname as name, pg_get_indexdef(i.indexrelid, 1, true) as first
     from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and i.indisprimary and c.relname in ('traces', 'events', 'bindings') order by name`,
    [schema.name],
  );
  expect(keys).toEqual(["bindings", "events", "traces"].map((name) => ({ name, first: "tenant" })));
});

test("retention is kept without being asked for, a minute after the last time", async () => {
  await using schema = await TestSchema.create();
  const clock = new TestClock();
  const store = await schema.open({ maxTraces: 2, clock });
  const save = async (number: number) =>
    await store.saveEvents([event({ tenant: "ada", traceId: `t${number}` }, number)]);
  const left = async () => (await store.listTraces({ tenant: "ada" })).traces.map(({ traceId }) => traceId);
  for (const number of [1, 2, 3]) await save(number);
  expect(await left()).toEqual(["t3", "t2", "t1"]);
  await clock.advance(60_000);
  await save(4);
  await store.close();
  const again = await schema.open();
  expect((await again.listTraces({ tenant: "ada" })).traces.map(({ traceId }) => traceId)).toEqual(["t4", "t3"]);
});

test("retention is kept after 10 000 events, however fast they come", async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open({ maxEventsPerTrace: 100, clock: new TestClock() });
  const key = { tenant: "ada", traceId: "t" };
  for (let from = 0; from < 10_000; from += 1_000) {
    await store.saveEvents(Array.from({ length: 1_000 }, (_, index) => event(key, from + index)));
  }
  await store.close();
  expect(await schema.rows("select count(*)::int, max(number)::int from @events")).toEqual([
    { count: 100, max: 10_000 },
  ]);
});

test("retention that cannot be kept is a warning, and no failure of the save that led to it", async () => {
  await using schema = await TestSchema.create();
  const clock = new TestClock();
  const store = await schema.open({ maxTraces: 1, clock });
  await store.saveEvents([event({ tenant: "ada", traceId: "t1" }, 1)]);
  await schema.rows("drop table @bindings");
  await clock.advance(60_000);
  const warned = once(process, "warning") as Promise<[Error]>;
  await store.saveEvents([event({ tenant: "ada", traceId: "t2" }, 2)]);
  const [warning] = await warned;
  expect(warning.message).toContain(`Cannot prune schema "${schema.name}"`);
  expect((await store.listTraces({ tenant: "ada" })).traces).toHaveLength(2);
  await expect(store.prune()).rejects.toThrow("bindings");
});

test("thousands of traces go in steps", async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open({ maxTraces: 10 });
  await store.saveEvents(
    Array.from({ length: 2_510 }, (_, number) =>
      event({ tenant: `tenant ${number % 7}`, traceId: `t${number}` }, number),
    ),
  );
  expect(await store.prune()).toBe(2_500);
  expect(await schema.rows("select count(*)::int, min(at) from @events")).toEqual([
    { count: 10, min: event({ tenant: "", traceId: "" }, 2_500).at },
  ]);
});

test("a trace that went and is heard of again goes on after an old cursor", async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open({ maxTraces: 1 });
  const key = { tenant: "ada", traceId: "t" };
  await store.saveEvents([1, 2, 3].map((number) => event(key, number)));
  const { cursor } = await store.loadHistory({ ...key, limit: 2 });
  await store.saveEvents([event({ tenant: "ada", traceId: "other" }, 4)]);
  expect(await store.prune()).toBe(1);
  await store.saveEvents([event(key, 5)]);
  expect((await store.loadHistory({ ...key, cursor })).events).toEqual([event(key, 5)]);
});

test("two schemas of one database know nothing of one another", async () => {
  await using one = await TestSchema.create();
  await using other = await TestSchema.create();
  const [storeOfOne, storeOfOther] = [await one.open(), await other.open()];
  const key = { tenant: "ada", traceId: "t" };
  await storeOfOne.saveEvents([event(key, 1)]);
  expect(await historyOf(storeOfOther, key)).toEqual([]);
  expect((await storeOfOther.listTraces({ tenant: "ada" })).traces).toEqual([]);
});

test("a batch with a payload that is no JSON is refused as a whole, and the next one is kept", async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open();
  const key = { tenant: "ada", traceId: "t" };
  const odd = { ...event(key, 2), payload: { size: 1n } };
  await expect(store.saveEvents([event(key, 1), odd])).rejects.toThrow(TypeError);
  await store.saveEvents([event(key, 3)]);
  expect(await historyOf(store, key)).toEqual([event(key, 3)]);
});
