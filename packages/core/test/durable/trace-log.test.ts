import { describe, expect, test } from "vitest";
import {
  type CheckpointStore,
  create,
  type FinalOutcome,
  type FlowOptions,
  MemoryCheckpointStore,
  type Message,
  payloadNode,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { gate, range } from "../fixtures/quiet-flow.ts";
import { logbook, rejection } from "../fixtures/watched-flow.ts";
import { contentsOf, CutCheckpoints, HeldCheckpoints } from "./cut-checkpoint-store.ts";

/** A flow of two nodes: the first logs two items, the second one more when it may, and returns what it reads. */
function noting(checkpoints: CheckpointStore, mayGoOn: Promise<unknown>, options: FlowOptions = {}) {
  const first = payloadNode("first", async (text: string, ctx) => {
    await ctx.log.append([text, { at: new Date(0) }]);
    return text;
  });
  const second = payloadNode("second", async (text: string, ctx) => {
    await mayGoOn;
    const length = await ctx.log.append([text === "fails" ? "undone" : `${text} again`]);
    if (text === "fails") throw new Error("no");
    return { length, log: await ctx.log.read() };
  });
  return create(first.to(second), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 5, ...options });
}

const NEVER = new Promise<never>(() => {});

/** Leaves a trace whose first node has logged, as a process that was cut off does. */
async function leave(checkpoints: CheckpointStore, text = "one", options: FlowOptions = {}): Promise<void> {
  const cut = new CutCheckpoints(checkpoints);
  const before = noting(cut, NEVER, options).run();
  await before.emit(text, { traceId: "t", tenant: "ada" });
  for (let turn = 0; turn < 20; turn += 1) await settle();
  await before.recovery.unfinished();
  cut.cut();
  await before.stop();
}

/** Reads the rows of all logs of a partition, removed runs included. */
async function rowsOf(checkpoints: CheckpointStore): Promise<unknown[]> {
  const partition = await checkpoints.open({ partition: "flow", owner: "the test", leaseMs: 1 });
  const runs = new Set<number>();
  for await (const page of partition.read()) for (const { run } of page) runs.add(run);
  const first = partition.fencingToken * 2 ** 32;
  const known = range(3).flatMap((back) => range(4).map((index) => first - (back + 1) * 2 ** 32 + index));
  const rows = await Promise.all([...new Set([...runs, ...known])].map((run) => partition.readLog(run)));
  await partition.close();
  return rows.flat().map(({ at, items }) => [at, JSON.parse(items) as unknown]);
}

