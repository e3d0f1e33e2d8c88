import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  create,
  type CheckpointStore,
  joinK,
  MemoryCheckpointStore,
  MemoryStateStore,
  type Message,
  node,
  payloadNode,
  shape,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle } from "penguiflow/testing";
import { contentsOf, CutCheckpoints, HeldCheckpoints } from "./cut-checkpoint-store.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

describe("a durable flow", () => {
  test("answers a call as any flow does, and leaves nothing of it in the checkpoint store", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const a = payloadNode("a", (n: number) => n + 1);
    const b = payloadNode("b", (n: number) => n * 2);
    await using flow = create(a.to(b), { durability: durable({ checkpoints }) });
    flow.run();
    expect(await flow.call(1)).toBe(4);
    expect(await flow.recovery.unfinished()).toEqual([]);
    await flow.stop();
    expect(await contentsOf(checkpoints)).toEqual({ entries: [], counts: { a: 1, b: 1 } });
  });

  test("continues in a new run from where the last was cut off, with the same idempotency key, and not from the start", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const seen: string[] = [];
    let hang = true;
    const make = (of: CheckpointStore) => {
      const a = payloadNode("a", (n: number, ctx) => {
        seen.push(`a ${ctx.idempotencyKey}`);
        return n + 1;
      });
      const b = payloadNode("b", async (n: number, ctx) => {
        seen.push(`b ${ctx.idempotencyKey}`);
        if (hang) await new Promise(() => {});
        return n * 2;
      });
      return create(a.to(b), { durability: durable({ checkpoints: of }), logger: SILENT, graceMs: 5 });
    };
    const first = new CutCheckpoints(checkpoints);
    const before = make(first).run();
    const id = await before.emit(1, { traceId: "t" });
    expect((await before.recovery.unfinished())[0]).toMatchObject({ traceId: "t", status: "running", nodes: ["b"] });
    first.cut();
    await before.stop();
    hang = false;
    const after = make(checkpoints).run();
    expect(await after.ready()).toMatchObject({ resumed: 1 });
    const result = (await after.fetch({ traceId: id })) as Message;
    expect(result.payload).toBe(4);
    expect(seen.map((line) => line[0])).toEqual(["a", "b", "b"]);
    expect(seen[1]).toBe(seen[2]);
    await after.stop();
    expect((await contentsOf(checkpoints)).entries).toEqual([]);
  });

  test("a joined fan-out, a retry in backoff and a queue come back", async () => {
    const checkpoints = new MemoryCheckpointStore();
    let broken = true;
    const make = (of: CheckpointStore) => {
      const split = payloadNode("split", (n: number) => n);
      const left = payloadNode("left", (n: number) => n + 1);
      const right = payloadNode(
        { name: "right", policy: { maxRetries: 50, backoffBaseMs: 20, maxBackoffMs: 20 } },
        (n: number) => {
          if (broken) throw new Error("not yet");
          return n + 2;
        },
      );
      const both = joinK("both", 2, { input: shape<number>() });
      const sum = payloadNode("sum", (parts: readonly number[]) => parts.reduce((a, b) => a + b, 0));
      return create(split.to(left, right), left.to(both), right.to(both), both.to(sum), {
        durability: durable({ checkpoints: of }),
        logger: SILENT,
      });
    };
    const first = new CutCheckpoints(checkpoints);
    const before = make(first).run();
    await before.emit(10, { traceId: "t" });
    await settle();
    first.cut();
    await before.stop();
    broken = false;
    await using after = make(checkpoints).run();
    const result = (await after.fetch({ traceId: "t" })) as Message;
    expect(result.payload).toBe(23);
  });

  test("a result that has not been fetched survives a restart", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = () =>
      create(payloadNode("a", (n: number) => n + 1).to(payloadNode("b", (n: number) => n)), {
        durability: durable({ checkpoints }),
      });
    const before = make().run();
    await before.emit(1, { traceId: "t" });
    await settle();
    await before.stop();
    await using after = make().run();
    await after.ready();
    expect(((await after.fetch({ traceId: "t" })) as Message).payload).toBe(2);
  });

  test("what cannot be stored is refused, with the way to it", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const a = payloadNode("a", (_: { list: unknown[] }) => ({ deep: [1, () => {}] }));
    await using flow = create(a.to(payloadNode("b", (x: unknown) => x)), {
      durability: durable({ checkpoints }),
      logger: SILENT,
    });
    flow.run();
    await expect(flow.call({ list: [1, Symbol("x")] })).rejects.toMatchObject({
      code: "NOT_SERIALISABLE",
      message: expect.stringContaining("payload.list[1]") as unknown,
    });
    await expect(flow.call({ list: [] })).rejects.toMatchObject({
      code: "NOT_SERIALISABLE",
      node: "a",
      message: expect.stringContaining("payload.deep[1]") as unknown,
    });
    await expect(flow.call({ list: ["x".repeat(2 ** 21)] })).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  test("a second flow of the same process is told so, though the module was loaded again meanwhile", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = (durability: ReturnType<typeof durable>) =>
      create(payloadNode("a", (n: number) => n + 1).to(), { durability, logger: SILENT }).run();
    const isLoadedAgain = "../../src/durable/this-process.ts?again";
    const again = (await import(/* @vite-ignore */ isLoadedAgain)) as { readonly thisProcess: () => string };
    await using one = make(durable({ checkpoints, leaseMs: 300, owner: again.thisProcess() }));
    await one.ready();
    const two = make(durable({ checkpoints, leaseMs: 300 }));
    await expect(two.ready()).rejects.toMatchObject({
      code: "PARTITION_LEASED",
      message: expect.stringMatching(/another flow of this process holds it.*stop that flow first/) as unknown,
      details: { owner: expect.stringMatching(/^process \d+ \([0-9a-f]{8}\)$/) as unknown },
    });
    expect(await one.call(1)).toBe(2);
  });

  test("a second process is refused, and told who has the checkpoint store", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = (owner: string) =>
      create(payloadNode("a", (n: number) => n + 1).to(payloadNode("b", (n: number) => n)), {
        durability: durable({ checkpoints, owner, leaseMs: 300 }),
        logger: SILENT,
      });
    await using one = make("one").run();
    await one.ready();
    const two = make("two").run();
    await expect(two.ready()).rejects.toMatchObject({
      code: "PARTITION_LEASED",
      message: expect.stringContaining('"one"') as unknown,
    });
    await expect(two.call(1)).rejects.toMatchObject({
      code: expect.stringMatching(/PARTITION_LEASED|FLOW_NOT_RUNNING|FLOW_STOPPED/) as unknown,
    });
    expect(await one.call(1)).toBe(2);
  });
});

