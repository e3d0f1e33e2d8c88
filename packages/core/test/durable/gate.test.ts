import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowOptions,
  type CheckpointPartition,
  type CheckpointStore,
  type LeaseRequest,
  MemoryCheckpointStore,
  type Message,
  payloadNode,
} from "penguiflow";
import { durable, type DurableOptions } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";
import { gate, isPending, passing, readAll } from "../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";
import { contentsOf, CutCheckpoints, HeldCheckpoints } from "./cut-checkpoint-store.ts";

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const code = async (promise: PromiseLike<unknown>): Promise<unknown> => codeOf(await rejection(promise));

const plus = payloadNode("plus", (n: number) => {
  if (n < 0) throw new Error("negative");
  return n + 1;
});
const ask = payloadNode("ask", async (n: number, ctx) =>
  n === 7 ? await ctx.pause<number>({ reason: "how many?" }) : n,
);

/** Creates a durable flow of two nodes, which is stopped after the test. */
function flowOf(checkpoints: CheckpointStore, more: Partial<DurableOptions> = {}, options: FlowOptions = {}) {
  const flow = create(plus.to(ask), {
    durability: durable({ checkpoints, ...more }),
    logger: logbook(),
    graceMs: 5,
    ...options,
  });
  flow.run();
  return flow;
}

/** Creates a flow whose checkpoint store blocks every append until it is released. */
async function held() {
  const checkpoints = new HeldCheckpoints();
  const flow = flowOf(checkpoints);
  await flow.ready();
  checkpoints.hold();
  return { checkpoints, flow };
}

/** Checks that a value arrives only once the append that contains it has been stored. */
async function comesWhenStored<Value>(
  checkpoints: HeldCheckpoints,
  promise: Promise<Value>,
): Promise<PromiseSettledResult<Value>> {
  expect(await isPending(promise)).toBe(true);
  expect(checkpoints.waiting).toBe(1);
  checkpoints.release();
  const [settled] = await within(4_000, Promise.allSettled([promise]));
  return settled;
}

