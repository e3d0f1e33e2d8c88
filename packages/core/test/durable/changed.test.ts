import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  joinK,
  type CheckpointStore,
  type Checkpoint,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  type Schema,
  shape,
} from "penguiflow";
import { type ChangedMessage, durable, type DurableOptions, type Migration } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { gate, passing, range } from "../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";
import { contentsOf, CutCheckpoints } from "./cut-checkpoint-store.ts";

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const code = async (promise: PromiseLike<unknown>): Promise<unknown> => codeOf(await rejection(promise));
const payloadOf = (item: unknown): unknown => (item as Message).payload;

const NUMBER: Schema<unknown, number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "must be a number" }] }),
  },
};

const end = payloadNode("end", (value: unknown) => value);

/** Leaves two traces in the checkpoint store at the node "old": the payload of one is a number, of the other a text. */
async function leftAtOld(): Promise<MemoryCheckpointStore> {
  const checkpoints = new MemoryCheckpointStore();
  const first = payloadNode("first", (value: unknown) => value);
  const old = payloadNode("old", (_: unknown, ctx) => ctx.sleep(1_000_000));
  const flow = create(first.to(old), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
  await flow.emit(1, { traceId: "one" });
  await flow.emit("two", { traceId: "two" });
  await settle();
  await flow.stop();
  expect(await contentsOf(checkpoints)).toMatchObject({ counts: { first: 2 }, entries: [{}, {}] });
  return checkpoints;
}

/** Creates the flow without "old". */
function withNew(checkpoints: CheckpointStore, options: Partial<DurableOptions> = {}) {
  const logger = logbook();
  const first = payloadNode("first", (value: unknown) => value);
  const next = payloadNode({ name: "new", input: NUMBER }, (n: number) => n + 100);
  const flow = create(first.to(next), { durability: durable({ checkpoints, ...options }), logger, graceMs: 1 });
  flow.run();
  return { flow, logger };
}

/** Creates the original flow, with a handler that returns its input. */
function asItWas(checkpoints: CheckpointStore, options: Partial<DurableOptions> = {}, input?: typeof NUMBER) {
  const first = payloadNode("first", (value: unknown) => value);
  const old = payloadNode({ name: "old", input: input as typeof NUMBER }, (value: unknown) => value);
  const flow = create(first.to(old), {
    durability: durable({ checkpoints, ...options }),
    logger: logbook(),
    graceMs: 1,
  });
  flow.run();
  return flow;
}

describe("a trace whose node is gone", () => {
  test("stays in the checkpoint store, is logged and listed, and continues when the node is back", async () => {
    const checkpoints = await leftAtOld();
    const { flow, logger } = withNew(checkpoints);
    const changed = [
      { traceId: "one", tenant: "default", node: "old", action: "parked" },
      { traceId: "two", action: "parked" },
    ];
    const recovery = await flow.ready();
    expect(recovery).toMatchObject({ resumed: 0, failed: 0, changed });
    expect(recovery.changed[0]?.problem).toBe('node "old" no longer exists; the flow has "first", "new"');
    expect(logger.lines.map(({ message }) => message)).toEqual(["trace_changed", "trace_changed"]);
    expect(await flow.recovery.unfinished()).toMatchObject([
      { traceId: "one", status: "parked", nodes: ["old"] },
      { traceId: "two", status: "parked" },
    ]);
    expect(await flow.call(5)).toBe(105);
    await flow.stop();
    const back = asItWas(checkpoints);
    expect(await back.ready()).toMatchObject({ resumed: 2, changed: [] });
    expect(payloadOf(await back.fetch({ traceId: "one" }))).toBe(1);
    expect(payloadOf(await back.fetch({ traceId: "two" }))).toBe("two");
    await back.stop();
  });

  test('fails with onChanged "fail", for good, until it is tried again in a flow that has the node', async () => {
    const checkpoints = await leftAtOld();
    const { flow } = withNew(checkpoints, { onChanged: "fail" });
    expect(await flow.ready()).toMatchObject({
      resumed: 0,
      failed: 2,
      changed: [{ action: "failed" }, { action: "failed" }],
    });
    expect(await flow.recovery.unfinished()).toMatchObject([{ traceId: "one", status: "failed", nodes: ["old"] }, {}]);
    const error = await rejection(flow.recovery.retryFailed("one"));
    expect(error).toMatchObject({ code: "GRAPH_CHANGED", node: "old", traceId: "one" });
    // it is still there, once
    expect(await flow.recovery.unfinished()).toHaveLength(2);
    await flow.stop();
    const back = asItWas(checkpoints);
    expect(await back.ready()).toMatchObject({ resumed: 0, failed: 2 });
    await back.recovery.retryFailed("one");
    expect(payloadOf(await back.fetch({ traceId: "one" }))).toBe(1);
    expect(await back.recovery.unfinished()).toMatchObject([{ traceId: "two", status: "failed" }]);
    await back.stop();
  });

  test.each([
    ["at once", (how: Migration) => how],
    ["later", (how: Migration) => Promise.resolve(how)],
  ])("goes where a function says that answers %s", async (_, answer) => {
    const checkpoints = await leftAtOld();
    const asked: ChangedMessage[] = [];
    const { flow } = withNew(checkpoints, {
      onChanged: (message) => {
        asked.push(message);
        return answer(message.payload === "two" ? "fail" : { node: "new", payload: Number(message.payload) * 10 });
      },
    });
    expect(await flow.ready()).toMatchObject({ resumed: 1, changed: [{ traceId: "two", action: "failed" }] });
    expect(asked).toMatchObject([
      { node: "old", traceId: "one", payload: 1, tenant: "default" },
      { node: "old", traceId: "two", payload: "two" },
    ]);
    expect(payloadOf(await flow.fetch({ traceId: "one" }))).toBe(110);
    await flow.stop();
    expect((await contentsOf(checkpoints)).entries).toMatchObject([{ traceId: "two", status: "failed" }]);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "throws",
      () => {
        throw new Error("cannot decide");
      },
      /onChanged failed: .*cannot decide/,
    ],
    ["rejects", () => Promise.reject(new Error("cannot decide")), /onChanged failed: .*cannot decide/],
    ["says nothing", () => undefined, /onChanged failed: .*must return/],
    ["says something else", () => "drop", /must return .*"drop"/],
    ["names no node", () => ({ payload: 1 }), /must return/],
    [
      "names a node that is not there",
      () => ({ node: "nowhere", payload: 1 }),
      /migrated: node "nowhere" no longer exists/,
    ],
    ["gives a payload that does not fit", () => ({ node: "new", payload: "text" }), /migrated: .*must be a number/],
    ["gives a payload that is no data", () => ({ node: "new", payload: () => 1 }), /onChanged failed: /],
  ])("is parked, and harms no other, when the function %s", async (_, decide, problem) => {
    const checkpoints = await leftAtOld();
    const { flow } = withNew(checkpoints, { onChanged: decide as () => Migration });
    const { changed, resumed } = await flow.ready();
    expect(resumed).toBe(0);
    expect(changed.map(({ action }) => action)).toEqual(["parked", "parked"]);
    expect(changed[0]?.problem).toMatch(problem);
    expect(await flow.call(5)).toBe(105);
    await flow.stop();
    expect((await contentsOf(checkpoints)).entries).toHaveLength(2);
  });

  test("whose function takes longer than the flow runs begins nothing after that", async () => {
    const checkpoints = await leftAtOld();
    const decided = gate<Migration>();
    const clock = new TestClock();
    const first = payloadNode("first", (value: unknown) => value);
    let calls = 0;
    const next = payloadNode("new", () => (calls += 1));
    const flow = create(first.to(next), {
      durability: durable({ checkpoints, leaseMs: 500, onChanged: () => decided.passed }),
      logger: logbook(),
      clock,
    }).run();
    const ready = code(flow.ready());
    await passing(clock, flow.stop(), 100);
    expect(await ready).toBe("CHECKPOINT_FAILED");
    decided.open({ node: "new", payload: 1 });
    await settle();
    expect(calls).toBe(0);
  });
});