describe("ctx.once", () => {
  test("runs an effect once over retries, and over a restart", async () => {
    const checkpoints = new MemoryCheckpointStore();
    let charged = 0;
    let hang = true;
    const make = (of: CheckpointStore) => {
      const pay = node("pay", async (message: Message<number>, ctx) => {
        const receipt = await ctx.once("charge", async (key) => {
          charged += 1;
          return { id: charged, key: key.length > 10 };
        });
        if (hang) await new Promise(() => {});
        return message.with({ payload: receipt });
      });
      return create(pay.to(payloadNode("b", (x: { id: number }) => x)), {
        durability: durable({ checkpoints: of }),
        logger: SILENT,
        graceMs: 1,
      });
    };
    const first = new CutCheckpoints(checkpoints);
    const before = make(first).run();
    await before.emit(1, { traceId: "t" });
    await settle();
    first.cut();
    await before.stop();
    hang = false;
    await using after = make(checkpoints).run();
    expect(((await after.fetch({ traceId: "t" })) as Message).payload).toEqual({ id: 1, key: true });
    expect(charged).toBe(1);
  });

  test("an effect that was in flight when the process ended is unknown, and the function that finds out is asked", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = (of: CheckpointStore, ifUnknown: "fail" | "run" | (() => string)) => {
      const pay = payloadNode(
        "pay",
        async (_: number, ctx) =>
          await ctx.once("charge", () => (of === checkpoints ? "again" : new Promise<string>(() => {})), { ifUnknown }),
      );
      return create(pay.to(payloadNode("b", (x: string) => x)), {
        durability: durable({ checkpoints: of }),
        logger: SILENT,
        graceMs: 1,
      });
    };
    for (const [how, wanted] of [
      ["run", "again"],
      [() => "found out", "found out"],
    ] as const) {
      const first = new CutCheckpoints(checkpoints);
      const before = make(first, how).run();
      await before.emit(1, { traceId: "t" });
      await settle();
      first.cut();
      await before.stop();
      await using after = make(checkpoints, how).run();
      expect(((await after.fetch({ traceId: "t" })) as Message).payload).toBe(wanted);
    }
    const first = new CutCheckpoints(checkpoints);
    const before = make(first, "fail").run();
    await before.emit(1, { traceId: "t" });
    await settle();
    first.cut();
    await before.stop();
    await using after = make(checkpoints, "fail").run();
    await expect(after.fetch({ traceId: "t" })).rejects.toMatchObject({ code: "EFFECT_UNKNOWN" });
  });
});

