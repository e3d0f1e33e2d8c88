import { create, payloadNode, type StateStore, type StoredEvent } from "penguiflow";
import { describe, expect, test } from "vitest";
import { PostgresStateStore } from "@penguiflow/state-postgres";
import { Proxy } from "./proxy.ts";
import { historyOf, TestSchema } from "./server.ts";

const key = { tenant: "ada", traceId: "t" };
const logger = { debug() {}, info() {}, warn() {}, error() {} };

function batch(from: number, count: number): StoredEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index;
    return { ...key, kind: "node_start", at: 1_760_000_000_000 + number, node: "node", payload: { number } };
  });
}

async function numbers(store: StateStore): Promise<unknown[]> {
  return (await historyOf(store, key)).map(({ payload }) => payload["number"]);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe("a connection that is lost", () => {
  test("in the middle of a batch costs nothing: the batch is kept, once", async () => {
    await using schema = await TestSchema.create();
    const store = await schema.open();
    await store.saveEvents(batch(0, 10));
    await schema.rows("begin");
    await schema.rows("lock table @events in access exclusive mode");
    const saving = store.saveEvents(batch(10, 10));
    await schema.untilLocked();
    expect(await schema.terminate()).toBeGreaterThan(0);
    await schema.rows("commit");
    await saving;
    expect(await numbers(store)).toEqual(upTo(20));
  });

  test("again and again between and within batches costs nothing either", { timeout: 60_000 }, async () => {
    await using schema = await TestSchema.create();
    const store = await schema.open();
    const saved = new AbortController();
    let terminated = 0;
    const killing = (async () => {
      while (!saved.signal.aborted) {
        terminated += await schema.terminate();
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    })();
    for (let from = 0; from < 2_000; from += 20) await store.saveEvents(batch(from, 20));
    saved.abort();
    await killing;
    expect(terminated).toBeGreaterThan(0);
    expect(await numbers(store)).toEqual(upTo(2_000));
  });

  test("after the commit and before its answer does not have the batch kept twice", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const store = await schema.open({}, proxy.port);
    await store.saveEvents(batch(0, 10));
    // the wire format ends with NUL, which distinguishes it from "committed" in the answer to "begin"
    proxy.loseAnswerTo = "commit\0";
    await store.saveEvents(batch(10, 10));
    expect(proxy.loseAnswerTo).toBeUndefined();
    await store.saveEvents(batch(20, 10));
    expect(await numbers(store)).toEqual(upTo(30));
  });

  test("while it is idle is replaced by the next call", async () => {
    await using schema = await TestSchema.create();
    const store = await schema.open();
    expect(await numbers(store)).toEqual([]);
    await schema.terminate();
    await store.saveEvents(batch(0, 1));
    expect(await numbers(store)).toEqual([0]);
  });
});

describe("a server that goes away", () => {
  test("and comes back harms neither the flow nor its history", { timeout: 30_000 }, async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const store = await schema.open({}, proxy.port);
    const double = payloadNode("double", (count: number) => count * 2);
    await using flow = create(double.to(), { stateStore: store, logger });
    flow.run();
    await flow.call(1, key);
    await proxy.goAway();
    for (let count = 0; count < 100; count += 1) expect(await flow.call(count, key)).toBe(count * 2);
    await proxy.comeBack();
    await flow.flush();
    expect(flow.stats().observers.stateStore).toEqual({ dropped: 0, failed: 0, pending: 0 });
    const kinds = (await historyOf(store, key)).map(({ kind }) => kind);
    expect(kinds).toHaveLength(404);
    expect(kinds.filter((kind) => kind === "trace_end")).toHaveLength(101);
  });

  test("for longer than a call's patience has events dropped and counted, and the flow goes on", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const store = await schema.open({ patienceMs: 300 }, proxy.port);
    const double = payloadNode("double", (count: number) => count * 2);
    await using flow = create(double.to(), { stateStore: store, limits: { observerBuffer: 50 }, logger });
    flow.run();
    await proxy.goAway();
    for (let count = 0; count < 100; count += 1) expect(await flow.call(count, key)).toBe(count * 2);
    await flow.flush();
    const { dropped, failed, pending } = flow.stats().observers.stateStore;
    expect(dropped).toBeGreaterThan(0);
    expect(failed).toBeGreaterThan(0);
    expect(pending).toBe(0);
    await proxy.comeBack();
    await flow.call(1, { tenant: "ada", traceId: "after" });
    const { events } = await flow.loadHistory("after", { tenant: "ada" });
    expect(events.map(({ kind }) => kind)).toEqual(["trace_start", "node_start", "node_success", "trace_end"]);
  });

  test("makes a call fail in time, which says for how long it tried and what was wrong", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const store = await schema.open({ patienceMs: 300 }, proxy.port);
    await proxy.goAway();
    await expect(store.loadHistory(key)).rejects.toThrow(
      `Cannot reach PostgreSQL within 300 ms: connect ECONNREFUSED 127.0.0.1:${proxy.port}`,
    );
    await expect(PostgresStateStore.open({ connection: schema.url(proxy.port), patienceMs: 300 })).rejects.toThrow(
      'Cannot open schema "penguiflow": Cannot reach PostgreSQL within 300 ms: connect ECONNREFUSED',
    );
  });

  test("without a word makes a call fail in time, too", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const store = await schema.open({ patienceMs: 300 }, proxy.port);
    proxy.isSilent = true;
    await expect(store.saveEvents(batch(0, 1))).rejects.toThrow("Cannot reach PostgreSQL within 300 ms");
    proxy.isSilent = false;
    await store.saveEvents(batch(1, 1));
    expect(await numbers(store)).toEqual([1]);
  });

  test("does not keep a store from being closed", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const store = await schema.open({ patienceMs: 300 }, proxy.port);
    await proxy.goAway();
    const saving = store.saveEvents(batch(0, 1));
    saving.catch(() => {});
    await store.close();
    await expect(saving).rejects.toThrow("Cannot reach PostgreSQL within 300 ms");
    await expect(store.loadHistory(key)).rejects.toThrow("it is closed");
  });
});

test("what the server refuses is told at once, in its words", async () => {
  await using schema = await TestSchema.create();
  const nowhere = schema.url().replace(/\/\w+\?/, "/nowhere?");
  await expect(PostgresStateStore.open({ connection: nowhere })).rejects.toThrow(
    'Cannot open schema "penguiflow": database "nowhere" does not exist',
  );
  const store = await schema.open();
  await schema.rows("drop table @events");
  await expect(store.saveEvents(batch(0, 1))).rejects.toThrow(`relation "${schema.name}.events" does not exist`);
});
