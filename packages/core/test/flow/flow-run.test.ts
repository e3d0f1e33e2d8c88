import { describe, expect, test } from "vitest";
import {
  type CheckpointStore,
  create,
  FlowError,
  type Logger,
  MemoryCheckpointStore,
  Message,
  payloadNode,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";
import { expectEmpty, gate } from "../fixtures/quiet-flow.ts";
import { logbook, rejection } from "../fixtures/watched-flow.ts";

const double = payloadNode("double", (n: number) => n * 2);
const show = payloadNode("show", (n: number) => `it is ${n}`);

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

describe("many runs of one flow", () => {
  test("answer calls side by side, each with its own figures, beside the flow's own run", async () => {
    await using flow = create(double.to(show));
    await using one = flow.start();
    await using two = flow.start();
    flow.run();
    expect(await Promise.all([one.call(1), two.call(2), two.call(3), flow.call(4)])).toEqual([
      "it is 2",
      "it is 4",
      "it is 6",
      "it is 8",
    ]);
    expect([one, two, flow].map((run) => run.stats().outcomes.completed)).toEqual([1, 2, 1]);
    for (const run of [one, two, flow]) expectEmpty(run as never);
  });

  test("have their own resources, queues and traces: the same trace id may be in flight in each", async () => {
    const opened = [gate(), gate()] as const;
    const wait = payloadNode("wait", async (n: number, ctx) => {
      await (ctx.resources as { readonly opened: Promise<void> }).opened;
      return n;
    });
    await using flow = create(wait.to(), { graceMs: 5 });
    const runs = opened.map(({ passed }) => flow.start({ resources: { opened: passed } }));
    const calls = runs.map((run, index) => run.call(index, { traceId: "same" }));
    const refused = rejection(calls[0] as Promise<unknown>);
    expect(await runs[0]?.cancel("same")).toMatchObject({ found: true });
    expect(await refused).toMatchObject({ code: "TRACE_CANCELLED" });
    opened[1].open();
    expect(await calls[1]).toBe(1);
    opened[0].open();
    await Promise.all(runs.map((run) => run.stop()));
  });

  test("end one by one: a run that is stopped refuses calls for good, and the others go on", async () => {
    await using flow = create(double.to(show));
    const [one, two] = [flow.start(), flow.start()];
    expect(await one.stop()).toEqual({ completed: 0, cancelled: 0, abandoned: 0 });
    expect(await one.closed).toBeUndefined();
    expect(one.isRunning).toBe(false);
    expect(await rejection(one.call(1))).toMatchObject({ code: "FLOW_NOT_RUNNING" });
    expect(await two.call(1)).toBe("it is 2");
    expect(flow.isRunning).toBe(false);
    await two.stop();
  });

  test("take options that run takes, and refuse others", async () => {
    const flow = create(double.to());
    expect(() => flow.start({ partition: "x" } as never)).toThrow('Unknown option "partition" of start');
    expect(() => flow.start({ durability: {} } as never)).toThrow(
      'Option "durability" of start must be what durable({ checkpoints }) of penguiflow/durable returns',
    );
  });
});

describe("a run per partition", () => {
  test("keeps its traces under its own lease, and another run of the same process takes them over", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const opened = gate();
    const wait = payloadNode("wait", async (n: number) => {
      await opened.passed;
      return n * 2;
    });
    const flow = create(wait.to(), { clock, logger: SILENT, graceMs: 5 });
    const startOf = (partition: string) => flow.start({ durability: durable({ checkpoints, partition }) });
    const runs = ["p-0", "p-1"].map(startOf);
    await Promise.all(runs.map((run) => run.ready()));
    await runs[0]?.emit(1, { traceId: "a" });
    await runs[1]?.emit(2, { traceId: "b" });
    const stopped = runs[0]?.stop();
    await clock.advance(10);
    await stopped;
    const again = startOf("p-0");
    expect(await again.ready()).toMatchObject({ resumed: 1 });
    opened.open();
    const fetched = await again.fetch({ traceId: "a" });
    expect(fetched instanceof Message && fetched.payload).toBe(2);
    const other = await runs[1]?.fetch({ traceId: "b" });
    expect(other instanceof Message && other.payload).toBe(4);
    await Promise.all([again.stop(), runs[1]?.stop()]);
  });

  test("is refused a leased partition at once, and without a word in the log", async () => {
    const clock = new TestClock();
    const logger = logbook();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const flow = create(double.to(), { clock, logger });
    const start = () => flow.start({ durability: durable({ checkpoints, partition: "p-0" }) });
    const first = start();
    await first.ready();
    const second = start();
    const error = await rejection(second.ready());
    expect(error).toMatchObject({ code: "PARTITION_LEASED", details: { partition: "p-0" } });
    expect(await second.closed).toBe(error);
    expect(second.isRunning).toBe(false);
    expect(logger.lines).toEqual([]);
    // its caller decides when to ask again
    await first.stop();
    const third = start();
    expect(await third.ready()).toMatchObject({ resumed: 0 });
    await third.stop();
  });

  test("tells with which error it has ended when another process has taken its partition over", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const flow = create(double.to(), { clock, logger: SILENT });
    const run = flow.start({ durability: durable({ checkpoints, partition: "p-0", leaseMs: 900 }) });
    await run.ready();
    // the process sleeps beyond its lease, and another one takes over
    clock.skip(1_000);
    const others = await checkpoints.open({ partition: "p-0", owner: "another process", leaseMs: 10_000 });
    expect(await rejection(run.call(1))).toMatchObject({ code: "PARTITION_FENCED" });
    const why = await run.closed;
    expect(why).toBeInstanceOf(FlowError);
    expect(why).toMatchObject({ code: "PARTITION_FENCED" });
    await others.close();
  });
});

