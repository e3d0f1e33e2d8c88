import { create, exportTraces, MemoryStateStore, payloadNode, readHistory, readTraces, replayTrace } from "penguiflow";
import type { FlowEvent, StateStore, StoredEvent } from "penguiflow";
import { describe, expect, test } from "vitest";
import { tidy } from "../fixtures/watched-flow.ts";

/** Wraps a store so that its pages have at most two entries. */
function inSmallPages(store: StateStore): StateStore & { readonly pages: number } {
  const counted = {
    pages: 0,
    saveEvents: (batch: readonly StoredEvent[]) => store.saveEvents(batch),
    loadHistory(query: Parameters<StateStore["loadHistory"]>[0]) {
      counted.pages += 1;
      return store.loadHistory({ ...query, limit: 2 });
    },
    listTraces(query: Parameters<StateStore["listTraces"]>[0]) {
      counted.pages += 1;
      return store.listTraces({ ...query, limit: 2 });
    },
    prune: () => store.prune(),
    saveRemoteBinding: (binding: Parameters<StateStore["saveRemoteBinding"]>[0]) => store.saveRemoteBinding(binding),
    findRemoteBindings: (key: Parameters<StateStore["findRemoteBindings"]>[0]) => store.findRemoteBindings(key),
  };
  return counted;
}

/** Returns the store of a flow that was called with 1 to 5, of which 2 and 4 fail, and the events of its middleware. */
async function used() {
  const store = inSmallPages(new MemoryStateStore());
  const seen: FlowEvent[] = [];
  const odd = payloadNode("odd", (number: number) => {
    if (number % 2 === 0) throw new RangeError(`${number} is even`);
    return number;
  });
  const flow = tidy(create(odd.to(), { stateStore: store, middlewares: [(event) => void seen.push(event)] }).run());
  for (let number = 1; number <= 5; number += 1) await flow.outcome(number, { traceId: `t${number}`, tenant: "acme" });
  await flow.outcome(7, { traceId: "t1", tenant: "rival" });
  await flow.flush();
  return { store, of: (traceId: string) => seen.filter((e) => e.traceId === traceId && e.tenant === "acme"), seen };
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("what a store has kept", () => {
  test("is read as one history, whatever its pages are", async () => {
    const { store, of } = await used();
    const events = await all(readHistory(store, { tenant: "acme", traceId: "t2" }));
    expect(events.map(({ payload }) => payload)).toEqual(of("t2"));
    expect(store.pages).toBe(Math.ceil(events.length / 2));
    expect(await all(readHistory(store, { tenant: "stranger", traceId: "t2" }))).toEqual([]);
  });

  test("loads no page before it is wanted", async () => {
    const { store } = await used();
    for await (const event of readHistory(store, { tenant: "acme", traceId: "t2" })) {
      expect(event.kind).toBe("trace_start");
      break;
    }
    expect(store.pages).toBe(1);
  });

  test("is listed by what became of it, for one tenant", async () => {
    const { store } = await used();
    const ids = async (filter: object) =>
      (await all(readTraces(store, { tenant: "acme", ...filter }))).map(({ traceId }) => traceId).sort();
    expect(await ids({})).toEqual(["t1", "t2", "t3", "t4", "t5"]);
    expect(await ids({ state: "failed" })).toEqual(["t2", "t4"]);
    expect(await ids({ node: "odd", errorCode: "NODE_EXCEPTION" })).toEqual(["t2", "t4"]);
    expect(await ids({ state: "running" })).toEqual([]);
  });

  test("is exported as lines of JSON, trace by trace", async () => {
    const { store, of } = await used();
    const lines = await all(exportTraces(store, { tenant: "acme", state: "failed" }));
    for (const line of lines) expect(line).toMatch(/^\{.*\}\n$/);
    const events = lines.map((line) => JSON.parse(line) as StoredEvent);
    const wanted = [...new Set(events.map(({ traceId }) => traceId))].flatMap((traceId) => of(traceId));
    expect(wanted.length).toBeGreaterThan(4);
    expect(events.map(({ payload }) => payload)).toEqual(JSON.parse(JSON.stringify(wanted)));
  });

  test("is told again to a middleware, one event after the other", async () => {
    const { store, of } = await used();
    const told: FlowEvent[] = [];
    let busy = false;
    const count = await replayTrace(store, { tenant: "acme", traceId: "t4" }, async (event) => {
      expect(busy).toBe(false);
      busy = true;
      await Promise.resolve();
      busy = false;
      told.push(event);
    });
    expect(told).toEqual(of("t4"));
    expect(count).toBe(told.length);
  });

  test("is told no further when the middleware throws", async () => {
    const { store } = await used();
    let calls = 0;
    const replay = replayTrace(store, { tenant: "acme", traceId: "t4" }, () => {
      calls += 1;
      throw new Error("no more");
    });
    await expect(replay).rejects.toThrow("no more");
    expect(calls).toBe(1);
  });
});

test("a playbook's failure that its parent mends leaves the trace completed", async () => {
  const store = new MemoryStateStore();
  const broken = create(
    payloadNode("broken", () => {
      throw new Error("boom");
    }).to(),
    { name: "inner" },
  );
  const states: string[] = [];
  const mending = payloadNode("mending", async (_: number, ctx) => {
    const failure = await ctx.callPlaybook(broken as never, ctx.message as never).catch((error: unknown) => error);
    states.push(...(await store.listTraces({ tenant: "acme" })).traces.map(({ state }) => state));
    return (failure as Error).message;
  });
  const flow = tidy(create(mending.to(), { name: "outer", stateStore: store }).run());
  expect(await flow.call(1, { traceId: "t", tenant: "acme" })).toBeTypeOf("string");
  await flow.flush();
  const { traces } = await store.listTraces({ tenant: "acme" });
  expect(states).toEqual(["running"]);
  expect(traces).toMatchObject([{ traceId: "t", flow: "outer", state: "completed", errorCode: undefined }]);
  const kinds = (await all(readHistory(store, { tenant: "acme", traceId: "t" }))).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "trace_end").length).toBe(2);
});
