import { durable, keepLease } from "penguiflow/durable";
import {
  type Checkpoint,
  type CheckpointFilter,
  type CheckpointPartition,
  create,
  FlowErrorCode,
  type LeaseRequest,
  type Logger,
  MemoryCheckpointStore,
  payloadNode,
  type SharingCheckpointStore,
} from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const LEASE_MS = 10_000;
const TRACES = 8;

/** A checkpoint store that takes long to read: each trace is a page of its own. */
class SlowStore implements SharingCheckpointStore {
  /** Milliseconds until a page is there. */
  pageMs = 0;
  /** Number of empty pages before each page. */
  emptyPages = 0;
  /** Number of empty pages of the first read, which loads the partition; other calls wait for all of them at once. */
  loadingPages = 0;
  /** Whether renewals fail, as on a cut connection. */
  isCutOff = false;
  pagesRead = 0;
  readonly #clock: TestClock;
  readonly #store: MemoryCheckpointStore;

  constructor(clock: TestClock) {
    this.#clock = clock;
    this.#store = new MemoryCheckpointStore({ clock });
  }

  async open(request: LeaseRequest): Promise<CheckpointPartition> {
    const partition = await this.#store.open(request);
    return wrapPartition(partition, {
      read: (filter) => this.#read(partition, filter),
      consumed: async () => {
        while (this.#isLoading()) await this.#pass();
        return await partition.consumed();
      },
      renew: () => this.#reach(() => partition.renew()),
    });
  }

  async share(request: Parameters<SharingCheckpointStore["share"]>[0]) {
    const lease = await this.#store.share(request);
    return { id: lease.id, renew: () => this.#reach(() => lease.renew()), close: () => lease.close() };
  }

  async *#read(partition: CheckpointPartition, filter?: CheckpointFilter): AsyncGenerator<readonly Checkpoint[]> {
    while (this.#isLoading()) {
      await this.#pass();
      yield [];
    }
    for await (const page of partition.read(filter))
      for (const entry of page) {
        for (let empty = 0; empty < this.emptyPages; empty += 1) {
          await this.#pass();
          yield [];
        }
        await this.#pass();
        this.pagesRead += 1;
        yield [entry];
      }
  }

  #isLoading(): boolean {
    this.loadingPages -= 1;
    return this.loadingPages >= 0;
  }

  async #pass(): Promise<void> {
    if (this.pageMs > 0) await new Promise<void>((resolve) => void this.#clock.setTimer(resolve, this.pageMs));
  }

  async #reach<Value>(call: () => Promise<Value>): Promise<Value> {
    if (this.isCutOff) throw new Error("unreachable");
    return await call();
  }
}

/** A partition with traces that a former run has left, and the run that opens it next. */
async function left(isShared: boolean) {
  const clock = new TestClock();
  const store = new SlowStore(clock);
  const begin = async (owner: string) => {
    const lease = isShared
      ? await keepLease({ checkpoints: store, owner, leaseMs: LEASE_MS, clock, logger: SILENT })
      : undefined;
    const endless = payloadNode("endless", (_: number) => new Promise<never>(() => {}));
    const flow = create(endless.to(), { name: "orders", clock, logger: SILENT });
    const run = flow.start({
      durability: durable({ checkpoints: store, leaseMs: LEASE_MS, owner, lease }),
      outbox: { deliver: async () => {} },
    });
    const ready = run.ready();
    ready.catch(() => {});
    return { run, ready };
  };
  const first = await begin("first");
  await first.ready;
  for (let sequence = 1; sequence <= TRACES; sequence += 1)
    await first.run.intake.accept(sequence, { id: `t${sequence}`, consumed: { lane: 1, sequence } });
  const stopped = first.run.stop();
  await clock.advance(2 * LEASE_MS);
  await stopped;
  const another = () => store.open({ partition: "orders", owner: "another", leaseMs: LEASE_MS });
  return { clock, store, begin: () => begin("second"), another };
}