describe("a trace whose payload does not fit its node any more", () => {
  test("is parked alone; those that fit continue", async () => {
    const checkpoints = await leftAtOld();
    const flow = asItWas(checkpoints, {}, NUMBER);
    const { changed, resumed } = await flow.ready();
    expect(resumed).toBe(1);
    expect(changed).toMatchObject([{ traceId: "two", node: "old", action: "parked" }]);
    expect(changed[0]?.problem).toContain("must be a number");
    expect(payloadOf(await flow.fetch({ traceId: "one" }))).toBe(1);
    await flow.stop();
  });

  test("is migrated at its node, in a join and in a backoff, with what it has sent already", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = (isNew: boolean, onChanged?: DurableOptions["onChanged"]) => {
      const input = isNew ? NUMBER : (undefined as unknown as typeof NUMBER);
      const send = payloadNode({ name: "send", input }, async (value: unknown, ctx) => {
        await ctx.emit(`${String(value)} 1`);
        if (!isNew) await ctx.sleep(1_000_000);
        await ctx.emit(`${String(value)} 2`);
      });
      const each = payloadNode("each", (value: unknown) => value);
      return create(send.to(each), {
        durability: durable({ checkpoints, onChanged }),
        logger: logbook(),
        graceMs: 1,
      }).run();
    };
    const before = make(false);
    await before.emit("7", { traceId: "t" });
    await settle();
    await before.stop();
    const after = make(true, ({ node: name, payload }) => ({ node: name, payload: Number(payload) }));
    const results = [payloadOf(await after.fetch({ traceId: "t" })), payloadOf(await after.fetch({ traceId: "t" }))];
    expect(results).toEqual(["7 1", "7 2"]);
    await after.stop();
  });
});

