import { create, FlowErrorCode, type Logger, MemoryCheckpointStore, payloadNode } from "penguiflow";
import type { ClusterBackend, StoredResult } from "penguiflow/adapter";
import { TestClock } from "penguiflow/testing";
import { afterEach, describe, expect, test } from "vitest";
import {
  type Client,
  type Cluster,
  cluster,
  type ClusterOptions,
  type ClusterStatus,
  formatDrain,
  formatFailed,
  formatStatus,
  memoryBackend,
  type Worker,
} from "../src/index.ts";
import { wrapPartition } from "../../core/src/testing/kit/wrap-partition.ts";
import { anchorsOf } from "../../../scripts/markdown.ts";
import { problemsOf } from "../src/operations/problems.ts";
import { healthOf } from "../src/worker/health.ts";
import { Meter } from "../src/worker/meter.ts";
import { RecentDurations } from "../src/worker/recent.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const double = payloadNode("double", async (input: number) => input * 2);
const numbers = create(double.to(), { name: "numbers", logger: SILENT });

const asking = create(
  payloadNode("asks", async (cents: number, ctx) => await ctx.pause<string>({ reason: `Pay ${cents}?` })).to(),
  { name: "asking", logger: SILENT },
);

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

interface App {
  readonly backend: ClusterBackend;
  readonly made: Cluster;
  readonly worker: (name: string, drainMs?: number) => Worker;
  readonly client: () => Client;
}

function app(options: Partial<ClusterOptions> = {}): App {
  const backend = memoryBackend({ maxItems: 10 });
  open.push(backend);
  const made = cluster({ name: "app", backend, partitions: 4, leaseMs: 300, logger: SILENT, ...options });
  const kept = <One extends AsyncDisposable>(one: One): One => {
    open.push(one);
    return one;
  };
  return {
    backend,
    made,
    worker: (name, drainMs = 10_000) => kept(made.worker({ name, drainMs })),
    client: () => kept(made.client()),
  };
}

const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
};

const problems = ({ problems: all }: ClusterStatus): readonly string[] => all.map(({ what }) => what);