describe("nothing is delivered before the append that contains it has resolved:", () => {
  test("the result of a call", async () => {
    const { checkpoints, flow } = await held();
    expect(await comesWhenStored(checkpoints, flow.call(1))).toMatchObject({ value: 2 });
    await flow.stop();
  });

  test("the failure of a call", async () => {
    const { checkpoints, flow } = await held();
    expect(await comesWhenStored(checkpoints, flow.call(-1))).toMatchObject({ reason: { code: "NODE_EXCEPTION" } });
    await flow.stop();
  });

  test("the outcome, completed, failed, cancelled and paused", async () => {
    for (const [input, status] of [
      [1, "completed"],
      [-1, "failed"],
      [6, "paused"],
    ] as const) {
      const { checkpoints, flow } = await held();
      expect(await comesWhenStored(checkpoints, flow.outcome(input))).toMatchObject({ value: { status } });
      await flow.stop();
    }
  });

  test("that a message was accepted", async () => {
    const { checkpoints, flow } = await held();
    expect(await comesWhenStored(checkpoints, flow.emit(1, { traceId: "t" }))).toMatchObject({ value: "t" });
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe(2);
    await flow.stop();
  });

  test("what fetch takes", async () => {
    const { checkpoints, flow } = await held();
    void flow.emit(1, { traceId: "t" });
    await settle();
    expect(await comesWhenStored(checkpoints, flow.fetch({ traceId: "t" }))).toMatchObject({ value: { payload: 2 } });
    await flow.stop();
  });

  test("the error that fetch is rejected with, whether it waited for it or came later", async () => {
    for (const comesLater of [false, true]) {
      const { checkpoints, flow } = await held();
      void flow.emit(-1, { traceId: "t" });
      if (comesLater) await settle();
      const fetched = flow.fetch({ traceId: "t" });
      expect(await comesWhenStored(checkpoints, fetched)).toMatchObject({ reason: { code: "NODE_EXCEPTION" } });
      await flow.stop();
    }
  });

  test("the results of a stream and its end", async () => {
    const { checkpoints, flow } = await held();
    expect(await comesWhenStored(checkpoints, readAll(flow.stream(1)))).toMatchObject({ value: [{ result: 2 }] });
    await flow.stop();
  });

  test("the failure of a stream, and what it is paused for", async () => {
    for (const [input, wanted] of [
      [-1, "NODE_EXCEPTION"],
      [6, "TRACE_PAUSED"],
    ] as const) {
      const { checkpoints, flow } = await held();
      const read = readAll(flow.stream(input));
      expect(await comesWhenStored(checkpoints, read)).toMatchObject({ reason: { code: wanted } });
      await flow.stop();
    }
  });

  test("the report of a cancel, and the outcome of what was cancelled", async () => {
    const checkpoints = new HeldCheckpoints();
    const flow = create(payloadNode("slow", async (_: number, ctx) => await ctx.sleep(10_000)).to(ask), {
      durability: durable({ checkpoints }),
      graceMs: 5,
    });
    flow.run();
    await flow.emit(1, { traceId: "t" });
    const fetched = flow.fetch({ traceId: "t" });
    await settle();
    checkpoints.hold();
    const report = flow.cancel("t");
    expect(await isPending(fetched)).toBe(true);
    expect(await comesWhenStored(checkpoints, report)).toMatchObject({ value: { found: true } });
    expect(await code(fetched)).toBe("TRACE_CANCELLED");
    await flow.stop();
  });

  test("the tokens of pauses, and the continuation of a resumed trace", async () => {
    const { checkpoints, flow } = await held();
    void flow.outcome(6);
    await settle();
    const listed = await comesWhenStored(checkpoints, flow.pauses.list());
    expect(listed).toMatchObject({ value: [{ reason: "how many?" }] });
    const token = (await flow.pauses.list())[0]?.token ?? "";
    checkpoints.hold();
    expect(await comesWhenStored(checkpoints, flow.pauses.resume(token, 3))).toMatchObject({ value: { result: 3 } });
    await flow.stop();
  });

  test("that a failed trace is retried", async () => {
    const { checkpoints, flow } = await held();
    checkpoints.release();
    await flow.outcome(-1, { traceId: "t" });
    checkpoints.hold();
    expect(await comesWhenStored(checkpoints, flow.recovery.retryFailed("t"))).toMatchObject({ status: "fulfilled" });
    await flow.stop();
  });

  test("a chunk of a stream is delivered at once, and waits for no append", async () => {
    const checkpoints = new HeldCheckpoints();
    const talk = payloadNode("talk", async (_: number, ctx) => {
      await ctx.emitChunk({ text: "hello" });
      return await ctx.sleep(10_000);
    });
    const flow = create(talk.to(), { durability: durable({ checkpoints }), graceMs: 5 });
    flow.run();
    await flow.ready();
    checkpoints.hold();
    const stream = flow.stream(1);
    expect((await within(4_000, stream.next())).value).toMatchObject({ type: "chunk", chunk: { text: "hello" } });
    checkpoints.release();
    await stream.return();
    await flow.stop();
  });
});