describe("ctx.pause", () => {
  const approval = (durability?: ReturnType<typeof durable>) => {
    const ask = payloadNode("ask", async (amount: number, ctx) => {
      const yes = await ctx.pause<boolean>({ reason: "approve?", payload: { amount } });
      return yes ? amount : 0;
    });
    return create(ask.to(payloadNode("pay", (n: number) => n + 1)), {
      ...(durability === undefined ? {} : { durability }),
      logger: SILENT,
    });
  };

  test("pauses a trace until it is answered, once", async () => {
    await using flow = approval();
    flow.run();
    const paused = await flow.outcome(5);
    if (paused.status !== "paused") throw new Error(paused.status);
    expect(paused.pauses).toMatchObject([{ node: "ask", reason: "approve?", payload: { amount: 5 } }]);
    const { token } = paused.pauses[0]!;
    await expect(flow.pauses.resume(token, true, { tenant: "other" })).rejects.toMatchObject({ code: "PAUSE_FOREIGN" });
    expect(await flow.pauses.resume(token, true)).toMatchObject({ status: "completed", result: 6 });
    await expect(flow.pauses.resume(token, true)).rejects.toMatchObject({ code: "PAUSE_USED" });
    await expect(flow.pauses.resume("nonsense", true)).rejects.toMatchObject({ code: "PAUSE_UNKNOWN" });
    expect(flow.stats().traces).toBe(0);
  });

  test("counts as paused in the list of traces, and as running again when it was answered", async () => {
    const stateStore = new MemoryStateStore();
    const ask = payloadNode("ask", async (n: number, ctx) => await ctx.pause<number>({ reason: `more than ${n}?` }));
    const wait = payloadNode("wait", async (n: number, ctx) => await ctx.sleep(20).then(() => n));
    await using flow = create(ask.to(wait), { stateStore, logger: SILENT });
    flow.run();
    const paused = await flow.outcome(5);
    if (paused.status !== "paused") throw new Error(paused.status);
    const states = async () => {
      await flow.flush();
      return (await stateStore.listTraces({ tenant: "default" })).traces.map(({ state }) => state);
    };
    expect(await states()).toEqual(["paused"]);
    const resumed = flow.pauses.resume(paused.pauses[0]!.token, 7);
    await settle();
    expect(await states()).toEqual(["running"]);
    expect(await resumed).toMatchObject({ status: "completed", result: 7 });
    expect(await states()).toEqual(["completed"]);
  });

  test("is answered in another process", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const before = approval(durable({ checkpoints })).run();
    const paused = await before.outcome(5);
    if (paused.status !== "paused") throw new Error(paused.status);
    await before.stop();
    await using after = approval(durable({ checkpoints })).run();
    expect(await after.pauses.list()).toMatchObject([{ reason: "approve?", payload: { amount: 5 } }]);
    expect(await after.pauses.resume(paused.pauses[0]!.token, false)).toMatchObject({ status: "completed", result: 1 });
  });

  test("one that tells nothing but its reason comes back, too", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = () => {
      const ask = payloadNode("ask", async (n: number, ctx) => n + (await ctx.pause<number>({ reason: "how many?" })));
      return create(ask.to(), { durability: durable({ checkpoints }), logger: SILENT });
    };
    const before = make().run();
    await before.outcome(1);
    await before.stop();
    await using after = make().run();
    const [pause] = await after.pauses.list();
    expect(pause?.payload).toBeUndefined();
    expect(await after.pauses.resume(pause!.token, 2)).toMatchObject({ status: "completed", result: 3 });
  });
});

describe("a failed trace", () => {
  test("is retried from the node at which it failed", async () => {
    const checkpoints = new MemoryCheckpointStore();
    let broken = true;
    let first = 0;
    const make = () =>
      create(
        payloadNode("a", (n: number) => {
          first += 1;
          return n + 1;
        }).to(
          payloadNode("b", (n: number) => {
            if (broken) throw new Error("down");
            return n * 2;
          }),
        ),
        { durability: durable({ checkpoints }), logger: SILENT },
      );
    const before = make().run();
    await expect(before.call(1, { traceId: "t" })).rejects.toMatchObject({ code: "NODE_EXCEPTION" });
    expect(await before.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "failed", nodes: ["b"] }]);
    await before.stop();
    broken = false;
    await using after = make().run();
    expect(await after.ready()).toMatchObject({ failed: 1, resumed: 0 });
    await after.recovery.retryFailed("t");
    expect(((await after.fetch({ traceId: "t" })) as Message).payload).toBe(4);
    expect(first).toBe(1);
    expect(await after.recovery.unfinished()).toEqual([]);
  });
});

