import { afterEach, describe, expect, test } from "vitest";
import {
  type CheckpointStore,
  type Context,
  create,
  type FlowError,
  MemoryCheckpointStore,
  type Message,
  payloadNode,
  type StreamItem,
  TraceCancelled,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { gate } from "../fixtures/quiet-flow.ts";
import { CutCheckpoints } from "./cut-checkpoint-store.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const DAY_MS = 86_400_000;

/** Starts a flow of one node in a process of its own, and counts its handler calls. */
function processOf(
  checkpoints: CheckpointStore,
  work: (order: { n: number }, ctx: Context) => unknown = ({ n }) => ({ doubled: n * 2, at: new Date(n) }),
  options: Partial<Parameters<typeof durable>[0]> & { readonly clock?: TestClock } = {},
) {
  const { clock, ...rest } = options;
  const calls: number[] = [];
  const node = payloadNode("work", async (order: { n: number }, ctx) => {
    calls.push(order.n);
    return await work(order, ctx);
  });
  const ports = clock === undefined ? {} : { clock };
  const durability = durable({ checkpoints, ...rest });
  const flow = create(node.to(), { durability, logger: SILENT, graceMs: 5, ...ports });
  flow.run();
  return { flow, calls };
}

const never = async (): Promise<never> => await new Promise(() => {});

/** Flows that are stopped after the test. */
const open: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const flow of open.splice(0)) await flow.stop();
});