describe("when an append fails,", () => {
  test("all who wait are told CHECKPOINT_FAILED with its cause, and the flow stops", async () => {
    const { checkpoints, flow } = await held();
    void flow.emit(1, { traceId: "read" }).catch(() => {});
    await settle();
    const waiting = [
      flow.call(1),
      flow.emit(2, { traceId: "t" }),
      flow.fetch({ traceId: "read" }),
      flow.fetch({ traceId: "nothing comes" }),
      flow.fetch({ tenant: "stranger" }),
      readAll(flow.stream(1)),
      flow.cancel("unknown"),
    ];
    const outcome = flow.outcome(1);
    await settle();
    const cause = new Error("disk full");
    checkpoints.release(cause);
    const settled = await within(4_000, Promise.allSettled(waiting));
    expect(settled.map((one) => codeOf((one as PromiseRejectedResult).reason))).toEqual(
      waiting.map(() => "CHECKPOINT_FAILED"),
    );
    expect((settled[0] as PromiseRejectedResult).reason).toMatchObject({ cause, retryable: true });
    expect(await outcome).toMatchObject({ status: "stopped", error: { code: "CHECKPOINT_FAILED", cause } });
    await flow.stop();
    expect(flow.isRunning).toBe(false);
    expect(await code(flow.call(1))).toBe("FLOW_NOT_RUNNING");
  });

  test("the flow can be run again, and continues from what is stored", async () => {
    const { checkpoints, flow } = await held();
    checkpoints.release();
    const opened = gate();
    const slow = create(
      payloadNode("slow", async (n: number) => {
        await opened.passed;
        return n;
      }).to(ask),
      { durability: durable({ checkpoints, partition: "slow" }), logger: logbook(), graceMs: 5 },
    );
    slow.run();
    await slow.emit(1, { traceId: "kept" });
    checkpoints.hold();
    const lost = slow.emit(2, { traceId: "lost" });
    await settle();
    checkpoints.release(new Error("disk full"));
    expect(await code(lost)).toBe("CHECKPOINT_FAILED");
    await slow.stop();
    slow.run();
    expect(await slow.ready()).toMatchObject({ resumed: 1 });
    opened.open();
    expect(((await slow.fetch({ traceId: "kept" })) as Message).payload).toBe(1);
    expect(await code(slow.fetch({ traceId: "lost" }))).toBe("TRACE_UNKNOWN");
    await Promise.all([slow.stop(), flow.stop()]);
  });
});

describe("the checkpoint store's lease:", () => {
  test("what overtakes a writer fences it: nothing it does after that is delivered", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const first = flowOf(checkpoints, { owner: "first", leaseMs: 1_000 });
    await first.ready();
    // the checkpoint store's own clock stands still, so the lease is not renewed
    await clock.advance(1_001);
    const second = flowOf(checkpoints, { owner: "second", leaseMs: 1_000 });
    await second.ready();
    expect(await code(first.call(1))).toBe("PARTITION_FENCED");
    expect(await second.call(1)).toBe(2);
    await first.stop();
    // releasing a partition that it no longer holds does not affect the holder
    expect(await second.call(2)).toBe(3);
    await second.stop();
  });

  test("is renewed for as long as the flow runs, however idle", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const flow = flowOf(checkpoints, { leaseMs: 1_000 }, { clock });
    await flow.ready();
    await clock.advance(60_000);
    const refused = await rejection(checkpoints.open({ partition: "flow", owner: "other", leaseMs: 1 }));
    expect(codeOf(refused)).toBe("PARTITION_LEASED");
    await passing(clock, flow.stop());
    expect(clock.timers).toBe(0);
    await (await checkpoints.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
  });

  test("a checkpoint store that answers late does not make a dead owner look alive", async () => {
    const clock = new TestClock();
    const memory = new MemoryCheckpointStore({ clock });
    await memory.open({ partition: "flow", owner: "dead", leaseMs: 3_000 });
    let answers = 0;
    const late: CheckpointStore = {
      async open(lease) {
        try {
          return await memory.open(lease);
        } catch (error) {
          if (++answers % 2 === 0) await new Promise<void>((resolve) => clock.setTimer(resolve, 400));
          throw error;
        }
      },
    };
    const flow = flowOf(late, { leaseMs: 2_000 }, { clock });
    await passing(clock, flow.ready(), 100);
    expect(answers).toBeGreaterThan(4);
    await passing(clock, flow.stop());
  });

  test("a renewal that fails is logged and retried; one that is refused stops the flow", async () => {
    const clock = new TestClock();
    const memory = new MemoryCheckpointStore({ clock });
    let renewals = 0;
    let failure: Error = new Error("no network");
    const checkpoints: CheckpointStore = {
      open: async (lease) => {
        const partition = await memory.open(lease);
        return wrapPartition(partition, {
          renew: async () => {
            renewals += 1;
            throw failure;
          },
        });
      },
    };
    const logger = logbook();
    const flow = flowOf(checkpoints, { leaseMs: 900 }, { clock, logger });
    await flow.ready();
    await clock.advance(600);
    expect(renewals).toBe(2);
    expect(logger.lines.map(({ message }) => message)).toEqual(["lease_renewal_failed", "lease_renewal_failed"]);
    expect(flow.isRunning).toBe(true);
    failure = new FlowError({ code: "PARTITION_FENCED", message: "another has it" });
    await clock.advance(400);
    await passing(clock, flow.stop());
    expect(flow.isRunning).toBe(false);
    expect(logger.lines.at(-1)?.message).toBe("checkpoints_lost");
    expect(clock.timers).toBe(0);
  });

  test("a checkpoint store that cannot be opened or read is told by ready and by every call, as CHECKPOINT_FAILED", async () => {
    const memory = new MemoryCheckpointStore();
    const broken: CheckpointStore = { open: () => Promise.reject(new Error("no such file")) };
    const unreadable: CheckpointStore = {
      open: async (lease) => {
        const partition = await memory.open(lease);
        return wrapPartition(partition, {
          // eslint-disable-next-line require-yield
          read: async function* () {
            throw new Error("bad sector");
          },
        });
      },
    };
    const rude: CheckpointStore = {
      open: () => {
        throw new Error("at once");
      },
    };
    for (const checkpoints of [broken, unreadable, rude]) {
      const flow = flowOf(checkpoints);
      const called = [
        flow.ready(),
        flow.call(1),
        flow.emit(1),
        flow.fetch(),
        readAll(flow.stream(1)),
        flow.pauses.list(),
      ];
      const settled = await within(4_000, Promise.allSettled(called));
      expect(settled.map((one) => codeOf((one as PromiseRejectedResult).reason))).toEqual(
        called.map(() => "CHECKPOINT_FAILED"),
      );
      await within(4_000, flow.stop());
      expect(flow.isRunning).toBe(false);
    }
    // the partition that could not be read was released
    await (await memory.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
  });
});