describe("an entry that cannot be read", () => {
  /** Creates a checkpoint store in which one entry is replaced. */
  async function spoilt(change: (entry: Checkpoint) => Partial<Checkpoint>) {
    const checkpoints = await leftAtOld();
    const partition = await checkpoints.open({ partition: "flow", owner: "the test", leaseMs: 1 });
    const pages: Checkpoint[] = [];
    for await (const page of partition.read()) pages.push(...page);
    const [was] = pages as [Checkpoint];
    await partition.append({ put: [{ ...was, ...change(was) }], remove: [], counts: new Map() }, partition.sequence);
    await partition.close();
    return { checkpoints, was };
  }

  test.each<[string, (entry: Checkpoint) => Partial<Checkpoint>]>([
    ["is of a newer version", ({ version }) => ({ version: version + 1 })],
    ["is of version 0", () => ({ version: 0 })],
    ["is cut off", ({ state }) => ({ state: state.slice(0, -5) })],
    ["is empty", () => ({ state: "" })],
    ["is null", () => ({ state: "null" })],
    ["has no messages", () => ({ state: "{}" })],
    [
      "has a payload with an unknown tag",
      ({ state }) => ({ state: state.replace('"payload":1', '"payload":{"$new":1}') }),
    ],
    ["has failed and is cut off", ({ state }) => ({ status: "failed", state: state.slice(0, -5) })],
  ])("since it %s stays where it is, is listed, and harms no other", async (_, change) => {
    const { checkpoints, was } = await spoilt(change);
    const flow = asItWas(checkpoints);
    await flow.ready();
    const [one] = await flow.recovery.unfinished();
    expect(one).toMatchObject({
      traceId: "one",
      tenant: "default",
      status: expect.stringMatching(/parked|failed/) as unknown,
    });
    expect(payloadOf(await flow.fetch({ traceId: "two" }))).toBe("two");
    const isFailed = one?.status === "failed";
    expect(await code(flow.recovery.retryFailed("one"))).toBe(isFailed ? "GRAPH_CHANGED" : "TRACE_UNKNOWN");
    expect(await flow.recovery.unfinished()).toHaveLength(1);
    await flow.stop();
    expect((await contentsOf(checkpoints)).entries).toEqual([{ ...was, ...change(was) }]);
  });
});

