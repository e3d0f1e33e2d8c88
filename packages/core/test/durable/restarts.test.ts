import {
  type CheckpointStore,
  create,
  FinalAnswer,
  FlowError,
  MemoryCheckpointStore,
  type Message,
  node,
  type Outcome,
  payloadNode,
  type TraceRecord,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";
import { passing } from "../fixtures/quiet-flow.ts";
import { contentsOf } from "./cut-checkpoint-store.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

test("a fetcher of an answered trace receives its result, and so does the answering caller", async () => {
  const ask = payloadNode("ask", async (_: number, ctx) => await ctx.pause<string>({ reason: "which?" }));
  await using flow = create(ask.to(), { logger: SILENT });
  flow.run();
  const paused = await flow.outcome(1, { traceId: "t" });
  if (paused.status !== "paused") throw new Error(paused.status);
  const fetched = flow.fetch({ traceId: "t" });
  expect(await flow.pauses.resume(paused.pauses[0]!.token, "this")).toMatchObject({
    status: "completed",
    result: "this",
  });
  expect(((await fetched) as Message).payload).toBe("this");
});

test("at an ordered node a message whose pause was answered waits until the other of its trace is done", async () => {
  const clock = new TestClock();
  const seen: string[] = [];
  const split = node("split", async (_: Message<number>, ctx) => {
    await ctx.emit("first");
    await ctx.emit("second");
  });
  const work = payloadNode("work", async (name: string, ctx) => {
    if (name === "first") await ctx.pause({ reason: "go on?" });
    seen.push(`${name} begins`);
    await ctx.sleep(10);
    seen.push(`${name} ends`);
    return name;
  });
  await using flow = create(split.to(work), { clock, logger: SILENT });
  flow.run();
  const outcome = flow.outcome(1, { traceId: "t" });
  await settle();
  const [ticket] = await flow.pauses.list({ traceId: "t" });
  const resumed = flow.pauses.resume(ticket!.token, true);
  await clock.advance(20);
  expect(seen).toEqual(["second begins", "second ends", "first begins", "first ends"]);
  expect((await outcome).status).toBe("completed");
  expect((await resumed).status).toBe("completed");
});

test("a reader of a stream is told of a failure when that is stored, and not before", async () => {
  const checkpoints = new MemoryCheckpointStore();
  let isHeld = true;
  let store = (): void => {};
  const held = {
    async open(lease: Parameters<MemoryCheckpointStore["open"]>[0]) {
      const partition = await checkpoints.open(lease);
      const append: typeof partition.append = async (batch, sequence) => {
        if (isHeld) await new Promise<void>((resolve) => (store = resolve));
        return await partition.append(batch, sequence);
      };
      return wrapPartition(partition, { append });
    },
  };
  const fail = payloadNode("fail", (_: number): number => {
    throw new Error("down");
  });
  await using flow = create(fail.to(), { durability: durable({ checkpoints: held }), logger: SILENT });
  flow.run();
  let told: unknown;
  const reading = flow
    .stream(1)
    .next()
    .catch((error: unknown) => (told = error));
  await settle();
  expect(told).toBeUndefined();
  isHeld = false;
  store();
  await reading;
  expect(told).toBeInstanceOf(FlowError);
});

test("a trace whose deadline passed while no process ran drops its messages where they are", async () => {
  const clock = new TestClock();
  const checkpoints = new MemoryCheckpointStore({ clock });
  const records: TraceRecord[] = [];
  const make = () => {
    const wait = payloadNode("wait", async (name: number, ctx) => {
      await ctx.sleep(1_000);
      return name;
    });
    const recorder = (record: TraceRecord) => void records.push(record);
    return create(wait.to(), { clock, recorder, durability: durable({ checkpoints }), logger: SILENT });
  };
  const before = make().run();
  const sent = before.emit(1, { traceId: "t", timeoutMs: 100 });
  await settle();
  await sent;
  const stopped = before.stop();
  await settle();
  await stopped;
  records.length = 0;
  await clock.advance(200);
  await using after = make().run();
  expect(((await after.fetch({ traceId: "t" })) as Message).payload).toBeInstanceOf(FinalAnswer);
  expect(records.map(({ type }) => type)).toEqual(["restored", "dropped", "ended"]);
});

test("the result of an answered trace waits for a fetch when its process ends before the answering caller is told", async () => {
  const clock = new TestClock();
  const checkpoints = new MemoryCheckpointStore({ clock });
  const ask = payloadNode("ask", async (_: number, ctx) => await ctx.pause<string>({ reason: "which?" }));
  const made = (store: CheckpointStore) =>
    create(ask.to(), { clock, durability: durable({ checkpoints: store }), logger: SILENT });
  let isSilent = false;
  // the batches are stored, and their answers do not come: as for a process that ends in between
  const silent: CheckpointStore = {
    async open(lease) {
      const partition = await checkpoints.open(lease);
      return wrapPartition(partition, {
        append: async (batch, sequence) => {
          const stored = await partition.append(batch, sequence);
          return isSilent ? await new Promise<never>(() => {}) : stored;
        },
        renew: async () => (isSilent ? await new Promise<never>(() => {}) : await partition.renew()),
      });
    },
  };
  const before = made(silent);
  before.run();
  const paused = await passing(clock, before.outcome(1, { traceId: "t" }), 5);
  if (paused.status !== "paused") throw new Error(paused.status);
  isSilent = true;
  let told: Outcome | undefined;
  void before.pauses.resume(paused.pauses[0]!.token, "this").then((outcome) => (told = outcome));
  await clock.advance(100);
  expect(told).toBeUndefined();
  await clock.advance(60_000);

  await using after = made(checkpoints);
  after.run();
  const fetched = await passing(clock, after.fetch({ traceId: "t" }), 5);
  expect((fetched as Message).payload).toBe("this");
  await passing(clock, before.stop(), 5);
});

test("the result of an answered trace is not stored any more once the answering caller was told", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const ask = payloadNode("ask", async (_: number, ctx) => await ctx.pause<string>({ reason: "which?" }));
  const flow = create(ask.to(), { durability: durable({ checkpoints }), logger: SILENT });
  flow.run();
  const paused = await flow.outcome(1, { traceId: "t" });
  if (paused.status !== "paused") throw new Error(paused.status);
  expect(await flow.pauses.resume(paused.pauses[0]!.token, "this")).toMatchObject({ result: "this" });
  await flow.stop();
  expect((await contentsOf(checkpoints)).entries).toEqual([]);
});
