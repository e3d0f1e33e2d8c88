import { describe, expect, test } from "vitest";
import {
  type Context,
  create,
  FlowError,
  type CheckpointStore,
  MemoryCheckpointStore,
  type Outcome,
  payloadNode,
  type PauseTicket,
} from "penguiflow";
import { type ChangedMessage, durable, type DurableOptions } from "penguiflow/durable";
import { settle } from "penguiflow/testing";
import { gate } from "../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";
import { contentsOf } from "./cut-checkpoint-store.ts";

type Answers = Record<string, unknown>;
type Ask = (ctx: Context) => Promise<Answers>;

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const pausesOf = (outcome: Outcome): readonly PauseTicket[] => {
  if (outcome.status !== "paused") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.pauses;
};

/** Creates a handler that asks one question after the other. */
const inTurn =
  (...names: readonly string[]): Ask =>
  async (ctx) => {
    const answers: Answers = {};
    for (const name of names) answers[name] = await ctx.pause({ reason: name });
    return answers;
  };

/** Creates a release of the flow whose one node asks as given. */
function release(checkpoints: CheckpointStore, ask: Ask, options: Partial<DurableOptions> = {}) {
  const logger = logbook();
  const node = payloadNode("ask", async (_: unknown, ctx) => await ask(ctx));
  const other = payloadNode("other", (payload: unknown) => payload);
  const first = payloadNode("first", (payload: unknown) => payload);
  const flow = create(first.to(node), node.to(other), { durability: durable({ checkpoints, ...options }), logger });
  flow.run();
  return { flow, logger };
}

/** Runs a release until its one trace is paused, and ends it. */
async function leftBy(
  ask: Ask,
  checkpoints: CheckpointStore = new MemoryCheckpointStore(),
): Promise<{ checkpoints: CheckpointStore; token: string }> {
  const { flow } = release(checkpoints, ask);
  const [pause] = pausesOf(await flow.outcome("p", { traceId: "t" }));
  await flow.stop();
  return { checkpoints, token: (pause as PauseTicket).token };
}

/** Converts the entries of a checkpoint store to the format of an earlier version of this package. */
async function inFirstForm(checkpoints: CheckpointStore): Promise<void> {
  const partition = await checkpoints.open({ partition: "flow", owner: "the test", leaseMs: 1 });
  const put = [];
  for await (const page of partition.read())
    for (const entry of page) {
      const state = JSON.parse(entry.state) as { pauses: { key: string; name?: string }[] };
      const counts = new Map<string, number>();
      for (const pause of state.pauses) {
        const place = (/^[0-9a-f]{16}\/[0-9a-f]{16}/.exec(pause.key) as RegExpExecArray)[0];
        const index = counts.get(place) ?? 0;
        counts.set(place, index + 1);
        pause.key = `${place}.${index}`;
        delete pause.name;
      }
      put.push({ ...entry, version: 1, state: JSON.stringify(state) });
    }
  await partition.append({ put, remove: [], counts: new Map() }, partition.sequence);
  await partition.close();
}