describe("what leaves the process waits until it is stored", () => {
  test("an envelope on the bus, and the handler of a node with durable: before", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const slow = new HeldCheckpoints(checkpoints);
    slow.hold();
    const published: string[] = [];
    let charged = 0;
    const a = payloadNode("a", (n: number) => n + 1);
    const pay = payloadNode({ name: "pay", policy: { durable: "before" } }, (n: number) => {
      charged += 1;
      return n;
    });
    const messageBus = {
      publish: async (batch: readonly { readonly edge: string }[]) =>
        void published.push(...batch.map(({ edge }) => edge)),
    };
    await using flow = create(a.to(pay), { durability: durable({ checkpoints: slow }), messageBus, logger: SILENT });
    flow.run();
    const result = flow.call(1);
    await settle();
    expect([charged, published]).toEqual([0, []]);
    slow.release();
    expect(await result).toBe(2);
    await flow.flush();
    expect(published).toEqual(["OpenSea->a", "a->pay", "pay->Rookery"]);
  });
});

test("the lease of a process that has died is waited for", async () => {
  const checkpoints = new MemoryCheckpointStore();
  await checkpoints.open({ partition: "flow", owner: "the dead", leaseMs: 80 });
  const said: unknown[] = [];
  const logger = { ...SILENT, warn: (what: string, facts: unknown) => void said.push([what, facts]) };
  const a = payloadNode("a", (n: number) => n + 1);
  await using flow = create(a.to(payloadNode("b", (n: number) => n)), { durability: durable({ checkpoints }), logger });
  flow.run();
  expect(await flow.call(1)).toBe(2);
  expect(said).toMatchObject([["lease_awaited", { owner: "the dead" }]]);
});

test("stop does not wait for traces that wait for answers", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const ask = payloadNode("ask", async (n: number, ctx) => await ctx.pause<number>({ reason: `more than ${n}?` }));
  const flow = create(ask.to(payloadNode("b", (n: number) => n)), {
    durability: durable({ checkpoints }),
    logger: SILENT,
  });
  flow.run();
  expect((await flow.outcome(1)).status).toBe("paused");
  const begun = performance.now();
  await flow.stop({ drainMs: 20_000 });
  expect(performance.now() - begun).toBeLessThan(10_000);
});

test("a trace whose payload cannot be read stays in the checkpoint store, and the others continue", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const state = (payload: unknown) =>
    JSON.stringify({
      headers: { tenant: "default" },
      startedAt: 1,
      isOpenEnded: true,
      entered: 1,
      resultCount: 0,
      items: [{ node: "a", lineage: [1, 2], where: "line", attempt: 1, payload, createdAt: 1 }],
    });
  const partition = await checkpoints.open({ partition: "flow", owner: "before", leaseMs: 1 });
  const entry = (run: number, payload: unknown) =>
    ({ run, tenant: "default", traceId: `t${run}`, status: "open", version: 1, state: state(payload) }) as const;
  const counts = new Map<string, number>();
  await partition.append({ put: [entry(1, { $later: 1 }), entry(2, 5)], remove: [], counts }, 0);
  await partition.close();
  const a = payloadNode("a", (n: number) => n + 1);
  await using flow = create(a.to(payloadNode("b", (n: number) => n)), {
    durability: durable({ checkpoints }),
    logger: SILENT,
  });
  flow.run();
  expect(await flow.ready()).toMatchObject({ resumed: 1, changed: [{ traceId: "t1", action: "parked" }] });
  expect(((await flow.fetch({ traceId: "t2" })) as Message).payload).toBe(6);
  expect(await flow.recovery.unfinished()).toMatchObject([{ traceId: "t1", status: "parked" }]);
});

test("a result that was fetched while the flow stopped is not delivered again by the next run", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const make = () =>
    create(payloadNode("a", (n: number) => n + 1).to(payloadNode("b", (n: number) => n)), {
      durability: durable({ checkpoints }),
      logger: SILENT,
    });
  const before = make().run();
  await before.emit(1, { traceId: "t" });
  while (before.stats().unreadResults === 0) await settle();
  const fetched = before.fetch({ traceId: "t" });
  const stopped = before.stop();
  expect(((await fetched) as Message).payload).toBe(2);
  await stopped;
  await using after = make().run();
  expect(await after.ready()).toMatchObject({ resumed: 0 });
});

test("a handler whose answer was refused delays nothing when its trace is cancelled", async () => {
  const ask = payloadNode(
    "ask",
    async (_: number, ctx) => await ctx.pause({ reason: "a number?", resumeSchema: z.number() }),
  );
  const flow = create(ask.to(payloadNode("b", (n: number) => n)), { logger: SILENT, graceMs: 5_000 });
  flow.run();
  const paused = await flow.outcome(1, { traceId: "t" });
  if (paused.status !== "paused") throw new Error(paused.status);
  const { token } = paused.pauses[0]!;
  await expect(flow.pauses.resume(token, "one")).rejects.toMatchObject({ code: "RESUME_INVALID" });
  expect(await flow.cancel("t")).toMatchObject({ found: true, zombies: 0 });
  expect(await flow.stop()).toMatchObject({ abandoned: 0 });
});