describe("a failed trace", () => {
  /** Creates a flow whose last node fails on demand. */
  const failing = (checkpoints: CheckpointStore, options: Partial<DurableOptions> = {}) => {
    const state = { isBroken: true, calls: 0 };
    const a = payloadNode("a", (n: number) => n + 1);
    const b = payloadNode("b", (n: number) => {
      state.calls += 1;
      if (state.isBroken) throw new Error("down");
      return n * 2;
    });
    const flow = create(a.to(b), { durability: durable({ checkpoints, ...options }), logger: logbook() }).run();
    return { flow, state };
  };

  test("is retried once, however often it is asked for", async () => {
    const { flow, state } = failing(new MemoryCheckpointStore());
    await code(flow.call(1, { traceId: "t" }));
    state.isBroken = false;
    const asked = await Promise.allSettled([flow.recovery.retryFailed("t"), flow.recovery.retryFailed("t")]);
    expect(asked.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(payloadOf(await flow.fetch({ traceId: "t" }))).toBe(4);
    expect(await code(flow.recovery.retryFailed("t"))).toBe("TRACE_UNKNOWN");
    expect(await code(flow.fetch({ traceId: "t" }))).toBe("TRACE_UNKNOWN");
    await flow.stop();
  });

  test("that fails again can be retried, also over restarts", async () => {
    const checkpoints = new MemoryCheckpointStore();
    for (const round of range(3)) {
      const { flow, state } = failing(checkpoints);
      expect(await flow.ready()).toMatchObject({ failed: Math.min(round, 1), resumed: 0 });
      if (round === 0) await code(flow.call(1, { traceId: "t" }));
      await flow.recovery.retryFailed("t");
      await code(flow.fetch({ traceId: "t" }));
      expect(await flow.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "failed", nodes: ["b"] }]);
      expect(state.calls).toBe(round === 0 ? 2 : 1);
      await flow.stop();
    }
  });

  test("belongs to its tenant; no other tenant's is retried", async () => {
    const { flow, state } = failing(new MemoryCheckpointStore());
    for (const tenant of ["acme", "zeta"]) await code(flow.call(1, { traceId: "t", tenant }));
    expect(await code(flow.recovery.retryFailed("t"))).toBe("TRACE_UNKNOWN");
    expect(await code(flow.recovery.retryFailed("x", { tenant: "acme" }))).toBe("TRACE_UNKNOWN");
    state.isBroken = false;
    await flow.recovery.retryFailed("t", { tenant: "zeta" });
    expect(await flow.recovery.unfinished()).toMatchObject([{ tenant: "acme", status: "failed" }]);
    expect(payloadOf(await flow.fetch({ traceId: "t", tenant: "zeta" }))).toBe(4);
    await flow.stop();
  });

  test("in a flow that is not durable cannot be retried", async () => {
    const flow = create(end.to()).run();
    expect(await code(flow.recovery.retryFailed("t"))).toBe("TRACE_UNKNOWN");
    expect(await flow.recovery.unfinished()).toEqual([]);
    await flow.stop();
  });

  test("is kept among so many at most: the oldest goes, also from the checkpoint store", async () => {
    for (const maxFailed of [0, 1, 2]) {
      const checkpoints = new MemoryCheckpointStore();
      const { flow } = failing(checkpoints, { maxFailed });
      for (const index of range(4)) await code(flow.call(1, { traceId: `t${index}` }));
      const kept = range(4)
        .slice(4 - maxFailed)
        .map((index) => ({ traceId: `t${index}` }));
      expect(await flow.recovery.unfinished()).toMatchObject(kept);
      await flow.stop();
      expect((await contentsOf(checkpoints)).entries).toMatchObject(kept);
      expect((await contentsOf(checkpoints)).entries).toHaveLength(maxFailed);
    }
  });

  test("keeps the results it had: they are fetched before it is retried, or after, once", async () => {
    for (const readsFirst of [true, false]) {
      const checkpoints = new MemoryCheckpointStore();
      let isBroken = true;
      const a = payloadNode("a", async (n: number, ctx) => {
        await ctx.emit(n);
        await ctx.emit(n + 1);
        if (isBroken) throw new Error("down");
        return n + 2;
      });
      const make = () =>
        create(a.to(payloadNode("b", (n: number) => n)), {
          durability: durable({ checkpoints }),
          logger: logbook(),
        }).run();
      const flow = make();
      await flow.emit(1, { traceId: "t" }).catch(() => {});
      await settle();
      const results: unknown[] = [];
      if (readsFirst) results.push(payloadOf(await flow.fetch({ traceId: "t" })));
      await settle();
      isBroken = false;
      await flow.recovery.retryFailed("t");
      while (results.length < 3) results.push(payloadOf(await within(4_000, flow.fetch({ traceId: "t" }))));
      expect(results).toEqual([1, 2, 3]);
      await settle();
      expect(flow.stats()).toMatchObject({ unreadResults: 0, traces: 0 });
      await flow.stop();
      expect((await contentsOf(checkpoints)).entries).toEqual([]);
    }
  });

  test("that is over when something of its first try ends late is left alone", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const [late, held] = [gate(), gate()];
    let tries = 0;
    const a = payloadNode("a", async (n: number, ctx) => {
      tries += 1;
      if (tries > 1) {
        await held.passed;
        return n;
      }
      const effect = ctx.once("slow", () => late.passed);
      await settle();
      void effect;
      throw new Error("down");
    });
    const flow = create(a.to(end), { durability: durable({ checkpoints }), logger: logbook() }).run();
    await code(flow.call(1, { traceId: "t" }));
    await flow.recovery.retryFailed("t");
    await settle();
    late.open();
    await settle();
    await flow.stop({ drainMs: 0 });
    // the trace is still in flight
    expect((await contentsOf(checkpoints)).entries).toMatchObject([{ traceId: "t", status: "open" }]);
    held.open();
  });

  test("sends what no edge had accepted when it failed, and nothing twice", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const opened = gate();
    let isBroken = true;
    const send = node("send", async (message: Message<number>, ctx) => {
      const sent = range(5).map((index) => ctx.emit(index));
      for (const one of sent) one.catch(() => {});
      await settle();
      if (isBroken) throw new Error("down");
      await Promise.all(sent);
      return message.with({ payload: 5 });
    });
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (n: number) => {
      await opened.passed;
      return n;
    });
    const flow = create(send.to(slow), {
      durability: durable({ checkpoints }),
      logger: logbook(),
      queueMaxSize: 2,
    }).run();
    expect(await code(flow.call(1, { traceId: "t" }))).toBe("NODE_EXCEPTION");
    isBroken = false;
    opened.open();
    await flow.recovery.retryFailed("t");
    const results: unknown[] = [];
    while (results.length < 6) results.push(payloadOf(await within(4_000, flow.fetch({ traceId: "t" }))));
    expect(results).toEqual(range(6));
    await flow.stop();
  });

  test("by a join whose time had passed waits for that time again", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const a = payloadNode("a", (n: number) => n);
    let delayMs = 10_000;
    const late = payloadNode("late", async (n: number, ctx) => {
      await ctx.sleep(delayMs);
      return n + 1;
    });
    const both = joinK("both", 2, { input: shape<number>(), timeoutMs: 1_000 });
    const flow = create(a.to(late, both), late.to(both), {
      durability: durable({ checkpoints }),
      logger: logbook(),
      clock,
      graceMs: 1,
    }).run();
    await passing(clock, flow.ready(), 1);
    expect(await passing(clock, code(flow.call(1, { traceId: "t" })), 100)).toBe("JOIN_TIMEOUT");
    await clock.advance(60_000);
    delayMs = 500;
    await passing(clock, flow.recovery.retryFailed("t"), 1);
    expect(payloadOf(await passing(clock, flow.fetch({ traceId: "t" }), 50))).toEqual([1, 2]);
    await passing(clock, flow.stop(), 1);
  });
});

