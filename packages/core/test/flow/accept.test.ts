import { describe, expect, test } from "vitest";
import {
  create,
  type CheckpointStore,
  type FinalOutcome,
  type FlowEvent,
  type Logger,
  MemoryCheckpointStore,
  type Outbox,
  payloadNode,
  type PauseTicket,
  type StreamChunk,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";
import { contentsOf, CutCheckpoints } from "../durable/cut-checkpoint-store.ts";
import { gate, passing } from "../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const at = (sequence: number, lane = 0) => ({ lane, sequence });

/** An outbox that takes what comes, as long as it is open. */
function outbox() {
  const outcomes: FinalOutcome[] = [];
  const chunks: StreamChunk[] = [];
  const pauses: PauseTicket[] = [];
  let refusals = 0;
  let held: Promise<void> | undefined;
  return {
    outcomes,
    chunks,
    pauses,
    refuse(times: number): void {
      refusals = times;
    },
    hold(until: Promise<void>): void {
      held = until;
    },
    told: () => outcomes.map(({ traceId, status }) => `${traceId} ${status}`),
    async deliver(outcome: FinalOutcome) {
      await held;
      if (refusals > 0) {
        refusals -= 1;
        throw new Error("the results are away");
      }
      outcomes.push(outcome);
    },
    chunk: (chunk: StreamChunk) => void chunks.push(chunk),
    pause: (pause: PauseTicket) => void pauses.push(pause),
  };
}

/** A node that does what its input says. */
function worker(opened: Promise<void> = Promise.resolve()) {
  return payloadNode(
    { name: "work", policy: { concurrency: 1 } },
    async (wish: "double" | "fail" | "nothing" | "wait" | "chunk" | "ask", ctx): Promise<string | undefined> => {
      if (wish === "fail") throw new Error("it broke");
      if (wish === "nothing") return undefined;
      if (wish === "wait") await opened;
      if (wish === "chunk") await ctx.emitChunk({ text: "half" });
      if (wish === "ask") return `answered ${String(await ctx.pause({ reason: "may I?" }))}`;
      return wish;
    },
  );
}

function started(
  checkpoints: CheckpointStore,
  into: ReturnType<typeof outbox>,
  { clock = new TestClock(), opened = Promise.resolve(), maxFailed = 100, options = {}, logger = SILENT } = {},
) {
  const flow = create(worker(opened).to(), { name: "orders", clock, logger, graceMs: 5, ...options });
  return flow.start({ durability: durable({ checkpoints, partition: "p-0", maxFailed }), outbox: into });
}

describe("an item of an intake", () => {
  test("is known to the run until its outcome is delivered, and not to another tenant", async () => {
    const into = outbox();
    const delivered = gate();
    into.hold(delivered.passed);
    await using run = started(new MemoryCheckpointStore(), into);
    expect(await run.recovery.has("order")).toBe(false);
    await run.intake.accept("double", { id: "order", tenant: "acme", consumed: at(1) });
    await settle();
    expect(await run.recovery.has("order", { tenant: "acme" })).toBe(true);
    expect(await run.recovery.has("order")).toBe(false);
    delivered.open();
    await settle();
    expect(into.told()).toEqual(["order completed"]);
    expect(await run.recovery.has("order", { tenant: "acme" })).toBe(false);
  });

  test("is accepted when its trace and its position are stored, and its outcome is delivered", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const into = outbox();
    const run = started(checkpoints, into);
    expect(await run.intake.accept("double", { id: "a", consumed: at(7, 2), tenant: "acme" })).toBe("accepted");
    await settle();
    expect(into.outcomes).toMatchObject([{ traceId: "a", tenant: "acme", status: "completed", result: "double" }]);
    expect(await run.intake.consumed()).toEqual(new Map([[2, 7]]));
    expect(run.stats()).toMatchObject({ traces: 0, undeliveredOutcomes: 0 });
    await run.stop();
    expect((await contentsOf(checkpoints, "p-0")).entries).toEqual([]);
    const again = started(checkpoints, into);
    expect(await again.intake.consumed()).toEqual(new Map([[2, 7]]));
    await again.stop();
  });

  test("has its position recorded in the step in which the entry nodes have room, never earlier", async () => {
    const opened = gate();
    const into = outbox();
    const options = { queueMaxSize: 1 };
    const run = started(new MemoryCheckpointStore(), into, { opened: opened.passed, options });
    const accepts = [1, 2, 3, 4].map((n) => run.intake.accept("wait", { id: `t${n}`, consumed: at(n) }));
    await Promise.all(accepts.slice(0, 2));
    // one is at work, one is on the edge, and the others are stored nowhere
    expect(await run.intake.consumed()).toEqual(new Map([[0, 2]]));
    opened.open();
    await Promise.all(accepts);
    expect(await run.intake.consumed()).toEqual(new Map([[0, 4]]));
    await settle();
    expect(into.told()).toEqual([1, 2, 3, 4].map((n) => `t${n} completed`));
    await run.stop();
  });

  test("holds up the positions behind it in its lane while it waits, and not those of another lane", async () => {
    const opened = gate();
    const side = payloadNode("side", (n: number) => n);
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (n: number) => {
      await opened.passed;
      return n;
    });
    const flow = create(slow.to(), side.to(), { queueMaxSize: 1, logger: SILENT });
    const into = outbox();
    const run = flow.start({ durability: durable({ checkpoints: new MemoryCheckpointStore() }), outbox: into });
    const first = [1, 2, 3].map((n) => run.intake.accept(n, { id: `t${n}`, consumed: at(n), to: "slow" }));
    const behind = run.intake.accept(4, { id: "t4", consumed: at(4), to: "side" });
    const beside = run.intake.accept(5, { id: "t5", consumed: at(9, 1), to: "side" });
    expect(await Promise.all([behind, beside])).toEqual(["accepted", "accepted"]);
    expect(await run.intake.consumed()).toEqual(
      new Map([
        [0, 2],
        [1, 9],
      ]),
    );
    opened.open();
    await Promise.all(first);
    expect(await run.intake.consumed()).toEqual(
      new Map([
        [0, 4],
        [1, 9],
      ]),
    );
    await run.stop();
  });

  test("of an id that is in flight, failed or undelivered is known: its position is recorded, and nothing begins", async () => {
    const opened = gate();
    const into = outbox();
    const run = started(new MemoryCheckpointStore(), into, { opened: opened.passed });
    await run.intake.accept("fail", { id: "failed", consumed: at(1) });
    await settle();
    into.hold(new Promise(() => {}));
    await run.intake.accept("double", { id: "undelivered", consumed: at(2) });
    await settle();
    await run.intake.accept("wait", { id: "in flight", consumed: at(3) });
    const again = ["failed", "undelivered", "in flight"].map((id, index) =>
      run.intake.accept("double", { id, consumed: at(4 + index) }),
    );
    expect(await Promise.all(again)).toEqual(["known", "known", "known"]);
    expect(await run.intake.consumed()).toEqual(new Map([[0, 6]]));
    expect(run.stats().accepted).toBe(3);
    // another tenant's id is another id
    expect(await run.intake.accept("double", { id: "failed", tenant: "acme", consumed: at(7) })).toBe("accepted");
    opened.open();
    await run.stop();
  });

  test("of an id whose trace has left memory is known", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    let unloaded = 0;
    const watch = ({ type }: FlowEvent): void => void (type === "trace_unload" && (unloaded += 1));
    const flow = create(worker().to(), { name: "orders", clock, logger: SILENT, middlewares: [watch] });
    const durability = durable({ checkpoints, partition: "p-0", unloadAfterMs: 1 });
    await using run = flow.start({ durability, outbox: outbox() });
    await run.ready();
    expect((await run.outcome("ask", { traceId: "a" })).status).toBe("paused");
    for (let tries = 0; tries < 10; tries += 1) await clock.advance(10);
    await run.flush();
    expect(unloaded).toBe(1);
    expect(await run.intake.accept("double", { id: "a", consumed: at(1) })).toBe("known");
  });

  test("at a position that was recorded is known, whatever became of its trace", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const into = outbox();
    const run = started(checkpoints, into);
    await run.intake.accept("double", { id: "a", consumed: at(5) });
    await run.stop();
    const again = started(checkpoints, into);
    expect(await again.intake.accept("double", { id: "a", consumed: at(5) })).toBe("known");
    expect(await again.intake.accept("double", { id: "b", consumed: at(3) })).toBe("known");
    await again.stop();
  });

  test("behind one that waits begins once, even if its outcome was delivered before a restart", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const into = outbox();
    const items = (run: ReturnType<typeof started>) => ({
      waits: () => rejection(run.intake.accept("double", { id: "waits", consumed: at(2), exclusive: "key" })),
      behind: () => run.intake.accept("double", { id: "behind", consumed: at(3) }),
    });
    const first = started(checkpoints, into);
    await first.intake.accept("ask", { id: "holds the key", consumed: at(1), exclusive: "key" });
    const stopped = items(first).waits();
    expect(await items(first).behind()).toBe("accepted");
    await settle();
    expect(into.told()).toEqual(["behind completed"]);
    await first.stop();
    expect(await stopped).toMatchObject({ code: "FLOW_STOPPED" });

    for (let restart = 1; restart <= 2; restart += 1) {
      const again = started(checkpoints, into);
      expect(await again.intake.consumed()).toEqual(new Map([[0, 1]]));
      await settle();
      void items(again).waits();
      expect(await items(again).behind()).toBe("known");
      await again.stop();
    }
    const last = started(checkpoints, into);
    await last.cancel("holds the key");
    expect(await last.intake.accept("double", { id: "waits", consumed: at(2), exclusive: "key" })).toBe("accepted");
    expect(await items(last).behind()).toBe("known");
    await settle();
    expect(await last.intake.consumed()).toEqual(new Map([[0, 3]]));
    expect(last.stats()).toMatchObject({ traces: 0, undeliveredOutcomes: 0 });
    await last.stop();
    expect(new Set(into.told())).toEqual(new Set(["behind completed", "holds the key cancelled", "waits completed"]));
    expect((await contentsOf(checkpoints, "p-0")).entries).toEqual([]);
  });

  test("that was known behind one that waits is known after a restart, although the trace of its id is over", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const into = outbox();
    const opened = gate();
    const first = started(checkpoints, into, { opened: opened.passed });
    await first.intake.accept("ask", { id: "holds the key", consumed: at(1, 1), exclusive: "key" });
    const waits = { id: "waits", consumed: at(2, 1), exclusive: "key" };
    void rejection(first.intake.accept("double", waits));
    expect(await first.intake.accept("wait", { id: "a", consumed: at(1) })).toBe("accepted");
    expect(await first.intake.accept("wait", { id: "a", consumed: at(3, 1) })).toBe("known");
    opened.open();
    await settle();
    expect(into.told()).toEqual(["a completed"]);
    await first.stop();

    const again = started(checkpoints, into);
    const accepted = again.intake.accept("double", waits);
    expect(await again.intake.accept("wait", { id: "a", consumed: at(3, 1) })).toBe("known");
    await again.cancel("holds the key");
    expect(await accepted).toBe("accepted");
    await settle();
    expect(Object.fromEntries(await again.intake.consumed())).toEqual({ 0: 1, 1: 3 });
    await again.stop();
    expect(new Set(into.told())).toEqual(new Set(["a completed", "holds the key cancelled", "waits completed"]));
    expect((await contentsOf(checkpoints, "p-0")).entries).toEqual([]);
  });

  test("that waits for room is known if a trace of its id begins meanwhile, also when that is over", async () => {
    const into = outbox();
    const held = gate();
    into.hold(held.passed);
    const run = started(new MemoryCheckpointStore(), into, { options: { limits: { rookeryMaxSize: 1 } } });
    await run.intake.accept("ask", { id: "holds the key", consumed: at(1, 1), exclusive: "key" });
    const waits = run.intake.accept("double", { id: "waits", consumed: at(2, 1), exclusive: "key" });
    await run.intake.accept("double", { id: "fills the outbox", consumed: at(1) });
    await settle();
    const accepted = run.intake.accept("double", { id: "a", consumed: at(2) });
    const known = run.intake.accept("double", { id: "a", consumed: at(3, 1) });
    await settle();
    held.open();
    expect(await accepted).toBe("accepted");
    await settle();
    expect(into.told()).toEqual(["fills the outbox completed", "a completed"]);
    await run.cancel("holds the key");
    expect([await waits, await known]).toEqual(["accepted", "known"]);
    await settle();
    expect(Object.fromEntries(await run.intake.consumed())).toEqual({ 0: 2, 1: 3 });
    expect(into.told().filter((told) => told === "a completed")).toHaveLength(1);
    expect(run.stats()).toMatchObject({ traces: 0, undeliveredOutcomes: 0 });
    await run.stop();
  });

  test("of an id that is in flight stays known, however long its look-up takes, although the trace ends meanwhile", async () => {
    const clock = new TestClock();
    const store = new MemoryCheckpointStore({ clock });
    const [opened, looked] = [gate(), gate()];
    let isSlow = false;
    const checkpoints: CheckpointStore = {
      async open(request) {
        const partition = await store.open(request);
        return wrapPartition(partition, {
          async *read(filter) {
            if (isSlow && filter?.traceIds !== undefined) await looked.passed;
            yield* partition.read(filter);
          },
        });
      },
    };
    const into = outbox();
    const start = () => {
      const flow = create(worker(opened.passed).to(), { name: "orders", clock, logger: SILENT });
      const durability = durable({ checkpoints, partition: "p-0", unloadAfterMs: 1 });
      return flow.start({ durability, outbox: into });
    };
    const first = start();
    expect((await first.outcome("ask", { traceId: "rests in the store" })).status).toBe("paused");
    for (let tries = 0; tries < 10; tries += 1) await clock.advance(10);
    await first.stop();

    const run = start();
    await run.ready();
    expect(await run.intake.accept("wait", { id: "a", consumed: at(1) })).toBe("accepted");
    isSlow = true;
    const again = run.intake.accept("wait", { id: "a", consumed: at(2) });
    await settle();
    opened.open();
    await settle();
    expect(into.told()).toEqual(["a completed"]);
    looked.open();
    expect(await again).toBe("known");
    await settle();
    expect(into.told()).toEqual(["a completed"]);
    expect(await run.intake.consumed()).toEqual(new Map([[0, 2]]));
    await run.stop();
  });

  test("that is looked up is not overtaken by one behind it that needs no look-up", async () => {
    const clock = new TestClock();
    const store = new MemoryCheckpointStore({ clock });
    const looked = gate();
    const checkpoints: CheckpointStore = {
      async open(request) {
        const partition = await store.open(request);
        return wrapPartition(partition, {
          async *read(filter) {
            if (filter?.traceIds?.includes("first") === true) await looked.passed;
            yield* partition.read(filter);
          },
        });
      },
    };
    const into = outbox();
    const flow = create(worker().to(), { name: "orders", clock, logger: SILENT });
    const durability = durable({ checkpoints, partition: "p-0", unloadAfterMs: 1 });
    await using run = flow.start({ durability, outbox: into });
    await run.ready();
    const asked = await run.outcome("ask", { traceId: "rests in the store" });
    if (asked.status !== "paused") throw new Error(`Expected "paused", got "${asked.status}"`);
    for (let tries = 0; tries < 10; tries += 1) await clock.advance(10);
    const first = run.intake.accept("double", { id: "first", consumed: at(1) });
    await settle();
    // no unloaded trace is left that the next item could be of
    await run.pauses.answer(asked.pauses[0]!.token, "yes");
    const second = run.intake.accept("double", { id: "second", consumed: at(2) });
    await settle();
    expect(into.told()).toEqual([]);
    looked.open();
    expect(await Promise.all([first, second])).toEqual(["accepted", "accepted"]);
    await settle();
    expect(into.told()).toEqual(["first completed", "second completed"]);
  });

  test("waits while too many of its lane are behind one that waits, and the one they wait for does not", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const into = outbox();
    const options = { limits: { rookeryMaxSize: 2 } };
    const first = started(checkpoints, into, { options });
    const accepted: string[] = [];
    const accept = (run: typeof first, id: string, position: ReturnType<typeof at>, exclusive?: string): void =>
      void run.intake.accept("double", { id, consumed: position, exclusive }).then(
        (how) => accepted.push(`${id} ${how}`),
        () => {},
      );
    await first.intake.accept("ask", { id: "holds the key", consumed: at(1), exclusive: "key" });
    const items = (run: typeof first): void => {
      accept(run, "t2", at(2), "key");
      for (const n of [3, 4]) accept(run, `t${n}`, at(n));
      accept(run, "beside", at(1, 1));
    };
    items(first);
    await settle();
    expect(accepted).toEqual(["t3 accepted", "beside accepted"]);
    await first.stop();

    accepted.length = 0;
    const again = started(checkpoints, into, { options });
    items(again);
    await settle();
    expect(accepted.toSorted()).toEqual(["beside known", "t3 known"]);
    await again.cancel("holds the key");
    await settle();
    expect(accepted.slice(2).toSorted()).toEqual(["t2 accepted", "t4 accepted"]);
    expect(Object.fromEntries(await again.intake.consumed())).toEqual({ 0: 4, 1: 1 });
    await again.stop();
  });

  test("that is refused holds up its lane until it is consumed", async () => {
    const into = outbox();
    const run = started(new MemoryCheckpointStore(), into);
    await run.intake.accept("double", { id: "a", consumed: at(1) });
    const refused = run.intake.accept((() => {}) as never, { id: "b", consumed: at(2) });
    expect(await rejection(refused)).toMatchObject({ code: "NOT_SERIALISABLE" });
    await run.intake.accept("double", { id: "c", consumed: at(3) });
    expect(await run.intake.consumed()).toEqual(new Map([[0, 1]]));
    await run.intake.consume(at(2));
    expect(await run.intake.consumed()).toEqual(new Map([[0, 3]]));
    await run.stop();
  });

  test("whose deadline passes while it waits is consumed, and its outcome is delivered", async () => {
    const clock = new TestClock();
    const opened = gate();
    const into = outbox();
    const options = { queueMaxSize: 1 };
    const run = started(new MemoryCheckpointStore({ clock }), into, { clock, opened: opened.passed, options });
    for (const n of [1, 2]) await passing(clock, run.intake.accept("wait", { id: `t${n}`, consumed: at(n) }), 1);
    const late = run.intake.accept("double", { id: "late", consumed: at(3), timeoutMs: 50 });
    await clock.advance(60);
    expect(await late).toBe("accepted");
    expect(await run.intake.consumed()).toEqual(new Map([[0, 3]]));
    await clock.advance(10);
    expect(into.told()).toEqual(["late exhausted"]);
    opened.open();
    await passing(clock, run.stop(), 5);
  });

  test("is refused by a run that stops, even where it would have to wait for one before it", async () => {
    const [closing, closed] = [gate(), gate()];
    const memory = new MemoryCheckpointStore();
    const checkpoints: CheckpointStore = {
      open: async (lease) => {
        const partition = await memory.open(lease);
        return wrapPartition(partition, {
          close: () => {
            closing.open();
            return closed.passed.then(() => partition.close());
          },
        });
      },
    };
    const run = started(checkpoints, outbox(), { options: { limits: { rookeryMaxSize: 1 } } });
    await run.ready();
    const stopped = run.stop();
    await closing.passed;
    const refused = [1, 2].map((n) => rejection(run.intake.accept("double", { id: `t${n}`, consumed: at(n) })));
    await settle();
    closed.open();
    await stopped;
    expect(await within(2_000, Promise.all(refused))).toMatchObject([
      { code: "FLOW_STOPPED" },
      { code: "FLOW_STOPPED" },
    ]);
  });

  test("takes the options of its call: its budget limits the trace", async () => {
    const into = outbox();
    const spend = payloadNode("spend", (cents: number, ctx) => ctx.budget.spend({ cents }));
    const durability = durable({ checkpoints: new MemoryCheckpointStore() });
    await using run = create(spend.to()).start({ durability, outbox: into });
    await run.intake.accept(5, { id: "a", consumed: at(1), budget: { cents: 1 } });
    await run.stop({ drainMs: 1_000 });
    expect(into.outcomes).toMatchObject([{ status: "exhausted", which: "cents", spent: { cents: 1 } }]);
  });

  test("refuses the options of a caller that waits", async () => {
    const run = started(new MemoryCheckpointStore(), outbox());
    for (const option of [{ traceId: "b" }, { signal: AbortSignal.abort() }, { keepMs: 1 }])
      expect(await rejection(run.intake.accept("double", { id: "a", consumed: at(1), ...option }))).toMatchObject({
        name: "TypeError",
        message: `Option "${Object.keys(option)[0]}" of accept is not allowed: its caller does not wait for the trace`,
      });
    await run.stop();
  });

  test("that was expected holds up the positions behind it, so that items may be taken in any order", async () => {
    const run = started(new MemoryCheckpointStore(), outbox());
    await run.ready();
    run.intake.expect([at(1), at(2), at(1, 1)]);
    await run.intake.accept("double", { id: "second", consumed: at(2) });
    await run.intake.consume(at(1, 1));
    expect(await run.intake.consumed()).toEqual(new Map([[1, 1]]));
    await run.intake.consume(at(1));
    expect(await run.intake.consumed()).toEqual(
      new Map([
        [0, 2],
        [1, 1],
      ]),
    );
    await run.stop();
  });

  test("that is taken while positions are asked for is not among them: it is not stored yet", async () => {
    const checkpoints = new MemoryCheckpointStore();
    let onStored = (): void => {};
    const noticing: CheckpointStore = {
      async open(lease) {
        const partition = await checkpoints.open(lease);
        return wrapPartition(partition, {
          async append(batch, sequence) {
            const number = await partition.append(batch, sequence);
            onStored();
            return number;
          },
        });
      },
    };
    const run = started(noticing, outbox());
    await run.ready();
    let later: Promise<void> | undefined;
    onStored = () => void (later ??= run.intake.consume(at(2)));
    const first = run.intake.consume(at(1));
    const asked = run.intake.consumed();
    await first;
    expect(await asked).toEqual(new Map([[0, 1]]));
    await later;
    expect(await run.intake.consumed()).toEqual(new Map([[0, 2]]));
    await run.stop();
  });

  test("is refused only by a run that still has its partition, which it can confirm", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const run = started(checkpoints, outbox(), { clock });
    await run.intake.confirm();
    clock.skip(60_000);
    const other = await checkpoints.open({ partition: "p-0", owner: "another", leaseMs: 60_000 });
    expect(await rejection(run.intake.confirm())).toMatchObject({ code: "PARTITION_FENCED" });
    expect(await run.closed).toMatchObject({ code: "PARTITION_FENCED" });
    await other.close();
    const stopping = started(checkpoints, outbox(), { clock });
    await stopping.ready();
    const confirmed = rejection(stopping.intake.confirm());
    await stopping.stop();
    expect(await confirmed).toMatchObject({ code: expect.stringMatching(/FLOW_STOPPED|PARTITION_FENCED/) as string });
  });

  test("needs a durable run with an outbox, and a position", async () => {
    await using flow = create(worker().to(), { logger: SILENT });
    await using bare = flow.start();
    const refusal = await rejection(bare.intake.accept("double", { id: "a", consumed: at(1) }));
    expect(String(refusal)).toBe(
      'TypeError: Cannot accept items in a run of flow "flow": it needs { durability, outbox }',
    );
    const run = started(new MemoryCheckpointStore(), outbox());
    const wrong = run.intake.accept("double", { id: "a", consumed: { lane: -1, sequence: 1 } });
    expect(String(await rejection(wrong))).toMatch('Option "lane" must be a whole number of 0 or more: got -1');
    expect(() => flow.start({ outbox: { deliver: "here" } as never })).toThrow(
      'Option "outbox" of start must be { deliver, withdraw?, chunk?, pause? }, all of them functions: got an object',
    );
    await run.stop();
  });
});