describe("the figures of a worker", () => {
  test("tell what it holds, has in flight and has ended, and how long appends take", async () => {
    const { worker, client } = app();
    const one = worker("one").run(numbers).run(asking);
    await until(() => one.held.length === 8);
    const caller = client();
    await Promise.all([1, 2, 3].map((input) => caller.call(numbers, input)));
    await caller.outcome(asking, 240, { id: "bill" });
    const { flows, loopDelayMs, leaseMs, isDraining } = one.status();
    expect({ leaseMs, isDraining }).toEqual({ leaseMs: 300, isDraining: false });
    expect(flows).toMatchObject([
      { flow: "numbers", version: "1", partitions: 4, assigned: 4, held: [0, 1, 2, 3], ended: 3, acquired: 4 },
      { flow: "asking", inFlight: 1, ended: 0, undelivered: 0, fenced: 0, superseded: 0 },
    ]);
    const { appendMs } = flows[0]!;
    expect(appendMs.count).toBeGreaterThan(0);
    expect(appendMs.max).toBeGreaterThanOrEqual(appendMs.p99);
    await until(() => one.status().loopDelayMs.count > 0);
    expect(loopDelayMs.max).toBeGreaterThanOrEqual(0);
  });

  test("count outcomes that are not among the results yet", async () => {
    const { backend, client } = app({ partitions: 1 });
    const { promise: mayPut, resolve: letGo } = Promise.withResolvers<void>();
    const { results } = backend;
    const slow = {
      ...backend,
      results: {
        put: async (all: Parameters<typeof results.put>[0]) => {
          await mayPut;
          return await results.put(all);
        },
        get: results.get.bind(results),
        forget: results.forget.bind(results),
      },
    };
    const other = cluster({ name: "app", backend: slow, partitions: 1, leaseMs: 300, logger: SILENT });
    const one = other.worker({ name: "one" }).run(numbers);
    open.push(one);
    const called = client().call(numbers, 1);
    await until(() => one.status().flows[0]!.undelivered === 1);
    letGo();
    expect(await called).toBe(2);
    await until(() => one.status().flows[0]!.undelivered === 0);
  });

  test("count what an earlier owner has left: a trace in flight stays counted when its outcomes are delivered", async () => {
    const { backend, client, made, worker } = app({ partitions: 1 });
    const { results } = backend;
    const put = (): Promise<never> => Promise.reject(new Error("the result store is away"));
    const without = {
      ...backend,
      results: { put, get: results.get.bind(results), forget: results.forget.bind(results) },
    };
    const { promise: isLetGo, resolve: letGo } = Promise.withResolvers<void>();
    const work = payloadNode("work", async (wish: string) => {
      if (wish === "wait") await isLetGo;
      return wish;
    });
    const wishes = create(work.to(), { name: "wishes", logger: SILENT });
    const other = cluster({ name: "app", backend: without, partitions: 1, leaseMs: 300, logger: SILENT });
    const one = other.worker({ name: "one", drainMs: 0 }).run(wishes);
    open.push(one);
    const caller = client();
    const waiting = caller.call(wishes, "wait");
    const ended = caller.call(wishes, "end");
    await until(() => one.status().flows[0]!.undelivered === 1 && one.status().flows[0]!.inFlight === 2);
    await one.drain();
    const two = worker("two").run(wishes);
    expect(await ended).toBe("end");
    await until(() => two.status().flows[0]!.undelivered === 0);
    expect(two.status().flows[0]!.inFlight).toBe(1);
    const ofTwo = async () => (await made.status()).members.find(({ name }) => name === "two");
    await until(async () => (await ofTwo())?.inFlight === 1);
    expect((await made.status()).flows).toMatchObject([{ inFlight: 1, hasWork: true }]);
    letGo();
    expect(await waiting).toBe("wait");
    await until(() => two.status().flows[0]!.inFlight === 0);
  });

  test("count a trace that is tried again before its failure is stored once; the retry's outcome is the one that counts", async () => {
    const { backend, client } = app({ partitions: 1 });
    const { results } = backend;
    const { promise: mayPut, resolve: storeFailure } = Promise.withResolvers<void>();
    const put: typeof results.put = async (all) => {
      if (all.some(({ key }) => key.id === "late")) await mayPut;
      failure ??= all.find(({ key }) => key.id === "late");
      return await results.put(all);
    };
    let failure: StoredResult | undefined;
    const slow = { ...backend, results: { put, get: results.get.bind(results), forget: results.forget.bind(results) } };
    const { promise: isLetGo, resolve: letGo } = Promise.withResolvers<void>();
    let calls = 0;
    const work = payloadNode("work", async (wish: string) => {
      calls += 1;
      if (calls === 1) throw new Error("no ink");
      await isLetGo;
      return wish;
    });
    const wishes = create(work.to(), { name: "wishes", logger: SILENT });
    const other = cluster({ name: "app", backend: slow, partitions: 1, leaseMs: 300, logger: SILENT });
    const one = other.worker({ name: "one" }).run(wishes);
    open.push(one);
    const caller = client();
    const called = caller.outcome(wishes, "hat", { id: "late" });
    await until(() => one.status().flows[0]!.undelivered === 1);
    const retried = caller.retryFailed(wishes, "late");
    storeFailure();
    expect((await called).status).toBe("failed");
    await retried;
    await until(() => calls === 2);
    expect(one.status().flows).toMatchObject([{ inFlight: 1, undelivered: 0 }]);
    // the request that stored the failure comes again
    await results.put([failure!]);
    letGo();
    await until(() => one.status().flows[0]!.inFlight === 0);
    expect(await caller.call(wishes, "hat", { id: "late" })).toBe("hat");
  });

  test("count refused appends and refused outcomes", async () => {
    const clock = new TestClock();
    const backend = { ...memoryBackend(), checkpoints: new MemoryCheckpointStore({ clock }) };
    open.push(backend);
    const meter = new Meter(clock);
    const { checkpoints, results } = meter.measured(backend);
    const lease = { partition: "app/a/b@2/3", owner: "one", leaseMs: 10 };
    const first = await checkpoints.open(lease);
    await clock.advance(20);
    const second = await checkpoints.open({ ...lease, owner: "two" });
    const batch = { put: [], remove: [], counts: new Map([["n", 1]]) };
    await expect(first.append(batch, 0)).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_FENCED });
    await expect(first.renew()).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_FENCED });
    await second.append(batch, 0);
    const key = { partition: lease.partition, tenant: "t", id: "i" };
    const result = (body: number) => ({ key, isFinal: true, body: Uint8Array.of(body), keepMs: 1_000 });
    await results.put([{ ...result(0), isFinal: false }, result(1), result(2)]);
    const { acquired, fenced, superseded, ended, appends, open: held } = meter.of("a/b@2");
    expect({ acquired, fenced, superseded, ended }).toEqual({ acquired: 2, fenced: 2, superseded: 1, ended: 1 });
    expect(appends.spread.count).toBe(2);
    expect([...held.values()]).toEqual([second]);
  });

  test("give percentiles of the last period and the one that runs, and forget what is older", () => {
    const recent = new RecentDurations();
    recent.turn(0);
    for (let ms = 1; ms <= 100; ms += 1) recent.record(ms);
    expect(recent.spread.count).toBe(100);
    expect(Math.round(recent.spread.p50 / 5) * 5).toBe(50);
    recent.turn(29_999);
    recent.record(500);
    recent.turn(30_000);
    recent.record(1);
    expect(recent.spread).toMatchObject({ count: 102 });
    expect(Math.round(recent.spread.max / 50) * 50).toBe(500);
    recent.turn(60_000);
    expect(recent.spread.count).toBe(1);
  });
});