describe("a process that was suspended beyond its lease", () => {
  const world = (onRenew: (renew: () => Promise<void>) => Promise<void> = (renew) => renew(), leaseMs = 900) => {
    const clock = new TestClock();
    const logger = logbook();
    const memory = new MemoryCheckpointStore({ clock });
    const checkpoints: CheckpointStore = {
      async open(lease) {
        const partition = await memory.open(lease);
        // a batch renews the lease as well: while the store is away, it has no answer
        const append: typeof partition.append = async (batch, sequence) => {
          await reachable.passed;
          return await partition.append(batch, sequence);
        };
        return wrapPartition(partition, { append, renew: () => onRenew(() => partition.renew()) });
      },
    };
    const reachable = gate();
    const steps: string[] = [];
    let wake = (): void => {};
    const first = payloadNode("first", async (n: number) => {
      steps.push("first");
      await new Promise<void>((resolve) => (wake = resolve));
      return n;
    });
    const second = payloadNode("second", (n: number) => {
      steps.push("second");
      return n + 1;
    });
    const flow = create(first.to(second), { clock, logger, graceMs: 5 });
    const run = flow.start({ durability: durable({ checkpoints, partition: "p-0", leaseMs }) });
    const words = () => logger.lines.map(({ message }) => message);
    return { clock, memory, run, steps, words, wake: () => wake(), reach: () => reachable.open() };
  };

  test("renews its lease first, and starts the next handler then", async () => {
    let renewed = (): void => {};
    const { clock, run, steps, words, wake, reach } = world(async (renew) => {
      await new Promise<void>((resolve) => (renewed = resolve));
      await renew();
    });
    await run.ready();
    const call = run.call(1);
    await settle();
    clock.skip(901);
    wake();
    await settle();
    expect(steps).toEqual(["first"]);
    expect(words()).toEqual(["lease_overdue"]);
    renewed();
    await settle();
    expect(steps).toEqual(["first", "second"]);
    reach();
    expect(await call).toBe(2);
    expect(words()).toEqual(["lease_overdue", "lease_renewed"]);
    await run.stop();
  });

  test("starts no handler as long as its store refuses the renewal, and goes on when it does not", async () => {
    let isDown = true;
    const { clock, run, steps, wake, reach } = world(async (renew) => {
      if (isDown) throw new Error("the store is away");
      await renew();
    }, 8_000);
    await run.ready();
    const call = run.call(1);
    await settle();
    clock.skip(8_001);
    wake();
    await clock.advance(5_000);
    expect(steps).toEqual(["first"]);
    isDown = false;
    await clock.advance(500);
    expect(steps).toEqual(["first", "second"]);
    reach();
    expect(await call).toBe(2);
    await run.stop();
  });

  test("starts no handler any more when another process has taken its partition over", async () => {
    const { clock, memory, run, steps, words, wake, reach } = world();
    await run.ready();
    const call = rejection(run.call(1));
    await settle();
    clock.skip(901);
    const other = await memory.open({ partition: "p-0", owner: "another process", leaseMs: 60_000 });
    wake();
    reach();
    expect(await call).toMatchObject({ code: "PARTITION_FENCED" });
    await clock.advance(10);
    expect(await run.closed).toMatchObject({ code: "PARTITION_FENCED" });
    expect(steps).toEqual(["first"]);
    expect(words()).toEqual(["lease_overdue", "checkpoints_lost"]);
    await other.close();
  });

  test("does not notice a gap that is shorter than its lease", async () => {
    const { clock, run, steps, words, wake, reach } = world();
    await run.ready();
    const call = run.call(1);
    await settle();
    clock.skip(899);
    wake();
    reach();
    expect(await call).toBe(2);
    expect(steps).toEqual(["first", "second"]);
    expect(words()).toEqual([]);
    await run.stop();
  });
});

describe("the option nodes", () => {
  const next = payloadNode("next", (input: number) => input + 1);

  test("lets a node take the place of another in one run, and no other", async () => {
    const flow = create(double.to(next), { name: "numbers" });
    await using other = flow.start({ nodes: [payloadNode("double", (input: number) => 10 * input)] });
    await using own = flow.start();
    expect([await other.call(1), await own.call(1)]).toEqual([11, 3]);
  });

  test("is refused for a name that the flow has not, and for what is no node", () => {
    const flow = create(double.to(next), { name: "numbers" });
    expect(() => flow.start({ nodes: [payloadNode("treble", (input: number) => 3 * input)] })).toThrow(
      'Option "nodes" of start has "treble": flow "numbers" has no node of that name',
    );
    expect(() => flow.start({ nodes: ["double"] as never })).toThrow('Option "nodes" of start must be a list of nodes');
  });
});
