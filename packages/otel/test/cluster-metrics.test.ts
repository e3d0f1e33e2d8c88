import { diag, DiagLogLevel } from "@opentelemetry/api";
import { type Cluster, cluster, memoryBackend, type Worker } from "@penguiflow/cluster";
import { create, type Logger, payloadNode } from "penguiflow";
import { afterEach, describe, expect, test } from "vitest";
import { observeCluster, observeWorker } from "../src/index.ts";
import { type ReceivedPoint, receiver } from "./otlp-receiver.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const double = payloadNode("double", async (input: number) => input * 2);
const numbers = create(double.to(), { name: "numbers", logger: SILENT });

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function app(): Cluster {
  const backend = memoryBackend({ maxItems: 10 });
  open.push(backend);
  return cluster({ name: "shop", backend, partitions: 4, leaseMs: 300, logger: SILENT });
}

async function working(made: Cluster): Promise<Worker> {
  const worker = made.worker({ name: "ada" }).run(numbers);
  open.push(worker);
  while ((await made.status()).flows[0]?.unowned.length !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
  return worker;
}

/** Values by the name of their metric, and the attributes and units of all. */
function shownOf(points: readonly ReceivedPoint[]) {
  return Object.fromEntries(points.map(({ name, value }) => [name.replace("penguiflow.cluster.", ""), value]));
}

describe("the metrics of a cluster", () => {
  test("tell what a worker holds, has in flight and has ended, with its flow, version and name", async () => {
    await using otlp = await receiver();
    const made = app();
    const worker = await working(made);
    observeWorker(worker, { meterProvider: otlp.meterProvider });
    const client = made.client();
    open.push(client);
    await Promise.all([1, 2, 3].map((input) => client.call(numbers, input)));
    while (worker.status().loopDelayMs.count === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const points = await otlp.points();
    expect(shownOf(points)).toEqual({
      partitions: 4,
      "partitions.held": 4,
      "partitions.acquired": 4,
      "traces.in_flight": 0,
      "traces.ended": 3,
      "outbox.size": 0,
      "append.p99": expect.any(Number) as number,
      "append.fenced": 0,
      "results.superseded": 0,
      "loop.delay": expect.any(Number) as number,
      lease: 0.3,
    });
    const member = { "penguiflow.cluster": "shop", "penguiflow.member": "ada" };
    const flow = { ...member, "penguiflow.flow": "numbers", "penguiflow.version": "1" };
    for (const { name, attributes } of points)
      expect(attributes, name).toEqual(/lease|loop/.test(name) ? member : flow);
  });

  test("tell the state of the cluster and of its backend, and how long the oldest message of a lane waits", async () => {
    await using otlp = await receiver();
    const made = app();
    observeCluster(made, { meterProvider: otlp.meterProvider });
    const worker = await working(made);
    expect(shownOf(await otlp.points())).toEqual({
      members: 1,
      "flow.workers": 1,
      "flow.orphaned": 0,
      "partitions.unowned": 0,
      backlog: 0,
      "intake.fill": 0,
      "results.kept": 0,
      "replicas.behind": 0,
    });
    await worker.drain();
    const client = made.client();
    open.push(client);
    const called = client.call(numbers, 1, { tenant: "acme" });
    while (shownOf(await otlp.points())["backlog"] !== 1);
    const points = await otlp.points();
    expect(shownOf(points)).toMatchObject({
      members: 0,
      "flow.workers": 0,
      "flow.orphaned": 1,
      "partitions.unowned": 4,
      "intake.fill": 0.1,
      "offer.age": expect.any(Number) as number,
    });
    expect(points.find(({ name }) => name.endsWith("offer.age"))?.attributes).toEqual({
      "penguiflow.cluster": "shop",
      "penguiflow.flow": "numbers",
      "penguiflow.version": "1",
      "penguiflow.lane": expect.stringMatching(/^\d+$/) as string,
    });
    await working(made);
    await called;
  });

  test("tell the bytes of partitions and of a backend in their unit, and nothing that is not known", async () => {
    await using otlp = await receiver();
    const flow = {
      ...{ flow: "orders", version: "2", partitions: 8, held: [1, 2], inFlight: 5, undelivered: 6, ended: 7 },
      ...{ acquired: 8, fenced: 9, superseded: 10, appendMs: { count: 0, p99: 0 } },
      ...{ storedBytes: 1_000, liveBytes: 10 },
    };
    const loopDelayMs = { count: 0, max: 0 };
    const worker = { status: () => ({ cluster: "a", name: "b", leaseMs: 1, loopDelayMs, flows: [flow] }) };
    const backend = { checkpointBytes: 500, liveBytes: 50, replicaLagMs: 1_500 };
    const whole = { status: async () => ({ name: "a", members: [], flows: [], backend }) };
    observeWorker(worker, { meterProvider: otlp.meterProvider });
    observeCluster(whole, { meterProvider: otlp.meterProvider });
    const points = await otlp.points();
    const bytes = points.filter(({ unit }) => unit === "By").map(({ name, value }) => [name, value]);
    expect(bytes.map(String).toSorted()).toEqual([
      "penguiflow.cluster.checkpoints.live,10",
      "penguiflow.cluster.checkpoints.live,50",
      "penguiflow.cluster.checkpoints.stored,1000",
      "penguiflow.cluster.checkpoints.stored,500",
    ]);
    expect(shownOf(points)).toMatchObject({ "replicas.lag": 1.5, "append.fenced": 9, "outbox.size": 6 });
    const names = points.map(({ name }) => name);
    for (const absent of ["append.p99", "loop.delay", "intake.fill", "results.kept"])
      expect(names).not.toContain(`penguiflow.cluster.${absent}`);
  });

  test("tell 0 of a level that is no longer there, such as a lane without messages, and keep what was counted", async () => {
    await using otlp = await receiver();
    const { meterProvider } = otlp;
    let [flows, worked]: [object[], object[]] = [
      [
        {
          ...{ flow: "orders", version: "1", members: ["ada"], unowned: [3], hasWork: true, backlog: 7 },
          oldest: [{ lane: 4, ms: 9_000 }],
        },
      ],
      [
        {
          ...{ flow: "orders", version: "1", partitions: 8, held: [1, 2], inFlight: 5, undelivered: 6, ended: 7 },
          ...{ acquired: 8, fenced: 9, superseded: 10, appendMs: { count: 1, p99: 400 } },
        },
      ],
    ];
    const whole = { status: async () => ({ name: "a", members: ["ada"], flows: flows as never, backend: {} }) };
    const loopDelayMs = { count: 1, max: 20 };
    const worker = {
      status: () => ({ cluster: "a", name: "ada", leaseMs: 1, loopDelayMs, flows: worked as never }),
    };
    observeCluster(whole, { meterProvider });
    const observing = observeWorker(worker, { meterProvider });
    const before = shownOf(await otlp.points());
    expect(before).toMatchObject({ "offer.age": 9, backlog: 7, "partitions.unowned": 1, "append.p99": 0.4 });
    [flows, worked] = [[], []];
    const after = shownOf(await otlp.points());
    expect(after).toMatchObject({ "offer.age": 0, backlog: 0, "partitions.unowned": 0, "append.p99": 0 });
    expect(after).toMatchObject({ "traces.in_flight": 0, "traces.ended": 7, "append.fenced": 9, "loop.delay": 0.02 });
    observing[Symbol.dispose]();
    const left = { "loop.delay": 0, "traces.ended": 7, members: 1 };
    expect(shownOf(await otlp.points())).toMatchObject(left);
    expect(shownOf(await otlp.points())).toMatchObject(left);
  });

  test("end when they are disposed, and a cluster that cannot be read is reported and told nothing", async () => {
    await using otlp = await receiver();
    const errors: unknown[] = [];
    const silent = (): void => {};
    diag.setLogger(
      { error: (...args) => void errors.push(args[1]), warn: silent, info: silent, debug: silent, verbose: silent },
      DiagLogLevel.ERROR,
    );
    try {
      const failure = new Error("the backend is away");
      const observing = observeCluster(
        { status: () => Promise.reject(failure) },
        { meterProvider: otlp.meterProvider },
      );
      expect(await otlp.points()).toEqual([]);
      expect(errors).toEqual([failure]);
      observing[Symbol.dispose]();
      await otlp.points();
      expect(errors).toHaveLength(1);
    } finally {
      diag.disable();
    }
  });

  test("are nothing without an SDK, and options are checked", () => {
    let reads = 0;
    const whole = { name: "a", members: [], flows: [], backend: {} };
    const worker = { status: () => (reads += 1) as never };
    observeWorker(worker)[Symbol.dispose]();
    expect(reads).toBe(0);
    expect(() => observeWorker(worker, { meterProvider: {} as never })).toThrow(
      'Option "meterProvider" of observeWorker must be a MeterProvider: it has no getMeter',
    );
    expect(() => observeCluster({ status: () => Promise.resolve(whole) }, { meter: 1 } as never)).toThrow(/"meter"/);
  });
});