describe("the health of a worker", () => {
  test("is ready once the partitions assigned to it are open, and live until it has drained", async () => {
    const { worker } = app();
    const one = worker("one");
    expect(one.health()).toEqual({ isLive: true, isReady: false, reasons: ["it runs no flow"] });
    one.run(numbers);
    expect(one.health().reasons).toEqual(["it has not joined the cluster yet"]);
    await until(() => one.held.length === 4);
    expect(one.health()).toEqual({ isLive: true, isReady: true, reasons: [] });
    await one.drain();
    expect(one.health()).toEqual({ isLive: false, isReady: false, reasons: ["it has drained"] });
  });

  test("names the partitions that are not open, the silence of the registry, and what is left to drain", () => {
    const facts = { leaseMs: 100, flows: 1, silentMs: 10, isDraining: false, isDrained: false };
    const names = ["a/0", "a/1", "a/2", "a/3"];
    expect(healthOf({ ...facts, assigned: names, open: [] }).reasons).toEqual([
      "4 of 4 partitions are not open yet: a/0, a/1, a/2, …",
    ]);
    expect(healthOf({ ...facts, silentMs: 250, assigned: names, open: names }).reasons).toEqual([
      "the registry has not taken a sign of life for 250 ms, its lease is 100 ms",
    ]);
    expect(healthOf({ ...facts, isDraining: true, assigned: names, open: ["a/0"] })).toEqual({
      isLive: true,
      isReady: false,
      reasons: ["it drains: 1 partitions are left"],
    });
  });
});