describe("the log of a durable flow's trace", () => {
  test("is stored with its checkpoint, each item once, and removed with the trace", async () => {
    const memory = new MemoryCheckpointStore();
    const checkpoints = new HeldCheckpoints(memory);
    const mayGoOn = gate();
    const flow = noting(checkpoints, mayGoOn.passed).run();
    const called = flow.call("one", { traceId: "t" });
    while (checkpoints.appended.length === 0) await settle();
    expect(await flow.log("t")).toEqual(["one", { at: new Date(0) }]);
    mayGoOn.open();
    expect(await called).toEqual({ length: 3, log: ["one", { at: new Date(0) }, "one again"] });
    await flow.stop();
    const rows = checkpoints.appended.flatMap(({ logs = [] }) => logs);
    expect(rows.map(({ at, items }) => [at, items])).toEqual([[0, '["one",{"at":{"$date":0}}]']]);
    for (const { put, logs = [] } of checkpoints.appended)
      for (const { run } of logs) expect(put.map((entry) => entry.run)).toContain(run);
    expect(await rowsOf(memory)).toEqual([]);
  });

  test("is read back after a restart when it is asked for, by a handler and from outside", async () => {
    const checkpoints = new MemoryCheckpointStore();
    await leave(checkpoints);
    expect(await rowsOf(checkpoints)).toEqual([[0, ["one", { at: { $date: 0 } }]]]);
    const mayGoOn = gate();
    const after = noting(checkpoints, mayGoOn.passed).run();
    expect(await after.log("t", { tenant: "ada" })).toEqual(["one", { at: new Date(0) }]);
    expect(await rejection(after.log("t"))).toMatchObject({ code: "TRACE_UNKNOWN" });
    mayGoOn.open();
    const result = (await after.fetch({ traceId: "t" })) as Message;
    expect(result.payload).toEqual({ length: 3, log: ["one", { at: new Date(0) }, "one again"] });
    await after.stop();
    expect(await rowsOf(checkpoints)).toEqual([]);
  });

  test("is read from the outcome, even if nobody read it since the restart and it is removed with its trace", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const ask = payloadNode("ask", async (_: string, ctx) => await ctx.pause({ reason: "well?" }));
    const make = () => {
      const note = payloadNode("note", async (text: string, ctx) => {
        await ctx.log.append([text]);
        return text;
      });
      return create(note.to(ask), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 5 }).run();
    };
    const before = make();
    const paused = await before.outcome("one", { traceId: "t" });
    expect(await paused.log?.read()).toEqual(["one"]);
    await before.stop();
    const after = make();
    const [ticket] = await after.pauses.list();
    const outcome = await after.pauses.resume(ticket?.token as string, "yes");
    expect([outcome.status, await outcome.log?.read()]).toEqual(["completed", ["one"]]);
    await after.stop();
    expect((await contentsOf(checkpoints)).entries).toEqual([]);
    expect(await rowsOf(checkpoints)).toEqual([]);
  });

  test("of a trace that failed is kept with it, without the items of the attempt that failed, and goes on with a retry", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const flow = noting(checkpoints, Promise.resolve()).run();
    const outcome = await flow.outcome("fails", { traceId: "t" });
    expect([outcome.status, await outcome.log?.read()]).toEqual(["failed", ["fails", { at: new Date(0) }]]);
    expect(await flow.log("t")).toEqual(["fails", { at: new Date(0) }]);
    await flow.recovery.retryFailed("t");
    expect(await rejection(flow.fetch({ traceId: "t" }))).toMatchObject({ code: "NODE_EXCEPTION" });
    expect(await flow.log("t")).toEqual(["fails", { at: new Date(0) }]);
    await flow.stop();
    const again = noting(checkpoints, Promise.resolve()).run();
    expect(await again.log("t")).toEqual(["fails", { at: new Date(0) }]);
    expect(await again.recovery.discard("t")).toBe(1);
    expect(await rejection(again.log("t"))).toMatchObject({ code: "TRACE_UNKNOWN" });
    await again.stop();
    expect(await rowsOf(checkpoints)).toEqual([]);
  });

  test("of a failed trace is whole when it is retried before it is stored", async () => {
    const held = new HeldCheckpoints();
    let fails = true;
    const first = payloadNode("first", async (n: number, ctx) => {
      await ctx.log.append(["first"]);
      return n;
    });
    const second = payloadNode("second", async (n: number, ctx) => {
      if (fails) throw new Error("no");
      return [n, await ctx.log.append(["second"]), await ctx.log.read()];
    });
    const flow = create(first.to(second), { durability: durable({ checkpoints: held }), logger: logbook() }).run();
    await flow.ready();
    held.hold();
    flow.emitNowait(1, { traceId: "t" });
    await settle();
    fails = false;
    const retried = flow.recovery.retryFailed("t");
    held.release();
    await retried;
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toEqual([1, 2, ["first", "second"]]);
    await flow.stop();
  });

  test("of ended traces is kept in the store, as many as limits.maxKeptLogs says, also over a restart", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const limits = { maxKeptLogs: 2 };
    const flow = noting(checkpoints, Promise.resolve(), { limits }).run();
    for (const text of ["a", "b", "c"]) await flow.call(text, { traceId: text });
    const logOf = (text: string) => [text, { at: new Date(0) }, `${text} again`];
    expect(await flow.log("c")).toEqual(logOf("c"));
    await flow.stop();
    expect((await contentsOf(checkpoints)).entries.map(({ traceId, status }) => [traceId, status])).toEqual([
      ["b", "ended"],
      ["c", "ended"],
    ]);
    const again = noting(checkpoints, Promise.resolve(), { limits }).run();
    expect(await again.recovery.unfinished()).toEqual([]);
    expect(await again.log("b")).toEqual(logOf("b"));
    await again.call("d", { traceId: "d" });
    expect(await rejection(again.log("b"))).toMatchObject({ code: "TRACE_UNKNOWN" });
    expect(await again.log("d")).toEqual(logOf("d"));
    await again.stop();
    // a flow that keeps none removes what another has kept
    const none = noting(checkpoints, Promise.resolve()).run();
    await none.ready();
    await none.stop();
    expect((await contentsOf(checkpoints)).entries).toEqual([]);
    expect(await rowsOf(checkpoints)).toEqual([]);
  });

  test("of an ended trace is there as long as its results wait to be fetched, also over a restart", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const before = noting(checkpoints, Promise.resolve()).run();
    await before.emit("one", { traceId: "t" });
    for (let turn = 0; turn < 20; turn += 1) await settle();
    const log = ["one", { at: new Date(0) }, "one again"];
    expect(await before.log("t")).toEqual(log);
    await before.stop();
    const after = noting(checkpoints, Promise.resolve()).run();
    await after.ready();
    await settle();
    expect(await after.log("t")).toEqual(log);
    expect(((await after.fetch({ traceId: "t" })) as Message).payload).toEqual({ length: 3, log });
    await settle();
    expect(await rejection(after.log("t"))).toMatchObject({ code: "TRACE_UNKNOWN" });
    await after.stop();
    expect(await rowsOf(checkpoints)).toEqual([]);
  });

  test("refuses what is no data, and an append that is too long", async () => {
    const log = payloadNode("log", async (items: string, ctx) => {
      await ctx.log.append(items === "data" ? [() => 1] : [items]);
    });
    const flow = create(log.to(), {
      durability: durable({ checkpoints: new MemoryCheckpointStore(), maxPayloadBytes: 100 }),
      logger: logbook(),
    }).run();
    expect(await rejection(flow.call("data"))).toMatchObject({
      code: "NOT_SERIALISABLE",
      message: expect.stringContaining("items[0] is") as unknown,
    });
    expect(await rejection(flow.call("x".repeat(99)))).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    await flow.stop();
  });
});