test("messages that a handler took come back by where they came from", async () => {
  const memory = new MemoryCheckpointStore();
  let isFirst = true;
  const make = (checkpoints: CheckpointStore) => {
    const split = payloadNode("split", (n: number) => n);
    const [left, right] = [
      payloadNode("left", (n: number) => `left ${n}`),
      payloadNode("right", (n: number) => `right ${n}`),
    ];
    const take = node("take", async (message: Message, ctx) => {
      if (!isFirst) {
        // the other way round
        const r = payloadOf(await ctx.fetch({ from: "right" }));
        return message.with({ payload: [payloadOf(await ctx.fetch({ from: "left" })), r] });
      }
      await ctx.fetch({ from: "left" });
      await ctx.fetch({ from: "right" });
      return await new Promise<never>(() => {});
    });
    const first = payloadNode("first", (n: number) => n);
    return create(first.to(split, take), split.to(left, right), left.to(take), right.to(take), {
      durability: durable({ checkpoints }),
      logger: logbook(),
      graceMs: 1,
    }).run();
  };
  const cut = new CutCheckpoints(memory);
  const before = make(cut);
  await before.emit(1, { traceId: "t" });
  await settle();
  await settle();
  cut.cut();
  await before.stop();
  isFirst = false;
  const after = make(memory);
  expect(payloadOf(await within(4_000, after.fetch({ traceId: "t" })))).toEqual(["left 1", "right 1"]);
  await after.stop();
});

