import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowOptions,
  type Journal,
  MemoryJournal,
  type Message,
  payloadNode,
} from "penguiflow";
import { durable, type DurableOptions } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { gate, isPending, passing, readAll } from "../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";
import { contentsOf, CutJournal, HeldJournal, wrapped } from "./cut-journal.ts";

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
function flowOf(journal: Journal, more: Partial<DurableOptions> = {}, options: FlowOptions = {}) {
  const flow = create(plus.to(ask), {
    durability: durable({ journal, ...more }),
    logger: logbook(),
    graceMs: 5,
    ...options,
  });
  flow.run();
  return flow;
}

/** Creates a flow whose journal blocks every append until it is released. */
async function held() {
  const journal = new HeldJournal();
  const flow = flowOf(journal);
  await flow.ready();
  journal.hold();
  return { journal, flow };
}

/** Checks that a value arrives only once the append that contains it has been stored. */
async function comesWhenStored<Value>(
  journal: HeldJournal,
  promise: Promise<Value>,
): Promise<PromiseSettledResult<Value>> {
  expect(await isPending(promise)).toBe(true);
  expect(journal.waiting).toBe(1);
  journal.release();
  const [settled] = await within(4_000, Promise.allSettled([promise]));
  return settled;
}

describe("nothing is delivered before the append that contains it has resolved:", () => {
  test("the result of a call", async () => {
    const { journal, flow } = await held();
    expect(await comesWhenStored(journal, flow.call(1))).toMatchObject({ value: 2 });
    await flow.stop();
  });

  test("the failure of a call", async () => {
    const { journal, flow } = await held();
    expect(await comesWhenStored(journal, flow.call(-1))).toMatchObject({ reason: { code: "NODE_EXCEPTION" } });
    await flow.stop();
  });

  test("the outcome, completed, failed, cancelled and paused", async () => {
    for (const [input, status] of [
      [1, "completed"],
      [-1, "failed"],
      [6, "paused"],
    ] as const) {
      const { journal, flow } = await held();
      expect(await comesWhenStored(journal, flow.outcome(input))).toMatchObject({ value: { status } });
      await flow.stop();
    }
  });

  test("that a message was accepted", async () => {
    const { journal, flow } = await held();
    expect(await comesWhenStored(journal, flow.emit(1, { traceId: "t" }))).toMatchObject({ value: "t" });
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe(2);
    await flow.stop();
  });

  test("what fetch takes", async () => {
    const { journal, flow } = await held();
    void flow.emit(1, { traceId: "t" });
    await settle();
    expect(await comesWhenStored(journal, flow.fetch({ traceId: "t" }))).toMatchObject({ value: { payload: 2 } });
    await flow.stop();
  });

  test("the error that fetch is rejected with, whether it waited for it or came later", async () => {
    for (const comesLater of [false, true]) {
      const { journal, flow } = await held();
      void flow.emit(-1, { traceId: "t" });
      if (comesLater) await settle();
      const fetched = flow.fetch({ traceId: "t" });
      expect(await comesWhenStored(journal, fetched)).toMatchObject({ reason: { code: "NODE_EXCEPTION" } });
      await flow.stop();
    }
  });

  test("the results of a stream and its end", async () => {
    const { journal, flow } = await held();
    expect(await comesWhenStored(journal, readAll(flow.stream(1)))).toMatchObject({ value: [{ result: 2 }] });
    await flow.stop();
  });

  test("the failure of a stream, and what it is paused for", async () => {
    for (const [input, wanted] of [
      [-1, "NODE_EXCEPTION"],
      [6, "TRACE_PAUSED"],
    ] as const) {
      const { journal, flow } = await held();
      const read = readAll(flow.stream(input));
      expect(await comesWhenStored(journal, read)).toMatchObject({ reason: { code: wanted } });
      await flow.stop();
    }
  });

  test("the report of a cancel, and the outcome of what was cancelled", async () => {
    const journal = new HeldJournal();
    const flow = create(payloadNode("slow", async (_: number, ctx) => await ctx.sleep(10_000)).to(ask), {
      durability: durable({ journal }),
      graceMs: 5,
    });
    flow.run();
    await flow.emit(1, { traceId: "t" });
    const fetched = flow.fetch({ traceId: "t" });
    await settle();
    journal.hold();
    const report = flow.cancel("t");
    expect(await isPending(fetched)).toBe(true);
    expect(await comesWhenStored(journal, report)).toMatchObject({ value: { found: true } });
    expect(await code(fetched)).toBe("TRACE_CANCELLED");
    await flow.stop();
  });

  test("the tokens of pauses, and the continuation of a resumed trace", async () => {
    const { journal, flow } = await held();
    void flow.outcome(6);
    await settle();
    const listed = await comesWhenStored(journal, flow.pauses.list());
    expect(listed).toMatchObject({ value: [{ reason: "how many?" }] });
    const token = (await flow.pauses.list())[0]?.token ?? "";
    journal.hold();
    expect(await comesWhenStored(journal, flow.pauses.resume(token, 3))).toMatchObject({ value: { result: 3 } });
    await flow.stop();
  });

  test("that a failed trace is retried", async () => {
    const { journal, flow } = await held();
    journal.release();
    await flow.outcome(-1, { traceId: "t" });
    journal.hold();
    expect(await comesWhenStored(journal, flow.recovery.retryFailed("t"))).toMatchObject({ status: "fulfilled" });
    await flow.stop();
  });

  test("a chunk of a stream is delivered at once, and waits for no append", async () => {
    const journal = new HeldJournal();
    const talk = payloadNode("talk", async (_: number, ctx) => {
      await ctx.emitChunk({ text: "hello" });
      return await ctx.sleep(10_000);
    });
    const flow = create(talk.to(), { durability: durable({ journal }), graceMs: 5 });
    flow.run();
    await flow.ready();
    journal.hold();
    const stream = flow.stream(1);
    expect((await within(4_000, stream.next())).value).toMatchObject({ type: "chunk", chunk: { text: "hello" } });
    journal.release();
    await stream.return();
    await flow.stop();
  });
});