describe("the log of an outcome that is stored for an id", () => {
  const KEPT = { id: "a", keepMs: 1_000, tenant: "ada" };

  test.each(["completed", "failed"])("is read as that of a fresh one, also after a restart: %s", async (status) => {
    const checkpoints = new MemoryCheckpointStore();
    const text = status === "failed" ? "fails" : "one";
    const make = () => noting(checkpoints, Promise.resolve()).run();
    const flow = make();
    const fresh = await flow.outcome(text, KEPT);
    const items = await fresh.log?.read();
    expect([fresh.status, fresh.log?.length, items?.[0]]).toEqual([status, status === "failed" ? 2 : 3, text]);
    const again = await flow.outcome(text, KEPT);
    expect([again.status, again.log?.length, await again.log?.read()]).toEqual([status, fresh.log?.length, items]);
    await flow.stop();
    const next = make();
    const told = await next.outcome(text, KEPT);
    expect([told.status, told.log?.length, await told.log?.read()]).toEqual([status, fresh.log?.length, items]);
    await next.stop();
  });

  test("goes with its outcome", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const flow = noting(checkpoints, Promise.resolve(), { clock }).run();
    await flow.outcome("one", KEPT);
    const { log } = await flow.outcome("one", KEPT);
    expect(log?.length).toBe(3);
    expect(await log?.read()).toHaveLength(3);
    await flow.recovery.discard("a", { tenant: "ada" });
    expect(await rejection(log?.read() as Promise<unknown>)).toMatchObject({ code: "TRACE_UNKNOWN", traceId: "a" });
    await flow.stop();
    expect(await rowsOf(checkpoints)).toEqual([]);
  });

  test("is absent when the trace has logged nothing", async () => {
    const same = payloadNode("same", (text: string) => text);
    const durability = durable({ checkpoints: new MemoryCheckpointStore() });
    const flow = create(same.to(), { durability, logger: logbook() }).run();
    await flow.outcome("one", KEPT);
    expect(await flow.outcome("one", KEPT)).not.toHaveProperty("log");
    await flow.stop();
  });
});

test("an outbox reads the log of an outcome that an earlier run has left", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const note = payloadNode("note", async (text: string, ctx) => {
    await ctx.log.append([text]);
    return text;
  });
  const told: unknown[] = [];
  let isAway = true;
  const outbox = {
    async deliver({ log }: FinalOutcome) {
      if (isAway) throw new Error("it is away");
      told.push(await log?.read());
    },
  };
  const flow = create(note.to(), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 5 });
  flow.run({ outbox });
  await flow.intake.accept("one", { id: "a", consumed: { lane: 0, sequence: 1 } });
  await settle();
  await flow.stop();
  isAway = false;
  flow.run({ outbox });
  await flow.ready();
  while (told.length === 0) await settle();
  expect(told).toEqual([["one"]]);
  await flow.stop();
});