describe("the status of a cluster", () => {
  test("tells its flows, members and backend", async () => {
    const { made, worker, client } = app();
    const one = worker("one").run(numbers).run(asking);
    await until(() => one.held.length === 8);
    await client().outcome(asking, 240, { id: "bill" });
    await until(async () => (await made.status()).flows[0]?.inFlight === 1);
    const status = await made.status();
    expect(status).toMatchObject({
      name: "app",
      problems: [],
      members: [{ name: "one", isDraining: false, runs: ["numbers@1", "asking@1"], held: 8, inFlight: 1 }],
      flows: [
        { flow: "asking", version: "1", partitions: 4, members: ["one"], unowned: [], inFlight: 1, hasWork: true },
        { flow: "numbers", hasWork: false, backlog: 0, oldest: [] },
      ],
      backend: { intakeFill: 0, keptResults: 1 },
    });
  });

  test("knows of a partition within a second after it was acquired, however long a lease is", async () => {
    const { made, worker } = app({ leaseMs: 600_000 });
    worker("one").run(numbers);
    await until(async () => (await made.status()).flows[0]?.unowned.length === 0);
    expect(problems(await made.status())).toEqual([]);
  });

  test("tells how long the oldest message of each lane waits, and how full the intake is", async () => {
    const { made, backend, worker, client } = app({ partitions: 1, lanes: 1 });
    const one = worker("one").run(numbers);
    await until(async () => (await made.status()).flows.length === 1);
    await one.drain();
    const caller = client();
    const called = Array.from({ length: 9 }, (_, index) => caller.call(numbers, index));
    const cancelled = caller.cancel(numbers, "nothing");
    await until(async () => (await backend.intake.backlog(["app/numbers@1/0"])).get("app/numbers@1/0") === 10);
    await until(async () => (await made.status()).flows[0]!.oldest.every(({ ms }) => ms > 20));
    const status = await made.status();
    expect(status.flows[0]).toMatchObject({ backlog: 10, oldest: [{ lane: 0 }, { lane: 1 }] });
    expect(problems(status)).toEqual([
      "numbers@1 has work, and no member runs it",
      "100 % of the intake's bound are in use",
    ]);
    worker("two").run(numbers);
    await Promise.all([...called, cancelled]);
  });

  test("names a version whose traces no member runs, and not one that has finished", async () => {
    const { made, worker, client } = app();
    const one = worker("one").run(numbers).run(asking);
    await until(() => one.held.length === 8);
    const caller = client();
    await caller.outcome(asking, 240, { id: "bill" });
    await caller.call(numbers, 1);
    await one.drain();
    const status = await made.status();
    expect(problems(status)).toEqual(["asking@1 has work, and no member runs it"]);
    expect(formatStatus(status)).not.toContain("numbers@1");
    const two = worker("two").run(asking);
    await until(() => two.held.length === 4);
    await caller.cancel(asking, "bill");
    await two.drain();
    expect(problems(await made.status())).toEqual([]);
  });

  test("names a version whose last member has lost a partition: it may have more than its member counted", async () => {
    const { backend, made, worker, client } = app({ partitions: 1 });
    const { checkpoints } = backend;
    let removals = 0;
    const failing: ClusterBackend["checkpoints"] = {
      share: (request) => checkpoints.share(request),
      async open(lease) {
        const opened = await checkpoints.open(lease);
        return wrapPartition(opened, {
          async append(batch, expected) {
            if (batch.remove.length === 0) return await opened.append(batch, expected);
            removals += 1;
            throw new Error("the store is away");
          },
        });
      },
    };
    const other = { name: "app", partitions: 1, leaseMs: 60_000, logger: SILENT };
    const one = cluster({ ...other, backend: { ...backend, checkpoints: failing } }).worker({ name: "one" });
    open.push(one.run(numbers));
    expect(await client().call(numbers, 1, { id: "a" })).toBe(2);
    await until(() => removals > 0 && one.held.length === 0);
    await one.drain();
    expect(problems(await made.status())).toEqual(["numbers@1 has work, and no member runs it"]);
    const two = worker("two").run(numbers);
    await until(() => two.held.length === 1 && two.status().flows[0]!.inFlight === 0);
    await two.drain();
    expect(problems(await made.status())).toEqual([]);
  });

  test("names partitions without an owner, which may have work", async () => {
    const { made, backend, worker } = app();
    const foreign = await Promise.all(
      [1, 2].map((index) =>
        backend.checkpoints.open({ partition: `app/numbers@1/${index}`, owner: "no member", leaseMs: 60_000 }),
      ),
    );
    const one = worker("one").run(numbers);
    await until(() => one.held.length === 2);
    await until(async () => (await made.status()).flows[0]?.unowned.length === 2);
    const status = await made.status();
    expect(problems(status)).toEqual(["2 of 4 partitions of numbers@1 have no owner: 1, 2"]);
    expect(status.flows[0]).toMatchObject({ inFlight: 0, hasWork: true });
    await Promise.all(foreign.map((partition) => partition.close()));
    await until(async () => (await made.status()).problems.length === 0);
  });
});