describe("an answer", () => {
  test("goes to its question though the next release asks another one first", async () => {
    const { checkpoints, token } = await leftBy(inTurn("price"));
    const { flow } = release(checkpoints, inTurn("size", "price"));
    const [size] = pausesOf(await flow.pauses.resume(token, "9 euros"));
    expect(size?.reason).toBe("size");
    const end = await flow.pauses.resume(size?.token as string, "XL");
    expect(end).toMatchObject({ status: "completed", result: { size: "XL", price: "9 euros" } });
    expect((await flow.ready()).changed).toEqual([]);
    await flow.stop();
  });

  test("goes to its question though a flag flips while the flow runs", async () => {
    let names = ["price"];
    const { flow } = release(new MemoryCheckpointStore(), (ctx) => inTurn(...names)(ctx));
    const [price] = pausesOf(await flow.outcome("p"));
    names = ["size", "price"];
    const [size] = pausesOf(await flow.pauses.resume(price?.token as string, "9 euros"));
    const end = await flow.pauses.resume(size?.token as string, "XL");
    expect(end).toMatchObject({ result: { size: "XL", price: "9 euros" } });
    await flow.stop();
  });

  test("is found by name though the reason is worded anew", async () => {
    const { checkpoints, token } = await leftBy(async (ctx) => ({
      price: await ctx.pause({ name: "price", reason: "How much?" }),
    }));
    const { flow } = release(checkpoints, async (ctx) => ({
      price: await ctx.pause({ name: "price", reason: "What does it cost?" }),
    }));
    expect(await flow.pauses.resume(token, 9)).toMatchObject({ status: "completed", result: { price: 9 } });
    await flow.stop();
  });

  test("is found by its reason when the next release gives the pause a name", async () => {
    const { checkpoints, token } = await leftBy(inTurn("How much?"));
    const { flow } = release(checkpoints, async (ctx) => ({
      price: await ctx.pause({ name: "price", reason: "How much?" }),
    }));
    expect(await flow.pauses.resume(token, 9)).toMatchObject({ status: "completed", result: { price: 9 } });
    await flow.stop();
  });

  test("that an earlier version of this package stored by its place is found by its reason", async () => {
    const { checkpoints, token } = await leftBy(inTurn("price"));
    await inFirstForm(checkpoints);
    const { flow } = release(checkpoints, inTurn("size", "price"));
    const [size] = pausesOf(await flow.pauses.resume(token, "9 euros"));
    const end = await flow.pauses.resume(size?.token as string, "XL");
    expect(end).toMatchObject({ result: { size: "XL", price: "9 euros" } });
    await flow.stop();
  });

  test("goes to the playbook that asked, though another with the same question is called first", async () => {
    const playbook = (name: string) =>
      create(payloadNode("inner", async (_: unknown, ctx) => await ctx.pause({ reason: "approve?" })).to(), { name });
    const [alpha, beta] = [playbook("alpha"), playbook("beta")];
    const calling = async (ctx: Context) => ({ beta: await ctx.callPlaybook(beta, "b") });
    for (const isOld of [false, true]) {
      const { checkpoints, token } = await leftBy(calling);
      if (isOld) await inFirstForm(checkpoints);
      const same = release(checkpoints, calling);
      expect(await same.flow.pauses.list()).toMatchObject([{ token }]);
      await same.flow.stop();
      if (isOld) continue;
      const { flow } = release(checkpoints, async (ctx) => {
        const a = await ctx.callPlaybook(alpha, "a");
        return { alpha: a, beta: await ctx.callPlaybook(beta, "b") };
      });
      const [asked] = pausesOf(await flow.pauses.resume(token, "yes to beta"));
      expect(asked).toMatchObject({ reason: "approve?", node: "inner" });
      expect(asked?.token).not.toBe(token);
      await flow.stop();
    }
  });

  test("that its handler never asks for is not given to another, and is left for a later release", async () => {
    const { checkpoints, token } = await leftBy(inTurn("price"));
    const { flow, logger } = release(checkpoints, inTurn("size"));
    const [size] = pausesOf(await flow.pauses.resume(token, "9 euros"));
    const end = await flow.pauses.resume(size?.token as string, "XL");
    const problem = 'node "ask" returned without asking for "price" (answered), which an earlier run asked for';
    expect(end).toMatchObject({
      status: "failed",
      results: [],
      error: {
        code: "GRAPH_CHANGED",
        node: "ask",
        message: `Cannot finish trace "t": ${problem}; the checkpoint store keeps it for a later run`,
      },
    });
    const changed = [{ tenant: "default", traceId: "t", node: "ask", problem, action: "parked" }];
    expect((await flow.ready()).changed).toEqual(changed);
    expect(logger.lines.filter(({ message }) => message === "trace_changed")).toHaveLength(1);
    expect(await flow.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "parked" }]);
    expect(flow.stats()).toMatchObject({ traces: 0 });
    await flow.stop();
    // both answers are there for the release that asks for both
    const back = release(checkpoints, inTurn("price", "size"));
    expect((await back.flow.ready()).resumed).toBe(1);
    await settle();
    const { payload } = (await within(4_000, back.flow.fetch({ traceId: "t" }))) as { payload: unknown };
    expect(payload).toEqual({ price: "9 euros", size: "XL" });
    expect(await back.flow.recovery.unfinished()).toEqual([]);
    await back.flow.stop();
  });

  test('that its handler never asks for fails the trace with onChanged "fail", until it is tried again', async () => {
    const { checkpoints, token } = await leftBy(inTurn("price"));
    const { flow } = release(checkpoints, async () => ({}), { onChanged: "fail" });
    const end = await flow.pauses.resume(token, "9 euros");
    expect(end).toMatchObject({ status: "failed", error: { code: "GRAPH_CHANGED" } });
    expect(await flow.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "failed", nodes: ["ask"] }]);
    await flow.stop();
    const back = release(checkpoints, inTurn("price"));
    expect((await back.flow.ready()).failed).toBe(1);
    await back.flow.recovery.retryFailed("t");
    const { payload } = (await within(4_000, back.flow.fetch({ traceId: "t" }))) as { payload: unknown };
    expect(payload).toEqual({ price: "9 euros" });
    await back.flow.stop();
  });

  test.each([
    ["its own node", "ask", { asked: "p" }],
    ["another node", "other", { moved: "9 euros" }],
  ])("that its handler never asks for is told to onChanged, which sends the message to %s", async (_, node, result) => {
    const { checkpoints, token } = await leftBy(inTurn("price"));
    const told: ChangedMessage[] = [];
    let calls = 0;
    const { flow } = release(
      checkpoints,
      async (ctx) => {
        calls += 1;
        return { asked: ctx.message.payload };
      },
      {
        onChanged: async (message) => {
          told.push(message);
          await settle();
          return { node, payload: node === "ask" ? message.payload : { moved: message.unasked?.[0]?.answer?.value } };
        },
      },
    );
    expect(await flow.pauses.resume(token, "9 euros")).toMatchObject({ status: "completed", results: [result] });
    expect(told).toMatchObject([
      { node: "ask", traceId: "t", payload: "p", unasked: [{ reason: "price", answer: { value: "9 euros" } }] },
    ]);
    expect(calls).toBe(node === "ask" ? 2 : 1);
    expect(await flow.recovery.unfinished()).toEqual([]);
    await flow.stop();
    expect((await contentsOf(checkpoints)).entries).toEqual([]);
  });

  test("that is being asked about when the flow stops is asked about again by the next run", async () => {
    const { checkpoints, token } = await leftBy(inTurn("price"));
    const never = gate<"fail">();
    const { flow } = release(checkpoints, async () => ({}), { onChanged: () => never.passed });
    const resumed = flow.pauses.resume(token, "9 euros");
    await settle();
    await flow.stop();
    expect((await resumed).status).toBe("stopped");
    const back = release(checkpoints, async () => ({}));
    await back.flow.ready();
    await settle();
    await settle();
    expect((await back.flow.ready()).changed).toMatchObject([{ action: "parked" }]);
    await back.flow.stop();
    never.open("fail");
  });

  test("that a handler of this very run does not ask for any more is logged", async () => {
    let names = ["price"];
    const { flow, logger } = release(new MemoryCheckpointStore(), (ctx) => inTurn(...names)(ctx));
    const [price] = pausesOf(await flow.outcome("p"));
    names = [];
    expect(await flow.pauses.resume(price?.token as string, 9)).toMatchObject({ status: "completed", result: {} });
    expect(logger.lines.filter(({ message }) => message === "pause_not_asked")).toMatchObject([
      { fields: { node: "ask", pause: "price", wasAnswered: true } },
    ]);
    await flow.stop();
  });
});

