import { durable } from "penguiflow/durable";
import { create, type FinalOutcome, type FlowRun, type Logger, MemoryCheckpointStore, payloadNode } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const LEASE_MS = 1_000;

/**
 * Processes that own one partition after each other. A process that dies does nothing any more: its clock stands still and
 * its handlers never return.
 */
function processes(maxLostOwners: number) {
  const storeClock = new TestClock();
  const checkpoints = new MemoryCheckpointStore({ clock: storeClock });
  const started: string[] = [];
  const outcomes: FinalOutcome[] = [];
  /** Whether handlers of an order return. */
  const returning = new Set<string>();
  const flowOf = (clock: TestClock) => {
    const first = payloadNode("first", (order: string) => order);
    const work = payloadNode({ name: "work", policy: { concurrency: 1 } }, async (order: string) => {
      started.push(order);
      if (!returning.has(order)) await new Promise<never>(() => {});
      return order;
    });
    return create(first.to(work), { name: "orders", clock, logger: SILENT });
  };
  const begin = async () => {
    await storeClock.advance(LEASE_MS + 1);
    const clock = new TestClock(storeClock.epochNow());
    started.length = 0;
    const run: FlowRun<string, unknown> = flowOf(clock).start({
      durability: durable({ checkpoints, leaseMs: LEASE_MS, maxLostOwners }),
      outbox: { deliver: async (outcome) => void outcomes.push(outcome) },
    });
    await run.ready();
    return { clock, run };
  };
  return { begin, started, outcomes, returning };
}

const accept = async (run: FlowRun<string, unknown>, id: string, sequence: number): Promise<void> => {
  await run.intake.accept(id, { id, consumed: { lane: 1, sequence } });
};

test("a trace that loses its owners without completing a message fails after so many, and a retry runs it again", async () => {
  const { begin, started, outcomes, returning } = processes(4);
  let { run, clock } = await begin();
  await accept(run, "poison", 1);
  const lives: string[][] = [];
  for (let life = 2; outcomes.length === 0 && life < 10; life += 1) {
    ({ run, clock } = await begin());
    await clock.advance(2_000);
    lives.push([...started]);
  }
  // the owner that accepted it, one that restored it, and two that counted themselves first
  expect(lives).toEqual([["poison"], ["poison"], ["poison"], []]);
  expect(outcomes).toMatchObject([
    { status: "failed", traceId: "poison", error: { code: "POISON_MESSAGE", details: { owners: 4 } } },
  ]);
  expect(await run.recovery.unfinished()).toMatchObject([{ traceId: "poison", status: "failed" }]);
  returning.add("poison");
  await run.recovery.retryFailed("poison");
  await clock.advance(10);
  expect(outcomes[1]).toMatchObject({ status: "completed", traceId: "poison" });
});

test("suspects start one after the other, those that were tried least first, and others do not wait for them", async () => {
  const { begin, started, returning } = processes(5);
  let { run, clock } = await begin();
  await accept(run, "a", 1);
  await accept(run, "b", 2);
  await begin();
  ({ run, clock } = await begin());
  await clock.advance(10);
  expect(started).toEqual(["a"]);
  ({ run, clock } = await begin());
  await clock.advance(10);
  expect(started).toEqual(["b"]);
  returning.add("new");
  returning.add("a");
  ({ run, clock } = await begin());
  const accepted = accept(run, "new", 3);
  await clock.advance(10);
  await accepted;
  expect(started).toEqual(["new", "a"]);
  const isKnown = run.recovery.has("b");
  await clock.advance(250);
  expect(await isKnown).toBe(true);
});

test("a suspect that is looked up is known, and is not accepted again", async () => {
  const { begin, started } = processes(5);
  const { run: former } = await begin();
  await accept(former, "a", 1);
  await accept(former, "b", 2);
  await begin();
  const { run, clock } = await begin();
  const known = run.intake.accept("b", { id: "b", consumed: { lane: 1, sequence: 3 } });
  await clock.advance(100);
  expect(await known).toBe("known");
  // it waits for its turn all the same
  expect(started).toEqual(["a"]);
});

test("a run that is stopped accuses no trace, however often", async () => {
  const { begin, started, outcomes } = processes(2);
  let { run, clock } = await begin();
  await accept(run, "slow", 1);
  for (let life = 0; life < 6; life += 1) {
    const stopping = run.stop();
    await clock.advance(60_000);
    await stopping;
    ({ run, clock } = await begin());
    await clock.advance(10);
    expect(started).toEqual(["slow"]);
  }
  expect(outcomes).toEqual([]);
});

test("a trace that completes messages is no suspect, however many owners are lost", async () => {
  const { begin, outcomes, returning } = processes(2);
  returning.add("fast");
  let { run, clock } = await begin();
  for (let life = 1; life < 5; life += 1) {
    await accept(run, `fast ${life}`, life);
    returning.add(`fast ${life}`);
    ({ run, clock } = await begin());
    await clock.advance(10);
    expect(outcomes.at(-1)).toMatchObject({ status: "completed", traceId: `fast ${life}` });
  }
});

test("no handler starts before an item that is accepted with care is stored", async () => {
  const { begin, started } = processes(5);
  const { run, clock } = await begin();
  const accepted = run.intake.accept("a", { id: "a", consumed: { lane: 1, sequence: 1 }, storedFirst: true });
  let wasStarted = started.length > 0;
  await accepted.then(() => (wasStarted ||= started.length > 0));
  expect(wasStarted).toBe(false);
  await clock.advance(1);
  expect(started).toEqual(["a"]);
});

test("the limit is checked", () => {
  const checkpoints = new MemoryCheckpointStore();
  expect(() => durable({ checkpoints, maxLostOwners: 1 })).toThrow('Option "maxLostOwners" must be');
});