describe.for([false, true])("a partition under a shared lease: %s", (isShared) => {
  test("is opened although reading it takes many leases, and its lease is kept meanwhile", async () => {
    const { clock, store, begin, another } = await left(isShared);
    store.pageMs = 0.9 * LEASE_MS;
    const { run, ready } = await begin();
    for (let step = 0; step < 2 * 0.9 * TRACES - 1; step += 1) {
      await clock.advance(LEASE_MS / 2);
      await expect(another()).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_LEASED });
    }
    expect(store.pagesRead).toBeLessThan(TRACES);
    await clock.advance(2 * LEASE_MS);
    expect(await ready).toMatchObject({ resumed: TRACES });
    expect(await run.intake.consumed()).toEqual(new Map([[1, TRACES]]));
    await expect(another()).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_LEASED });
  });

  test("is opened although one page takes several leases", async () => {
    const { clock, store, begin } = await left(isShared);
    store.pageMs = 3.5 * LEASE_MS;
    const { ready } = await begin();
    await clock.advance((TRACES + 1) * 3.5 * LEASE_MS);
    expect(await ready).toMatchObject({ resumed: TRACES });
  });

  test("is opened although a page takes more than four leases, when empty pages tell that it is being read", async () => {
    const { clock, store, begin } = await left(isShared);
    store.pageMs = 3.5 * LEASE_MS;
    store.emptyPages = 2;
    const { ready } = await begin();
    await clock.advance((TRACES + 1) * 10.5 * LEASE_MS);
    expect(await ready).toMatchObject({ resumed: TRACES });
  });

  test("is opened although loading it takes more than four leases, when empty pages tell that it gets on", async () => {
    const { clock, store, begin } = await left(isShared);
    store.pageMs = 0.9 * LEASE_MS;
    store.loadingPages = 10;
    const { ready } = await begin();
    await clock.advance((TRACES + 11) * 0.9 * LEASE_MS);
    expect(await ready).toMatchObject({ resumed: TRACES });
  });

  test("is given up when a read hangs for four leases, and is free then", async () => {
    const { clock, store, begin, another } = await left(isShared);
    store.pageMs = Number.POSITIVE_INFINITY;
    const { run, ready } = await begin();
    await clock.advance(4 * LEASE_MS - 1_000);
    await expect(another()).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_LEASED });
    await clock.advance(1_000);
    await expect(ready).rejects.toThrow("it has not answered a read for 40000 ms");
    await Promise.all([run.stop(), clock.advance(LEASE_MS)]);
    expect((await another()).fencingToken).toBe(3);
  });

  test("is given up after a lease when a read hangs and the lease cannot be renewed, either", async () => {
    const { clock, store, begin } = await left(isShared);
    store.pageMs = Number.POSITIVE_INFINITY;
    const { ready } = await begin();
    await clock.advance(0);
    store.isCutOff = true;
    await clock.advance(1.5 * LEASE_MS);
    await expect(ready).rejects.toThrow("it has not answered a read for 10000 ms");
  });

  test("is given up, and read no further, once another process has it", async () => {
    const { clock, store, begin, another } = await left(isShared);
    store.pageMs = 0.9 * LEASE_MS;
    const { run, ready } = await begin();
    await clock.advance(2.5 * LEASE_MS);
    store.isCutOff = true;
    await clock.advance(1.5 * LEASE_MS);
    const taken = await another();
    store.isCutOff = false;
    await clock.advance(LEASE_MS);
    await expect(ready).rejects.toMatchObject({ code: FlowErrorCode.PARTITION_FENCED });
    const { pagesRead } = store;
    expect(pagesRead).toBeLessThan(TRACES - 1);
    await Promise.all([run.stop(), clock.advance(10 * LEASE_MS)]);
    expect(store.pagesRead).toBeLessThanOrEqual(pagesRead + 1);
    await taken.append({ put: [], remove: [], counts: new Map() }, taken.sequence);
  });
});