describe("an outbox", () => {
  test("is given every outcome but a stop, again after each failure, and again after a restart", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const closed = outbox();
    closed.refuse(Number.POSITIVE_INFINITY);
    const logger = logbook();
    const hung = gate();
    const run = started(checkpoints, closed, { clock, opened: hung.passed, logger });
    const wishes = ["double", "nothing", "fail", "wait", "wait"] as const;
    const ids = ["completed", "empty", "failed", "cancelled", "exhausted"];
    for (const [index, id] of ids.entries())
      await passing(
        clock,
        run.intake.accept(wishes[index] as "wait", {
          id,
          consumed: at(index),
          ...(id === "exhausted" ? { timeoutMs: 100 } : {}),
        }),
        1,
      );
    const cancelled = run.cancel("cancelled", { reason: { by: "ada" } });
    await clock.advance(200);
    expect(await cancelled).toMatchObject({ found: true });
    await clock.advance(60_000);
    expect(closed.outcomes).toEqual([]);
    expect(run.stats()).toMatchObject({ traces: 0, undeliveredOutcomes: 5 });
    expect(new Set(logger.lines.map(({ message }) => message))).toEqual(new Set(["deliver_failed"]));
    await passing(clock, run.stop(), 5);

    const open = outbox();
    const again = started(checkpoints, open, { clock });
    await again.ready();
    await clock.advance(10);
    expect(open.told().toSorted()).toEqual(ids.map((id) => `${id} ${id}`).toSorted());
    const of = (id: string) => open.outcomes.find(({ traceId }) => traceId === id);
    expect(of("completed")).toMatchObject({ result: "double", results: ["double"], tenant: "default" });
    expect(of("empty")).toMatchObject({ error: { code: "NO_RESULT" }, lastNode: "work" });
    expect(of("failed")).toMatchObject({ error: { code: "NODE_EXCEPTION", node: "work" } });
    expect(of("cancelled")).toMatchObject({ error: { code: "TRACE_CANCELLED" }, reason: { by: "ada" } });
    expect(of("exhausted")).toMatchObject({ error: { code: "DEADLINE_EXCEEDED" }, finalAnswer: {} });
    await passing(clock, again.stop(), 5);

    // delivered outcomes are gone; the failed trace remains for a retry
    const last = outbox();
    const third = started(checkpoints, last, { clock });
    await third.ready();
    await clock.advance(10);
    expect(last.outcomes).toEqual([]);
    expect(await third.recovery.unfinished()).toMatchObject([{ traceId: "failed", status: "failed" }]);
    await third.recovery.retryFailed("failed");
    await clock.advance(10);
    expect(last.told()).toEqual(["failed failed"]);
    await passing(clock, third.stop(), 5);
  });

  test("gives up the outcome of a failed trace once it has taken it, before the retry begins", async () => {
    const order: string[] = [];
    const taken = gate();
    const work = payloadNode("work", async (_: string, ctx): Promise<string> => {
      order.push(`called ${ctx.traceId}`);
      if (order.length === 1) throw new Error("it broke");
      return "mended";
    });
    const flow = create(work.to(), { name: "orders", logger: SILENT });
    let refusals = 1;
    const into: Outbox = {
      async deliver({ traceId, status }) {
        await taken.passed;
        order.push(`told ${traceId} ${status}`);
      },
      async withdraw({ traceId, tenant }) {
        refusals -= 1;
        if (refusals >= 0) throw new Error("the results are away");
        order.push(`withdrawn ${traceId} ${tenant}`);
      },
    };
    const durability = durable({ checkpoints: new MemoryCheckpointStore(), partition: "p-0" });
    await using run = flow.start({ durability, outbox: into });
    await run.intake.accept("go", { id: "a", consumed: at(1) });
    await settle();
    const refused = rejection(run.recovery.retryFailed("a"));
    await settle();
    expect(order).toEqual(["called a"]);
    taken.open();
    expect(await refused).toMatchObject({ message: "the results are away" });
    await run.recovery.retryFailed("a");
    await settle();
    expect(order).toEqual(["called a", "told a failed", "withdrawn a default", "called a", "told a completed"]);
  });

  test("is not waited for by a retry once the run is stopped", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const closed = outbox();
    closed.refuse(Number.POSITIVE_INFINITY);
    const run = started(checkpoints, closed);
    await run.intake.accept("fail", { id: "a", consumed: at(1) });
    await settle();
    const retried = rejection(run.recovery.retryFailed("a"));
    await settle();
    await run.stop();
    expect(await retried).toMatchObject({ code: "FLOW_STOPPED", traceId: "a" });
    const open = outbox();
    await using again = started(checkpoints, open);
    await again.ready();
    await settle();
    expect(open.told()).toEqual(["a failed"]);
  });

  test("keeps the outcome of a failed trace that can no longer be retried", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const closed = outbox();
    closed.hold(new Promise(() => {}));
    const run = started(checkpoints, closed, { maxFailed: 1 });
    for (const n of [1, 2, 3]) await run.intake.accept("fail", { id: `t${n}`, consumed: at(n) });
    await settle();
    expect(await run.recovery.unfinished()).toMatchObject([{ traceId: "t3" }]);
    expect(await run.recovery.discard("t3")).toBe(1);
    await run.stop();
    const open = outbox();
    const again = started(checkpoints, open, { maxFailed: 1 });
    await again.ready();
    await settle();
    expect(open.told().toSorted()).toEqual(["t1 failed", "t2 failed", "t3 failed"]);
    await again.stop();
    expect((await contentsOf(checkpoints, "p-0")).entries).toEqual([]);
  });

  test("is given nothing that is not stored", async () => {
    const memory = new MemoryCheckpointStore();
    const cut = new CutCheckpoints(memory);
    const into = outbox();
    const run = started(cut, into);
    await run.ready();
    cut.cut();
    const accept = rejection(run.intake.accept("double", { id: "a", consumed: at(1) }));
    expect(await accept).toMatchObject({ code: "CHECKPOINT_FAILED" });
    await run.closed;
    expect(into.outcomes).toEqual([]);
  });

  test("that is full makes further items wait", async () => {
    const held = gate();
    const into = outbox();
    into.hold(held.passed);
    const options = { limits: { rookeryMaxSize: 2 } };
    const run = started(new MemoryCheckpointStore(), into, { options });
    for (const n of [1, 2]) await run.intake.accept("double", { id: `t${n}`, consumed: at(n) });
    await settle();
    let isAccepted = false;
    const third = run.intake.accept("double", { id: "t3", consumed: at(3) }).then(() => (isAccepted = true));
    await settle();
    expect(isAccepted).toBe(false);
    expect(await run.intake.consumed()).toEqual(new Map([[0, 2]]));
    held.open();
    await third;
    await settle();
    expect(into.told()).toEqual(["t1 completed", "t2 completed", "t3 completed"]);
    await run.stop();
  });

  test("is emptied by a stop that drains", async () => {
    const held = gate();
    const into = outbox();
    into.hold(held.passed);
    const run = started(new MemoryCheckpointStore(), into, { options: { clock: undefined } });
    await run.intake.accept("double", { id: "a", consumed: at(1) });
    const stopped = run.stop({ drainMs: 60_000 });
    held.open();
    await stopped;
    expect(into.told()).toEqual(["a completed"]);
  });

  test("that refuses an outcome when its run is over keeps no timer of it", async () => {
    const clock = new TestClock();
    const held = gate();
    const into = outbox();
    into.hold(held.passed);
    into.refuse(1);
    const run = started(new MemoryCheckpointStore(), into, { clock });
    await run.intake.accept("double", { id: "a", consumed: at(1) });
    await settle();
    await run.stop();
    held.open();
    await settle();
    expect(clock.timers).toBe(0);
  });

  test("is given the chunks of accepted traces, and their pauses once these are stored, again after a restart", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const into = outbox();
    const run = started(checkpoints, into);
    await run.intake.accept("chunk", { id: "a", consumed: at(1) });
    await run.intake.accept("ask", { id: "b", consumed: at(2) });
    await settle();
    expect(into.chunks.map(({ traceId, text }) => `${traceId} ${text}`)).toContain("a half");
    expect(into.pauses).toMatchObject([{ reason: "may I?", node: "work" }]);
    expect(into.told()).toEqual(["a completed"]);
    await run.stop();

    const after = outbox();
    const again = started(checkpoints, after);
    await again.ready();
    await settle();
    expect(after.pauses).toEqual(into.pauses);
    const outcome = await again.pauses.resume(after.pauses[0]?.token ?? "", "yes");
    expect(outcome).toMatchObject({ status: "completed", result: "answered yes" });
    await settle();
    expect(after.outcomes).toMatchObject([{ traceId: "b", status: "completed", result: "answered yes" }]);
    await again.stop();
  });

  test("does not take the results of other callers", async () => {
    const into = outbox();
    const run = started(new MemoryCheckpointStore(), into);
    expect(await run.call("double")).toBe("double");
    await run.stop();
    expect(into.outcomes).toEqual([]);
  });
});