describe("a checkpoint store that does not answer", () => {
  /** A store whose partition has some methods that are answered when `isDown` is false, and never otherwise. */
  const silent = (clock: TestClock, others: (partition: CheckpointPartition) => Partial<CheckpointPartition>) => {
    const memory = new MemoryCheckpointStore({ clock });
    const open = async (lease: LeaseRequest): Promise<CheckpointPartition> => {
      const partition = await memory.open(lease);
      return wrapPartition(partition, others(partition));
    };
    return { memory, open };
  };

  test("a batch for as long as its lease lasts is lost: the flow stops itself, and the next run goes on", async () => {
    const clock = new TestClock();
    const checkpoints = new HeldCheckpoints(new MemoryCheckpointStore({ clock }));
    const logger = logbook();
    const flow = flowOf(checkpoints, { leaseMs: 2_000 }, { clock, logger });
    await flow.ready();
    checkpoints.hold();
    const called = rejection(flow.call(1));
    const outcome = flow.outcome(2);
    await settle();
    await clock.advance(1_900);
    expect(flow.isRunning).toBe(true);
    await clock.advance(100);
    await within(4_000, flow.closed);
    expect(await flow.closed).toMatchObject({ code: "CHECKPOINT_FAILED", retryable: true });
    expect(flow.isRunning).toBe(false);
    expect(((await called) as FlowError).message).toBe(
      'Cannot continue flow "flow": its checkpoint store failed: it has not answered a batch for 2000 ms; run it again to resume from the stored state',
    );
    expect(await outcome).toMatchObject({ status: "stopped", error: { code: "CHECKPOINT_FAILED" } });
    expect(logger.lines.map(({ message }) => message)).toEqual(["checkpoints_lost"]);
    expect(clock.timers).toBe(0);
    checkpoints.release(new Error("the connection was closed"));
    flow.run();
    expect(await passing(clock, flow.call(3))).toBe(4);
    await passing(clock, flow.stop());
  });

  test("is not given up because its process was suspended: the answer may have come meanwhile", async () => {
    const clock = new TestClock();
    const checkpoints = new HeldCheckpoints(new MemoryCheckpointStore({ clock }));
    const flow = flowOf(checkpoints, { leaseMs: 2_000 }, { clock });
    await flow.ready();
    checkpoints.hold();
    const called = flow.call(1);
    await settle();
    clock.skip(60_000);
    await clock.advance(1_000);
    expect(flow.isRunning).toBe(true);
    checkpoints.release();
    expect(await passing(clock, called, 100)).toBe(2);
    await passing(clock, flow.stop());
  });

  test("a renewal is asked again", async () => {
    const clock = new TestClock();
    let renewals = 0;
    const checkpoints = silent(clock, (partition) => ({
      renew: () => ((renewals += 1) === 1 ? new Promise<never>(() => {}) : partition.renew()),
    }));
    const logger = logbook();
    const flow = flowOf(checkpoints, { leaseMs: 900 }, { clock, logger });
    await flow.ready();
    await clock.advance(3_000);
    expect(renewals).toBeGreaterThan(2);
    expect(logger.lines.map(({ message }) => message)).toEqual(["lease_renewal_failed"]);
    expect(await passing(clock, flow.call(1))).toBe(2);
    await passing(clock, flow.stop());
  });

  test.each([
    ["the request for its partition", "open"],
    ["a read at the start", "read"],
    ["the positions of its intake", "consumed"],
    ["what expires", "expiring"],
  ] as const)("%s is told by ready as CHECKPOINT_FAILED, and releases the partition", async (_, method) => {
    const clock = new TestClock();
    const asked = gate();
    const { memory, open } = silent(clock, () => {
      if (method === "open") return {};
      if (method === "read")
        return {
          read: async function* () {
            yield await new Promise<never>(() => {});
          },
        };
      return { [method]: () => new Promise<never>(() => {}) };
    });
    const checkpoints: CheckpointStore = {
      open: async (lease) => {
        if (method === "open") await asked.passed;
        return await open(lease);
      },
    };
    const flow = flowOf(checkpoints, { leaseMs: 2_000 }, { clock });
    const told = code(flow.ready());
    // a read is waited for while the lease is renewed
    await clock.advance(method === "open" ? 2_000 : 8_000);
    expect(await within(4_000, told)).toBe("CHECKPOINT_FAILED");
    await passing(clock, flow.stop());
    asked.open();
    await settle();
    await (await memory.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
    expect(clock.timers).toBe(0);
  });
});

describe("stop of a durable flow", () => {
  const waitingFlow = (checkpoints: CheckpointStore, options: FlowOptions = {}) => {
    const opened = gate();
    const flow = create(
      payloadNode("wait", async (n: number, ctx) => {
        await Promise.race([opened.passed, ctx.sleep(100_000)]);
        return n;
      }).to(ask),
      { durability: durable({ checkpoints, leaseMs: 3_000 }), logger: logbook(), graceMs: 5, ...options },
    );
    return { opened, flow };
  };

  test("ends traces as stopped, and the next run continues with them", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const { flow, opened } = waitingFlow(checkpoints);
    flow.run();
    await flow.ready();
    const outcome = flow.outcome(1, { traceId: "t" });
    await settle();
    await flow.stop();
    expect(await outcome).toMatchObject({ status: "stopped", error: { code: "FLOW_STOPPED" } });
    opened.open();
    for (let round = 0; round < 2; round += 1) {
      flow.run();
      expect(await flow.ready()).toMatchObject({ resumed: 1 });
      await flow.stop();
    }
    flow.run();
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe(1);
    await flow.stop();
    expect((await contentsOf(checkpoints)).entries).toEqual([]);
  });

  test("lets what was accepted finish while it drains, and delivers its results", async () => {
    const { flow, opened } = waitingFlow(new MemoryCheckpointStore());
    flow.run();
    await flow.ready();
    const called = flow.call(1);
    await settle();
    const stop = flow.stop({ drainMs: 10_000 });
    opened.open();
    expect(await within(4_000, called)).toBe(1);
    expect(await within(4_000, stop)).toMatchObject({ completed: 1, cancelled: 0 });
  });

  test("while the checkpoint store is being opened waits for it, and gives it up again", async () => {
    const memory = new MemoryCheckpointStore();
    const opening = gate();
    const flow = flowOf({
      open: async (lease) => {
        await opening.passed;
        return await memory.open(lease);
      },
    });
    const told = code(flow.call(1));
    const stop = flow.stop();
    expect(await isPending(stop)).toBe(true);
    opening.open();
    await within(4_000, stop);
    expect(await told).toBe("FLOW_STOPPED");
    await (await memory.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
  });

  test("does not wait longer than its lease lasts for a checkpoint store that never opens, and gives up what it opens later", async () => {
    const clock = new TestClock();
    const memory = new MemoryCheckpointStore({ clock });
    const opening = gate();
    const flow = flowOf(
      {
        open: async (lease) => {
          await opening.passed;
          return await memory.open(lease);
        },
      },
      { leaseMs: 2_000 },
      { clock },
    );
    const told = Promise.all([code(flow.call(1)), code(flow.ready())]);
    const stop = flow.stop();
    await clock.advance(2_100);
    await within(4_000, stop);
    expect(await told).toEqual(["CHECKPOINT_FAILED", "CHECKPOINT_FAILED"]);
    opening.open();
    await settle();
    await (await memory.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
    expect(clock.timers).toBe(0);
  });

  test("does not wait longer than its lease lasts for an append that hangs; who waits for it is told", async () => {
    const clock = new TestClock();
    const checkpoints = new HeldCheckpoints(new MemoryCheckpointStore({ clock }));
    const flow = flowOf(checkpoints, { leaseMs: 2_000 }, { clock });
    await flow.ready();
    checkpoints.hold();
    const told = code(flow.call(1));
    await settle();
    const stop = flow.stop();
    await clock.advance(1_900);
    expect(await isPending(stop)).toBe(true);
    await clock.advance(200);
    await within(4_000, stop);
    expect(await told).toBe("CHECKPOINT_FAILED");
    expect(clock.timers).toBe(0);
    checkpoints.release();
  });

  test("while an append is in flight waits for it, and delivers what it contains", async () => {
    const { checkpoints, flow } = await held();
    const called = flow.call(1);
    await settle();
    const stop = flow.stop();
    expect(await isPending(stop)).toBe(true);
    checkpoints.release();
    await within(4_000, stop);
    expect(await called).toBe(2);
  });

  test("leaves neither timers nor leases behind, and a checkpoint store whose close fails is logged", async () => {
    const clock = new TestClock();
    const memory = new MemoryCheckpointStore({ clock });
    const logger = logbook();
    const flow = flowOf(
      {
        open: async (lease) => {
          const partition = await memory.open(lease);
          return wrapPartition(partition, {
            close: () => Promise.reject(new Error("busy")),
          });
        },
      },
      {},
      { clock, logger },
    );
    expect(await passing(clock, flow.call(1))).toBe(2);
    // the timer of the lease alone
    expect(flow.stats().timers).toBe(1);
    await passing(clock, flow.stop());
    expect(clock.timers).toBe(0);
    expect(logger.lines.map(({ message }) => message)).toEqual(["checkpoints_close_failed"]);
  });

  test("of a flow that was cut stores nothing more", async () => {
    const memory = new MemoryCheckpointStore();
    const checkpoints = new CutCheckpoints(memory);
    const flow = flowOf(checkpoints);
    await flow.outcome(6, { traceId: "t" });
    checkpoints.cut();
    await flow.cancel("t").catch(() => {});
    await flow.stop();
    expect((await contentsOf(memory)).entries).toMatchObject([{ traceId: "t", status: "open" }]);
  });
});

test("unfinished tells since when a call is in flight", async () => {
  const clock = new TestClock();
  await clock.advance(5_000);
  const flow = flowOf(new MemoryCheckpointStore({ clock }), {}, { clock });
  await flow.ready();
  const startedAt = clock.epochNow();
  await rejection(flow.call(6));
  await clock.advance(2_000);
  expect(await flow.recovery.unfinished()).toMatchObject([{ status: "paused", startedAt, nodes: ["ask"] }]);
  await passing(clock, flow.stop());
});