test("a question that another release asks beside those that wait has its own answer", async () => {
  const both =
    (...names: string[]): Ask =>
    async (ctx) =>
      Object.fromEntries(
        await Promise.all(names.map(async (name) => [name, await ctx.pause({ reason: name })] as const)),
      );
  const { checkpoints, token } = await leftBy(both("a", "b"));
  const { flow } = release(checkpoints, both("c", "a", "b"));
  let outcome: Outcome = await flow.pauses.resume(token, "to a");
  for (let round = 0; outcome.status === "paused" && round < 5; round += 1) {
    const [next] = outcome.pauses;
    outcome = await flow.pauses.resume(next?.token as string, `to ${next?.reason}`);
  }
  expect(outcome).toMatchObject({ status: "completed", result: { a: "to a", b: "to b", c: "to c" } });
  await flow.stop();
});

test("a question that was asked while an answer was checked, and parked no message, need not be asked again", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const colors = gate();
  const validate = (): Promise<never> => new Promise(() => {});
  const { flow } = release(checkpoints, async (ctx) => {
    const [size, color] = await Promise.all([
      ctx.pause({ reason: "size", resumeSchema: { "~standard": { version: 1, vendor: "test", validate } } }),
      colors.passed.then(() => ctx.pause({ reason: "color" })),
    ]);
    return { size, color };
  });
  const [size] = pausesOf(await flow.outcome("p", { traceId: "t" }));
  const resumed = flow.pauses.resume(size?.token as string, "XL");
  await settle();
  colors.open();
  await settle();
  // stores the trace as it is
  await flow.signal("t", "go on", 1);
  await flow.stop();
  expect((await resumed).status).toBe("stopped");

  const { flow: later } = release(checkpoints, inTurn("size"));
  const { payload } = (await within(4_000, later.fetch({ traceId: "t" }))) as { payload: unknown };
  expect(payload).toEqual({ size: "XL" });
  expect((await later.ready()).changed).toEqual([]);
  await later.stop();
});

test("two pauses of one handler need two names: their answers could not be told apart", async () => {
  const { flow } = release(new MemoryCheckpointStore(), async (ctx) => ({
    both: await Promise.all([ctx.pause({ reason: "approve?" }), ctx.pause({ reason: "approve?" })]),
  }));
  const error = (await rejection(flow.call("p"))) as FlowError;
  expect(codeOf(error)).toBe("NODE_EXCEPTION");
  expect(error.message).toContain('Cannot pause twice as "approve?" at node "ask"');
  await flow.stop();
});