describe("a drain from elsewhere", () => {
  test("has the member hand its partitions over, and tells when it has left", async () => {
    const { made, worker, client } = app();
    const one = worker("one").run(numbers);
    await until(() => one.held.length === 4);
    const two = worker("two").run(numbers);
    await until(() => one.held.length === 2 && two.held.length === 2);
    await until(async () => (await made.status()).flows[0]?.unowned.length === 0);
    const report = await made.drain("one");
    expect(report).toMatchObject({ member: "one", isDrained: true, partitions: 2, left: 0 });
    expect(await one.drained).toEqual({ partitions: 2 });
    await until(() => two.held.length === 4);
    expect(await client().call(numbers, 4)).toBe(8);
    expect(formatDrain(report)).toMatch(/^one has drained: it handed 2 partitions over in \d\.\d s$/);
  });

  test("does not reach a later member of the same name, nor one whose name only begins so", async () => {
    const { made, backend, worker } = app();
    const one = worker("one").run(numbers);
    await until(() => one.held.length === 4);
    await one.drain();
    await backend.registry.put("app/drain/one", JSON.stringify({ instance: "an earlier one" }));
    const again = worker("one").run(numbers);
    const longer = worker("one-2").run(numbers);
    await until(() => again.held.length === 2 && longer.held.length === 2);
    await made.drain("one");
    await again.drained;
    expect(again.health().isLive).toBe(false);
    expect(longer.health()).toMatchObject({ isLive: true });
  });

  test("tells what is left when the time is over, while the status says that the member drains", async () => {
    const { made, worker, client } = app({ partitions: 1 });
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    let began = 0;
    const slow = create(
      payloadNode("slow", async (input: number) => {
        began += 1;
        await mayEnd;
        return input;
      }).to(),
      { name: "slow", logger: SILENT },
    );
    const one = worker("one", 60_000).run(slow);
    const called = client().call(slow, 1);
    await until(() => began === 1);
    await until(async () => (await made.status()).members[0]?.held === 1);
    const report = await made.drain("one", { timeoutMs: 50 });
    expect(report).toMatchObject({ isDrained: false, partitions: 1, left: 1 });
    expect(formatDrain(report)).toContain("it goes on draining");
    await until(async () => (await made.status()).members[0]?.isDraining === true);
    expect(one.health().isReady).toBe(false);
    end();
    expect(await called).toBe(1);
    await one.drained;
    expect((await made.status()).members).toEqual([]);
  });

  test("of an unknown member is refused with the names of those that are there", async () => {
    const { made, worker } = app();
    await expect(made.drain("one")).rejects.toThrow(
      'Cannot drain "one": cluster "app" has no such member; it has no members',
    );
    const two = worker("two").run(numbers);
    await until(() => two.held.length === 4);
    await expect(made.drain("one")).rejects.toThrow("its members are two");
    await expect(made.drain("two", { timeoutMs: -1 })).rejects.toThrow("timeoutMs");
  });
});

describe("the failed traces of a flow", () => {
  const failing = create(
    payloadNode("fails", async (input: string): Promise<string> => {
      throw new Error(`no ${input}\nin stock`);
    }).to(),
    { name: "failing", logger: SILENT },
  );

  test("are told by all partitions, the oldest first, of one tenant or of all", async () => {
    const { worker, client } = app();
    worker("one").run(failing);
    const caller = client();
    for (const id of ["a", "b", "c"])
      await caller.outcome(failing, id, { id, tenant: id === "c" ? "acme" : "default" });
    const failed = await caller.failed(failing);
    expect(failed).toMatchObject({ flow: "failing", version: "1", hasMore: false, silent: [] });
    expect(failed.traces.map(({ id, tenant, status, nodes }) => ({ id, tenant, status, nodes }))).toEqual([
      { id: "a", tenant: "default", status: "failed", nodes: ["fails"] },
      { id: "b", tenant: "default", status: "failed", nodes: ["fails"] },
      { id: "c", tenant: "acme", status: "failed", nodes: ["fails"] },
    ]);
    const text = formatFailed(failed);
    expect(text).toMatch(/^failing@1: 3 failed traces, the oldest first$/m);
    expect(text).toMatch(/^a +default +failed +20\S+Z +fails +NODE_EXCEPTION: no a$/m);
    expect((await caller.failed(failing, { tenant: "acme" })).traces.map(({ id }) => id)).toEqual(["c"]);
    await caller.discard(failing, "a");
    expect((await caller.failed(failing)).traces.map(({ id }) => id)).toEqual(["b", "c"]);
  });

  test("of partitions without an owner are not known, and these are named", async () => {
    const { client } = app();
    const failed = await client().failed(failing, { timeoutMs: 20 });
    expect(failed).toEqual({ flow: "failing", version: "1", traces: [], hasMore: false, silent: [0, 1, 2, 3] });
    expect(formatFailed(failed)).toBe("failing@1: no failed trace\n\n4 partitions did not answer: 0, 1, 2, 3");
  });

  test("are cut where an answer would be too long for the wire", async () => {
    const { backend } = app();
    const small = { ...backend, limits: { offerBytes: 1_500 } };
    const made = cluster({ name: "app", backend: small, partitions: 1, leaseMs: 300, logger: SILENT });
    const one = made.worker({ name: "one" }).run(failing);
    const caller = made.client();
    open.push(one, caller);
    for (let index = 0; index < 12; index += 1) await caller.outcome(failing, "x", { id: `order-${index}` });
    const failed = await caller.failed(failing);
    expect(failed.hasMore).toBe(true);
    expect(failed.traces.length).toBeGreaterThan(0);
    expect(failed.traces.length).toBeLessThan(12);
  });
});