describe("when an append fails,", () => {
  test("all who wait are told JOURNAL_FAILED with its cause, and the flow stops", async () => {
    const { journal, flow } = await held();
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
    journal.release(cause);
    const settled = await within(4_000, Promise.allSettled(waiting));
    expect(settled.map((one) => codeOf((one as PromiseRejectedResult).reason))).toEqual(
      waiting.map(() => "JOURNAL_FAILED"),
    );
    expect((settled[0] as PromiseRejectedResult).reason).toMatchObject({ cause, retryable: true });
    expect(await outcome).toMatchObject({ status: "stopped", error: { code: "JOURNAL_FAILED", cause } });
    await flow.stop();
    expect(flow.isRunning).toBe(false);
    expect(await code(flow.call(1))).toBe("FLOW_NOT_RUNNING");
  });

  test("the flow can be run again, and continues from what is stored", async () => {
    const { journal, flow } = await held();
    journal.release();
    const opened = gate();
    const slow = create(
      payloadNode("slow", async (n: number) => {
        await opened.passed;
        return n;
      }).to(ask),
      { durability: durable({ journal, partition: "slow" }), logger: logbook(), graceMs: 5 },
    );
    slow.run();
    await slow.emit(1, { traceId: "kept" });
    journal.hold();
    const lost = slow.emit(2, { traceId: "lost" });
    await settle();
    journal.release(new Error("disk full"));
    expect(await code(lost)).toBe("JOURNAL_FAILED");
    await slow.stop();
    slow.run();
    expect(await slow.ready()).toMatchObject({ resumed: 1 });
    opened.open();
    expect(((await slow.fetch({ traceId: "kept" })) as Message).payload).toBe(1);
    expect(await code(slow.fetch({ traceId: "lost" }))).toBe("TRACE_UNKNOWN");
    await Promise.all([slow.stop(), flow.stop()]);
  });
});