async function refusalOf(work: Promise<unknown>): Promise<FlowError> {
  const error: unknown = await work.then(
    (value) => expect.fail(`it resolved with ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  return error as FlowError;
}

async function read(stream: AsyncIterable<StreamItem<unknown>>): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream) items.push(item.type === "result" ? item.result : item.type);
  return items;
}

describe("after a crash, a call that is repeated with its id", () => {
  test("joins the trace in flight and is given its outcome", async () => {
    const memory = new MemoryCheckpointStore();
    const store = new CutCheckpoints(memory);
    const before = processOf(store, never);
    before.flow.call({ n: 1 }, { id: "a" }).catch(() => {});
    await before.flow.ready();
    while ((await before.flow.recovery.unfinished()).length === 0) await settle();
    store.cut();
    await before.flow.stop();

    const go = Promise.withResolvers<void>();
    const after = processOf(memory, async ({ n }) => {
      await go.promise;
      return n * 2;
    });
    await using flow = after.flow;
    const answers = [
      flow.call({ n: 1 }, { id: "a" }),
      flow.outcome({ n: 1 }, { id: "a" }).then(({ results }) => results[0]),
      read(flow.stream({ n: 1 }, { id: "a" })).then((items) => items.at(-1)),
      flow.emit({ n: 1 }, { id: "a" }).then(() => 2),
    ];
    expect(await refusalOf(flow.call({ n: 2 }, { id: "a" }))).toMatchObject({ code: "ID_CONFLICT" });
    go.resolve();
    expect(await Promise.all(answers)).toEqual([2, 2, 2, 2]);
    expect(after.calls).toEqual([1]);
  });

  test("is given the outcome that was stored, results and error whole", async () => {
    const store = new MemoryCheckpointStore();
    const cases: Readonly<Record<string, (ctx: Context) => unknown>> = {
      completed: () => ({ at: new Date(5), big: 5n }),
      failed: () => {
        throw new RangeError("no seat left");
      },
      empty: () => undefined,
      exhausted: async (ctx) => await ctx.sleep(60_000),
      cancelled: async (ctx) => await ctx.sleep(60_000),
    };
    const work = (_: unknown, ctx: Context): unknown => cases[ctx.traceId]?.(ctx);
    const optionsOf = (id: string) => ({ id, tenant: "acme", ...(id === "exhausted" ? { timeoutMs: 20 } : {}) });
    const before = processOf(store, work);
    const outcomes = [];
    for (const status of Object.keys(cases)) {
      const outcome = before.flow.outcome({ n: 1 }, optionsOf(status));
      if (status === "cancelled") {
        await settle();
        await before.flow.cancel(status, { tenant: "acme", reason: "changed my mind" });
      }
      outcomes.push(await outcome);
    }
    expect(outcomes.map(({ status }) => status)).toEqual(Object.keys(cases));
    await before.flow.stop();

    const { flow, calls } = processOf(store, work);
    open.push(flow);
    for (const [index, status] of Object.keys(cases).entries()) {
      const again = await flow.outcome({ n: 1 }, optionsOf(status));
      expect(plainOf(again)).toEqual(plainOf(outcomes[index]));
    }
    const cancelled = await refusalOf(flow.call({ n: 1 }, optionsOf("cancelled")));
    expect(cancelled).toBeInstanceOf(TraceCancelled);
    const failed = await refusalOf(flow.call({ n: 1 }, optionsOf("failed")));
    expect(failed.cause).toMatchObject({ name: "RangeError", message: "no seat left" });
    expect(calls).toEqual([]);
    expect(await flow.call({ n: 1 }, optionsOf("completed"))).toEqual({ at: new Date(5), big: 5n });
    expect(await read(flow.stream({ n: 1 }, optionsOf("completed")))).toHaveLength(1);
  });

  test("runs where the process ended before the message was stored", async () => {
    const memory = new MemoryCheckpointStore();
    const store = new CutCheckpoints(memory);
    const before = processOf(store);
    await before.flow.ready();
    store.cut();
    before.flow.call({ n: 1 }, { id: "a" }).catch(() => {});
    await settle();
    await before.flow.stop();
    const after = processOf(memory);
    await using flow = after.flow;
    expect(await flow.call({ n: 1 }, { id: "a" })).toMatchObject({ doubled: 2 });
    expect(after.calls).toEqual([1]);
  });
});

test("the id of a trace whose deadline passes between two processes has the outcome of a trace that was exhausted", async () => {
  const store = new MemoryCheckpointStore();
  const clock = new TestClock();
  const before = processOf(store, never, { clock });
  before.flow.call({ n: 1 }, { id: "a", timeoutMs: 1_000 }).catch(() => {});
  await before.flow.ready();
  await clock.advance(1);
  const stopped = before.flow.stop();
  await clock.advance(2_000);
  await stopped;
  const { flow, calls } = processOf(store, never, { clock });
  await flow.ready();
  expect(await refusalOf(flow.call({ n: 1 }, { id: "a" }))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  expect(calls).toEqual([]);
  const last = flow.stop();
  await clock.advance(10);
  await last;
});

describe("the outcome of an id", () => {
  test("is stored in the batch that removes its trace, and read from the store alone", async () => {
    const store = new MemoryCheckpointStore();
    const { flow, calls } = processOf(store);
    const first = await flow.call({ n: 1 }, { id: "a" });
    await settle();
    expect(flow.stats()).toMatchObject({ keptOutcomes: 0, unreadResults: 0 });
    expect(await flow.recovery.unfinished()).toEqual([]);
    const again = await Promise.all([1, 2, 3].map(() => flow.call({ n: 1 }, { id: "a" })));
    expect(again).toEqual([first, first, first]);
    expect(calls).toEqual([1]);
    await flow.stop();
  });

  test("is one for many concurrent calls of a new id, in one process", async () => {
    const { flow, calls } = processOf(new MemoryCheckpointStore());
    open.push(flow);
    const all = await Promise.all([1, 2, 3, 4].map((n) => flow.call({ n: 7 }, { id: n < 4 ? "a" : "b" })));
    expect(all).toHaveLength(4);
    expect(calls).toEqual([7, 7]);
  });

  test("is removed from the store when it has expired, also by a later process", async () => {
    const store = new MemoryCheckpointStore();
    const clock = new TestClock();
    const stored = async (): Promise<number> => {
      const partition = await store.open({ partition: "flow", owner: "test", leaseMs: 1 });
      const { length } = await partition.expiring(9_999);
      await partition.close();
      return length;
    };
    const before = processOf(store, undefined, { clock });
    for (let n = 0; n < 1_500; n += 1) void before.flow.call({ n }, { id: `${n}`, keepMs: 5_000 });
    await before.flow.call({ n: 1 }, { id: "a" });
    await before.flow.stop();
    expect(await stored()).toBe(1_501);

    await clock.advance(60_000);
    const { flow, calls } = processOf(store, undefined, { clock });
    await flow.ready();
    await flow.call({ n: 1 }, { id: "a" });
    await flow.call({ n: 1 }, { id: "1" });
    expect(calls).toEqual([1]);
    for (let turn = 0; turn < 5; turn += 1) await clock.advance(4_000);
    await flow.stop();
    expect(await stored()).toBe(2);

    await clock.advance(DAY_MS);
    const last = processOf(store, undefined, { clock });
    await last.flow.ready();
    for (let turn = 0; turn < 5; turn += 1) await clock.advance(4_000);
    await last.flow.stop();
    expect(await stored()).toBe(0);
  });

  test.each([
    ["of a newer format", { version: 99 }, "GRAPH_CHANGED", /format is 99/],
    ["that is damaged", { state: "{" }, "GRAPH_CHANGED", /damaged/],
  ])("%s refuses its own id, and no other of the same turn", async (_, change, code, message) => {
    const store = new MemoryCheckpointStore();
    const before = processOf(store);
    for (const [n, id] of ["a", "b"].entries()) await before.flow.call({ n }, { id });
    await before.flow.stop();
    const partition = await store.open({ partition: "flow", owner: "a later release", leaseMs: 1 });
    const keep = await partition.outcomes([{ tenant: "default", traceId: "b" }]);
    const changed = keep.map((outcome) => ({ ...outcome, ...change }));
    await partition.append({ put: [], remove: [], counts: new Map(), keep: changed }, partition.sequence);
    await partition.close();

    const { flow, calls } = processOf(store);
    open.push(flow);
    await flow.ready();
    const [known, refused, begun] = await Promise.all([
      flow.outcome({ n: 0 }, { id: "a" }),
      refusalOf(flow.call({ n: 1 }, { id: "b" })),
      flow.call({ n: 2 }, { id: "c" }),
    ]);
    expect([known.status, (begun as { doubled: number }).doubled]).toEqual(["completed", 4]);
    expect(refused).toMatchObject({ code, traceId: "b", message: expect.stringMatching(message) as string });
    expect(calls).toEqual([2]);
    // its id can be freed
    expect(await flow.recovery.discard("b")).toBe(1);
    await flow.call({ n: 1 }, { id: "b" });
    expect(calls).toEqual([2, 1]);
  });

  test("ends with discard", async () => {
    const { flow, calls } = processOf(new MemoryCheckpointStore());
    open.push(flow);
    await flow.call({ n: 1 }, { id: "a" });
    expect(await flow.recovery.discard("a", { tenant: "other" })).toBe(0);
    expect(await flow.recovery.discard("a")).toBe(1);
    expect(await flow.recovery.discard("a")).toBe(0);
    await flow.call({ n: 2 }, { id: "a" });
    expect(calls).toEqual([1, 2]);
  });

  test("that can no longer be stored as it was is a failure, and the id stays taken", async () => {
    const store = new MemoryCheckpointStore();
    const work = async (_: unknown, ctx: Context): Promise<object> => {
      const result: Record<string, unknown> = { n: 1 };
      await ctx.emit(result);
      result["n"] = () => 1;
      return { n: 2 };
    };
    const before = processOf(store, work);
    await before.flow.outcome({ n: 1 }, { id: "a" });
    await before.flow.stop();
    const { flow, calls } = processOf(store, work);
    open.push(flow);
    expect(await refusalOf(flow.call({ n: 1 }, { id: "a" }))).toMatchObject({ code: "NOT_SERIALISABLE" });
    expect(calls).toEqual([]);
  });
});

describe("a failed trace of an id", () => {
  const failing = () => {
    throw new Error("the archive is down");
  };

  test("keeps its error while it waits for a retry, over a restart, and its outcome is that of the retry", async () => {
    const store = new MemoryCheckpointStore();
    const before = processOf(store, failing);
    await refusalOf(before.flow.call({ n: 1 }, { id: "a" }));
    expect(await refusalOf(before.flow.call({ n: 1 }, { id: "a" }))).toMatchObject({ code: "NODE_EXCEPTION" });
    expect(before.calls).toEqual([1]);
    await before.flow.stop();

    const after = processOf(store, ({ n }) => n * 2);
    expect(await refusalOf(after.flow.call({ n: 1 }, { id: "a" }))).toMatchObject({
      code: "NODE_EXCEPTION",
      cause: { message: "the archive is down" },
    });
    expect(await refusalOf(after.flow.call({ n: 2 }, { id: "a" }))).toMatchObject({ code: "ID_CONFLICT" });
    expect(after.calls).toEqual([]);
    const retried = after.flow.recovery.retryFailed("a");
    const during = await after.flow.call({ n: 1 }, { id: "a" }).catch((error: unknown) => (error as FlowError).code);
    expect([2, "NODE_EXCEPTION"]).toContain(during);
    await retried;
    expect(await after.flow.call({ n: 1 }, { id: "a" })).toBe(2);
    expect(after.calls).toEqual([1]);
    await after.flow.stop();

    const last = processOf(store);
    await using flow = last.flow;
    expect(await flow.call({ n: 1 }, { id: "a" })).toBe(2);
    expect(last.calls).toEqual([]);
  });

  test("keeps its error when it can no longer be retried because there are too many", async () => {
    const store = new MemoryCheckpointStore();
    const before = processOf(store, failing, { maxFailed: 1 });
    for (const id of ["a", "b"]) await refusalOf(before.flow.call({ n: 1 }, { id }));
    await before.flow.stop();
    const { flow, calls } = processOf(store);
    open.push(flow);
    expect((await flow.recovery.unfinished()).map(({ traceId }) => traceId)).toEqual(["b"]);
    for (const id of ["a", "b"])
      expect(await refusalOf(flow.call({ n: 1 }, { id }))).toMatchObject({ code: "NODE_EXCEPTION" });
    expect(calls).toEqual([]);
    expect(await flow.recovery.discard("b")).toBe(1);
    await flow.call({ n: 1 }, { id: "b" });
    expect(calls).toEqual([1]);
  });
});

test("the id of a trace that no longer fits the flow is refused until a later run finishes the trace", async () => {
  const store = new MemoryCheckpointStore();
  const before = processOf(store, never);
  before.flow.call({ n: 1 }, { id: "a" }).catch(() => {});
  await before.flow.ready();
  await settle();
  await before.flow.stop();
  const other = create(payloadNode("other", ({ n }: { n: number }) => n).to(), {
    durability: durable({ checkpoints: store }),
    logger: SILENT,
  });
  other.run();
  const refused = await refusalOf(other.call({ n: 1 }, { id: "a" }));
  expect(refused).toMatchObject({ code: "GRAPH_CHANGED" });
  expect(refused.message).toContain('node "work" no longer exists');
  await other.stop();
  const after = processOf(store, ({ n }) => n * 2);
  await using flow = after.flow;
  expect(await flow.call({ n: 1 }, { id: "a" })).toBe(2);
  expect(after.calls).toEqual([1]);
});

test("a message emitted with an id is accepted once over a restart, also while its results are unread, and they are fetched once", async () => {
  const store = new MemoryCheckpointStore();
  const before = processOf(store);
  await before.flow.emit({ n: 1 }, { id: "a" });
  while (before.flow.stats().traces > 0) await settle();
  await before.flow.emit({ n: 1 }, { id: "a" });
  await before.flow.stop();
  const { flow, calls } = processOf(store);
  open.push(flow);
  await flow.emit({ n: 1 }, { id: "a" });
  expect(await refusalOf(flow.emit({ n: 2 }, { id: "a" }))).toMatchObject({ code: "ID_CONFLICT" });
  expect(((await flow.fetch({ traceId: "a" })) as Message).payload).toMatchObject({ doubled: 2 });
  await settle();
  await flow.emit({ n: 1 }, { id: "a" });
  expect(await refusalOf(flow.fetch({ traceId: "a" }))).toMatchObject({ code: "TRACE_UNKNOWN" });
  expect(calls).toEqual([]);
});

test("a store that cannot be asked refuses the id, for a missing answer would run the message twice", async () => {
  const memory = new MemoryCheckpointStore();
  const store: CheckpointStore = {
    open: async (request) => {
      const partition = await memory.open(request);
      partition.outcomes = () => Promise.reject(new Error("the server is gone"));
      return partition;
    },
  };
  const { flow, calls } = processOf(store);
  await flow.ready();
  expect(await refusalOf(flow.call({ n: 1 }, { id: "a" }))).toMatchObject({ code: "CHECKPOINT_FAILED" });
  expect(calls).toEqual([]);
  await flow.stop();
});

test("an outcome that is stored while the store is read for its id is found", async () => {
  const memory = new MemoryCheckpointStore();
  const held = gate();
  let reads = 0;
  const store: CheckpointStore = {
    open: async (request) => {
      const partition = await memory.open(request);
      const outcomes = partition.outcomes.bind(partition);
      partition.outcomes = async (keys) => {
        const found = await outcomes(keys);
        if ((reads += 1) > 1) await held.passed;
        return found;
      };
      return partition;
    },
  };
  let calls = 0;
  let again: Promise<unknown> | undefined;
  const work = payloadNode("work", (id: string): string => {
    calls += 1;
    // the id of the same turn, whose trace is just about to begin
    if (id === "a") again = flow.call("b", { id: "b" });
    return id;
  });
  const flow = create(work.to(), { durability: durable({ checkpoints: store }) });
  flow.run();
  await flow.ready();
  await Promise.all(["a", "b"].map((id) => flow.call(id, { id })));
  held.open();
  expect(await again).toBe("b");
  expect(calls).toBe(2);
  await flow.stop();
});

test("a call that waits for the store is released when the flow stops", async () => {
  const memory = new MemoryCheckpointStore();
  const store: CheckpointStore = {
    open: async (request) => {
      const partition = await memory.open(request);
      partition.outcomes = never;
      return partition;
    },
  };
  const { flow } = processOf(store);
  await flow.ready();
  const waiting = refusalOf(flow.call({ n: 1 }, { id: "a" }));
  await settle();
  await flow.stop();
  expect(await waiting).toMatchObject({ code: "FLOW_STOPPED" });
});

/** An outcome with its error as data, without what differs between two clock readings. */
function plainOf(outcome: object | undefined): unknown {
  const { messages: _, error, ...rest } = outcome as { messages: unknown; error?: FlowError };
  return { ...rest, error: error?.toPayload() };
}

test("a checkpoint store that does not say which outcomes expire delays no renewal of the lease", async () => {
  const clock = new TestClock();
  const memory = new MemoryCheckpointStore({ clock });
  let asked = 0;
  const checkpoints: CheckpointStore = {
    open: async (lease) => {
      const partition = await memory.open(lease);
      const expiring = partition.expiring.bind(partition);
      return Object.assign(partition, {
        expiring: (limit: number) => ((asked += 1) === 1 ? expiring(limit) : never()),
      });
    },
  };
  const { flow } = processOf(checkpoints, undefined, { clock, leaseMs: 300 });
  open.push(flow);
  await flow.ready();
  await flow.call({ n: 1 }, { id: "a", keepMs: 1 });
  for (let passed = 0; passed < 1_500; passed += 50) await clock.advance(50);
  expect(asked).toBeGreaterThan(1);
  const other = await refusalOf(memory.open({ partition: "flow", owner: "another", leaseMs: 300 }));
  expect(other.code).toBe("PARTITION_LEASED");
});