test("a trace that failed or is parked can be given up", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const fail = payloadNode("fail", (_: number): number => {
    throw new Error("down");
  });
  const before = create(fail.to(), { durability: durable({ checkpoints }), logger: logbook() }).run();
  for (const traceId of ["one", "two"]) await expect(before.call(1, { traceId })).rejects.toThrow("down");
  expect(await before.recovery.discard("one", { tenant: "other" })).toBe(0);
  expect(await before.recovery.discard("one")).toBe(1);
  expect(await before.recovery.discard("one")).toBe(0);
  expect(await before.recovery.unfinished()).toMatchObject([{ traceId: "two" }]);
  await before.stop();
  const hang = payloadNode("hang", async (_: number) => await new Promise<number>(() => {}));
  const between = create(hang.to(), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
  await between.emit(1, { traceId: "three" });
  await between.stop();
  await using after = create(payloadNode("other", (n: number) => n).to(), {
    durability: durable({ checkpoints }),
    logger: logbook(),
  });
  after.run();
  expect((await after.recovery.unfinished()).map(({ traceId, status }) => [traceId, status])).toEqual([
    ["two", "failed"],
    ["three", "parked"],
  ]);
  expect([await after.recovery.discard("two"), await after.recovery.discard("three")]).toEqual([1, 1]);
  expect(await after.recovery.unfinished()).toEqual([]);
  await after.stop();
  const partition = await checkpoints.open({ partition: "flow", owner: "x", leaseMs: 1 });
  for await (const page of partition.read()) expect(page).toEqual([]);
});

test("a payload that is changed after it was sent so that it is no longer data fails its trace, and no other", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const [held, quick] = [gate(), gate()];
  const payload: { id: number; spoil?: unknown } = { id: 1 };
  const start = payloadNode("start", (given: { id: number }) => given);
  const hold = payloadNode("hold", async ({ id }: { id: number }) => await held.passed.then(() => id));
  const soon = payloadNode("soon", async ({ id }: { id: number }) => await quick.passed.then(() => id));
  await using flow = create(start.to(hold, soon), { durability: durable({ checkpoints }), logger: logbook() });
  flow.run();
  const outcome = flow.outcome(payload);
  const other = flow.outcome({ id: 2 });
  await settle();
  expect(await flow.recovery.unfinished()).toHaveLength(2);
  payload.spoil = () => {};
  quick.open();
  const ended = await outcome;
  expect(ended).toMatchObject({ status: "failed", error: { code: "NOT_SERIALISABLE" } });
  expect("error" in ended && ended.error.message).toContain("modified after it was sent");
  held.open();
  expect(await other).toMatchObject({ status: "completed", results: [2, 2] });
  expect(await flow.recovery.unfinished()).toEqual([]);
  await flow.stop();
  const partition = await checkpoints.open({ partition: "flow", owner: "x", leaseMs: 1 });
  for await (const page of partition.read()) expect(page).toEqual([]);
});