describe("the journal's claim:", () => {
  test("what overtakes a writer fences it: nothing it does after that is delivered", async () => {
    const clock = new TestClock();
    const journal = new MemoryJournal({ clock });
    const first = flowOf(journal, { owner: "first", leaseMs: 1_000 });
    await first.ready();
    // the journal's own clock stands still, so the claim is not renewed
    await clock.advance(1_001);
    const second = flowOf(journal, { owner: "second", leaseMs: 1_000 });
    await second.ready();
    expect(await code(first.call(1))).toBe("JOURNAL_FENCED");
    expect(await second.call(1)).toBe(2);
    await first.stop();
    // releasing a partition that it no longer holds does not affect the holder
    expect(await second.call(2)).toBe(3);
    await second.stop();
  });

  test("is renewed for as long as the flow runs, however idle", async () => {
    const clock = new TestClock();
    const journal = new MemoryJournal({ clock });
    const flow = flowOf(journal, { leaseMs: 1_000 }, { clock });
    await flow.ready();
    await clock.advance(60_000);
    const refused = await rejection(journal.open({ partition: "flow", owner: "other", leaseMs: 1 }));
    expect(codeOf(refused)).toBe("JOURNAL_OWNED");
    await passing(clock, flow.stop());
    expect(clock.timers).toBe(0);
    await (await journal.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
  });

  test("a renewal that fails is logged and retried; one that is refused stops the flow", async () => {
    const clock = new TestClock();
    const memory = new MemoryJournal({ clock });
    let renewals = 0;
    let failure: Error = new Error("no network");
    const journal: Journal = {
      open: async (claim) => {
        const partition = await memory.open(claim);
        return wrapped(partition, (batch, sequence) => partition.append(batch, sequence), {
          renew: async () => {
            renewals += 1;
            throw failure;
          },
        });
      },
    };
    const logger = logbook();
    const flow = flowOf(journal, { leaseMs: 900 }, { clock, logger });
    await flow.ready();
    await clock.advance(600);
    expect(renewals).toBe(2);
    expect(logger.lines.map(({ message }) => message)).toEqual(["journal_renew_failed", "journal_renew_failed"]);
    expect(flow.isRunning).toBe(true);
    failure = new FlowError({ code: "JOURNAL_FENCED", message: "another has it" });
    await clock.advance(400);
    await passing(clock, flow.stop());
    expect(flow.isRunning).toBe(false);
    expect(logger.lines.at(-1)?.message).toBe("journal_lost");
    expect(clock.timers).toBe(0);
  });

  test("a journal that cannot be opened or read is told by ready and by every call, as JOURNAL_FAILED", async () => {
    const memory = new MemoryJournal();
    const broken: Journal = { open: () => Promise.reject(new Error("no such file")) };
    const unreadable: Journal = {
      open: async (claim) => {
        const partition = await memory.open(claim);
        return wrapped(partition, (batch, sequence) => partition.append(batch, sequence), {
          // eslint-disable-next-line require-yield
          read: async function* () {
            throw new Error("bad sector");
          },
        });
      },
    };
    const rude: Journal = {
      open: () => {
        throw new Error("at once");
      },
    };
    for (const journal of [broken, unreadable, rude]) {
      const flow = flowOf(journal);
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
        called.map(() => "JOURNAL_FAILED"),
      );
      await within(4_000, flow.stop());
      expect(flow.isRunning).toBe(false);
    }
    // the partition that could not be read was released
    await (await memory.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
  });
});

describe("stop of a durable flow", () => {
  const waitingFlow = (journal: Journal, options: FlowOptions = {}) => {
    const opened = gate();
    const flow = create(
      payloadNode("wait", async (n: number, ctx) => {
        await Promise.race([opened.passed, ctx.sleep(100_000)]);
        return n;
      }).to(ask),
      { durability: durable({ journal, leaseMs: 3_000 }), logger: logbook(), graceMs: 5, ...options },
    );
    return { opened, flow };
  };

  test("ends traces as stopped, and the next run continues with them", async () => {
    const journal = new MemoryJournal();
    const { flow, opened } = waitingFlow(journal);
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
    expect((await contentsOf(journal)).entries).toEqual([]);
  });

  test("lets what was accepted finish while it drains, and delivers its results", async () => {
    const { flow, opened } = waitingFlow(new MemoryJournal());
    flow.run();
    await flow.ready();
    const called = flow.call(1);
    await settle();
    const stop = flow.stop({ drainMs: 10_000 });
    opened.open();
    expect(await within(4_000, called)).toBe(1);
    expect(await within(4_000, stop)).toMatchObject({ completed: 1, cancelled: 0 });
  });

  test("while the journal is being opened waits for it, and gives it up again", async () => {
    const memory = new MemoryJournal();
    const opening = gate();
    const flow = flowOf({
      open: async (claim) => {
        await opening.passed;
        return await memory.open(claim);
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

  test("does not wait longer than its claim lasts for a journal that never opens, and gives up what it opens later", async () => {
    const clock = new TestClock();
    const memory = new MemoryJournal({ clock });
    const opening = gate();
    const flow = flowOf(
      {
        open: async (claim) => {
          await opening.passed;
          return await memory.open(claim);
        },
      },
      { leaseMs: 2_000 },
      { clock },
    );
    const told = Promise.all([code(flow.call(1)), code(flow.ready())]);
    const stop = flow.stop();
    await clock.advance(2_100);
    await within(4_000, stop);
    expect(await told).toEqual(["JOURNAL_FAILED", "JOURNAL_FAILED"]);
    opening.open();
    await settle();
    await (await memory.open({ partition: "flow", owner: "other", leaseMs: 1 })).close();
    expect(clock.timers).toBe(0);
  });

  test("does not wait longer than its claim lasts for an append that hangs; who waits for it is told", async () => {
    const clock = new TestClock();
    const journal = new HeldJournal(new MemoryJournal({ clock }));
    const flow = flowOf(journal, { leaseMs: 2_000 }, { clock });
    await flow.ready();
    journal.hold();
    const told = code(flow.call(1));
    await settle();
    const stop = flow.stop();
    await clock.advance(1_900);
    expect(await isPending(stop)).toBe(true);
    await clock.advance(200);
    await within(4_000, stop);
    expect(await told).toBe("JOURNAL_FAILED");
    expect(clock.timers).toBe(0);
    journal.release();
  });

  test("while an append is in flight waits for it, and delivers what it contains", async () => {
    const { journal, flow } = await held();
    const called = flow.call(1);
    await settle();
    const stop = flow.stop();
    expect(await isPending(stop)).toBe(true);
    journal.release();
    await within(4_000, stop);
    expect(await called).toBe(2);
  });

  test("leaves neither timers nor claims behind, and a journal whose close fails is logged", async () => {
    const clock = new TestClock();
    const memory = new MemoryJournal({ clock });
    const logger = logbook();
    const flow = flowOf(
      {
        open: async (claim) => {
          const partition = await memory.open(claim);
          return wrapped(partition, (batch, sequence) => partition.append(batch, sequence), {
            close: () => Promise.reject(new Error("busy")),
          });
        },
      },
      {},
      { clock, logger },
    );
    expect(await passing(clock, flow.call(1))).toBe(2);
    // the timer of the claim alone
    expect(flow.stats().timers).toBe(1);
    await passing(clock, flow.stop());
    expect(clock.timers).toBe(0);
    expect(logger.lines.map(({ message }) => message)).toEqual(["journal_close_failed"]);
  });

  test("of a flow that was cut stores nothing more", async () => {
    const memory = new MemoryJournal();
    const journal = new CutJournal(memory);
    const flow = flowOf(journal);
    await flow.outcome(6, { traceId: "t" });
    journal.cut();
    await flow.cancel("t").catch(() => {});
    await flow.stop();
    expect((await contentsOf(memory)).entries).toMatchObject([{ traceId: "t", status: "open" }]);
  });
});

test("unfinished tells since when a call is in flight", async () => {
  const clock = new TestClock();
  await clock.advance(5_000);
  const flow = flowOf(new MemoryJournal({ clock }), {}, { clock });
  await flow.ready();
  const startedAt = clock.epochNow();
  await rejection(flow.call(6));
  await clock.advance(2_000);
  expect(await flow.recovery.unfinished()).toMatchObject([{ status: "paused", startedAt, nodes: ["ask"] }]);
  await passing(clock, flow.stop());
});