test("each problem leads to a section of the runbook", () => {
  const flow = {
    flow: "orders",
    version: "1",
    partitions: 4,
    inFlight: 1,
    hasWork: true,
    backlog: 1,
    share: undefined,
  };
  const found = problemsOf({
    name: "shop",
    leaseMs: 1_000,
    members: [],
    flows: [
      { ...flow, members: [], unowned: [0, 1, 2, 3], oldest: [] },
      { ...flow, members: ["ada"], unowned: [1], oldest: [{ lane: 1, ms: 2_001 }] },
      { ...flow, members: ["ada"], unowned: [], oldest: [{ lane: 1, ms: 2_000 }] },
    ],
    backend: { intakeFill: 0.81, checkpointBytes: 500_000_000, liveBytes: 1_000, replicasBehind: 1 },
  });
  expect(found.map(({ section }) => section)).toEqual([
    "a-version-has-work-and-no-worker",
    "a-worker-dies",
    "messages-wait-too-long",
    "messages-wait-too-long",
    "checkpoints-take-too-much-room",
    "a-replica-is-behind",
  ]);
  const headings = anchorsOf("docs/guides/cluster-runbook.md");
  for (const { section } of found) expect(headings).toContain(section);
});

test("the status of a cluster is written with its problems first", () => {
  const status: ClusterStatus = {
    name: "shop",
    leaseMs: 10_000,
    problems: [{ what: "2 of 16 partitions of orders@1 have no owner: 3, 9", section: "a-worker-dies" }],
    flows: [
      {
        flow: "orders",
        version: "1",
        share: undefined,
        partitions: 16,
        members: ["ada", "bert"],
        unowned: [3, 9],
        inFlight: 120,
        hasWork: true,
        backlog: 7,
        oldest: [{ lane: 4, ms: 1_234 }],
      },
    ],
    members: [
      { name: "ada", isDraining: false, runs: ["orders@1"], held: 8, inFlight: 70, endedPerSecond: 12.34, busy: 0.31 },
      { name: "bert", isDraining: true, runs: [], held: 6, inFlight: 50, endedPerSecond: 9, busy: 0.2 },
    ],
    backend: { intakeFill: 0.01, checkpointBytes: 3_145_728, liveBytes: 1_048_576, keptResults: 40, replicasBehind: 0 },
  };
  expect(formatStatus(status).split("\n")).toEqual([
    "cluster shop: 1 problem",
    "  ! 2 of 16 partitions of orders@1 have no owner: 3, 9",
    "    docs/guides/cluster-runbook.md#a-worker-dies",
    "",
    "FLOW      OWNED     WORKERS  IN FLIGHT  WAITING  OLDEST",
    "orders@1  14 of 16  2        120        7        1.2 s",
    "",
    "WORKER  STATE   PARTITIONS  IN FLIGHT  ENDED/S  BUSY",
    "ada     works   8           70         12.3     31 %",
    "bert    drains  6           50         9.0      20 %",
    "",
    "backend: 1 % of the intake in use, 3 MiB of checkpoints, 1 MiB of live, 40 kept results, 0 replicas behind",
  ]);
});
