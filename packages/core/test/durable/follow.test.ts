import {
  type Context,
  create,
  FlowError,
  MemoryCheckpointStore,
  type Outcome,
  payloadNode,
  type StreamItem,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { expect, test } from "vitest";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

async function read(items: Promise<AsyncIterable<unknown>>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of (await items) as AsyncIterable<StreamItem<unknown>>) {
    if (item.type === "chunk") all.push(item.chunk.text);
    else all.push(item.type === "pause" ? `${item.pause.reason} (pause)` : item.result);
  }
  return all;
}

/** Creates a flow of two nodes. The test controls the second, and may stop the flow before it. */
function processOf(
  checkpoints: MemoryCheckpointStore,
  second: (value: number, ctx: Context) => Promise<number> | number,
) {
  const first = payloadNode("first", (value: number) => value + 1);
  const work = payloadNode("work", (value: number, ctx) => second(value, ctx));
  const flow = create(first.to(work), { durability: durable({ checkpoints }), logger: SILENT });
  flow.run();
  return flow;
}

/** Resolves once the requested read has begun. */
const begun = (): Promise<void> => new Promise(setImmediate);

/** Resolves once no trace is in flight. */
async function atRest(flow: ReturnType<typeof processOf>): Promise<void> {
  while (flow.stats().traces > 0) await new Promise(setImmediate);
}

/** Returns the checkpoint store of a process that ended while the trace was in flight. */
async function leftBehind(tenant = "default"): Promise<MemoryCheckpointStore> {
  const checkpoints = new MemoryCheckpointStore();
  const started = Promise.withResolvers<void>();
  const flow = processOf(checkpoints, async (_, ctx) => {
    started.resolve();
    await ctx.sleep(60_000);
    return 0;
  });
  const asked = flow.call(1, { traceId: "t", tenant }).catch((error: unknown) => error);
  await started.promise;
  await flow.stop();
  expect(await asked).toMatchObject({ code: "FLOW_STOPPED" });
  return checkpoints;
}

test("after a restart, a follower that knows the trace id reads its chunks and its result as if it had followed from the beginning", async () => {
  const checkpoints = await leftBehind();
  const go = Promise.withResolvers<void>();
  await using flow = processOf(checkpoints, async (value, ctx) => {
    await go.promise;
    await ctx.emitChunk({ text: "working" });
    return value * 10;
  });
  const items = read(flow.recovery.follow("t"));
  await begun();
  go.resolve();
  expect((await items).filter((item) => item !== "")).toEqual(["working", 20]);
  expect(await flow.recovery.unfinished()).toEqual([]);
  await expect(read(flow.recovery.follow("t"))).rejects.toMatchObject({ code: "TRACE_UNKNOWN" });
});

test("the results of a trace that ended before it was followed are read once", async () => {
  const checkpoints = await leftBehind();
  await using flow = processOf(checkpoints, (value) => value * 10);
  await flow.ready();
  await atRest(flow);
  expect(await read(flow.recovery.follow("t"))).toEqual([20]);
  await expect(read(flow.recovery.follow("t"))).rejects.toMatchObject({ code: "TRACE_UNKNOWN" });
});

test("a follower of a failing trace receives its error, before its end and after", async () => {
  for (const comes of ["before", "after"]) {
    const checkpoints = await leftBehind();
    const go = Promise.withResolvers<void>();
    await using flow = processOf(checkpoints, async () => {
      await go.promise;
      throw new Error("down");
    });
    const early = comes === "before" ? read(flow.recovery.follow("t")).catch((error: unknown) => error) : undefined;
    await begun();
    go.resolve();
    await atRest(flow);
    const told = await (early ?? read(flow.recovery.follow("t")).catch((error: unknown) => error));
    expect(told).toBeInstanceOf(FlowError);
    expect(told).toMatchObject({ code: "NODE_EXCEPTION" });
  }
});

test("a trace is followed by its own tenant alone", async () => {
  const checkpoints = await leftBehind("a");
  await using flow = processOf(checkpoints, (value) => value * 10);
  await flow.ready();
  await expect(read(flow.recovery.follow("t", { tenant: "b" }))).rejects.toMatchObject({ code: "TRACE_UNKNOWN" });
  expect(await read(flow.recovery.follow("t", { tenant: "a" }))).toEqual([20]);
});

test("a trace whose caller is there, or whose results are fetched, is not followed", async () => {
  await using flow = create(payloadNode("wait", async (_: number, ctx) => await ctx.sleep(60_000)).to());
  flow.run();
  void flow.outcome(1, { traceId: "called" });
  await flow.emit(1, { traceId: "emitted" });
  await expect(read(flow.recovery.follow("called"))).rejects.toThrow(
    'Cannot read the stream of trace "called": its results go to another reader',
  );
  await expect(read(flow.recovery.follow("emitted"))).rejects.toThrow("its results go to fetch");
});

test("a follower that leaves cancels the trace, unless it detaches", async () => {
  for (const [onLeave, wanted] of [
    ["cancel", "cancelled"],
    ["detach", "completed"],
  ] as const) {
    const checkpoints = await leftBehind();
    const come = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    await using flow = processOf(checkpoints, async (value, ctx) => {
      await come.promise;
      await ctx.emitChunk({ text: "begun" });
      ctx.signal.addEventListener("abort", () => go.resolve());
      await go.promise;
      return value;
    });
    const items = await flow.recovery.follow("t", { onLeave });
    const first = items.next();
    await begun();
    come.resolve();
    expect(await first).toMatchObject({ value: { chunk: { text: "begun" } } });
    await items.return();
    go.resolve();
    await atRest(flow);
    expect(flow.stats().outcomes[wanted]).toBe(1);
  }
});

test("a follower learns that the trace is paused, and the answer continues from there", async () => {
  const ask = payloadNode("ask", async (_: number, ctx) => await ctx.pause<string>({ reason: "which?" }));
  await using flow = create(ask.to(), { logger: SILENT });
  flow.run();
  const outcome: Outcome = await flow.outcome(1, { traceId: "t" });
  if (outcome.status !== "paused") throw new Error(outcome.status);
  await expect(read(flow.recovery.follow("t"))).rejects.toMatchObject({ code: "TRACE_PAUSED" });
  const resumed = flow.pauses.resume(outcome.pauses[0]!.token, "this");
  expect(await resumed).toMatchObject({ status: "completed", result: "this" });
});
