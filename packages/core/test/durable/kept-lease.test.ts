import { durable, type KeptLease, keepLease } from "penguiflow/durable";
import { type CheckpointPartition, create, type Logger, MemoryCheckpointStore, payloadNode } from "penguiflow";
import type { SharedLease, SharingCheckpointStore } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const LEASE_MS = 900;

/** A checkpoint store whose calls can fail. */
class Unsteady implements SharingCheckpointStore {
  readonly #store: MemoryCheckpointStore;
  isDown = false;
  renewals = 0;

  constructor(clock: TestClock) {
    this.#store = new MemoryCheckpointStore({ clock });
  }

  async open(...args: Parameters<SharingCheckpointStore["open"]>): Promise<CheckpointPartition> {
    const partition = await this.#store.open(...args);
    const close = async (): Promise<void> => {
      this.#reach();
      await partition.close();
    };
    return new Proxy(partition, {
      get(target, name) {
        if (name === "close") return close;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  async share(request: Parameters<SharingCheckpointStore["share"]>[0]): Promise<SharedLease> {
    this.#reach();
    const lease = await this.#store.share(request);
    return {
      id: lease.id,
      renew: async () => {
        this.#reach();
        this.renewals += 1;
        await lease.renew();
      },
      close: () => lease.close(),
    };
  }

  #reach(): void {
    if (this.isDown) throw new Error("unreachable");
  }
}

async function setUp() {
  const clock = new TestClock();
  const checkpoints = new Unsteady(clock);
  const lease = await keepLease({ checkpoints, owner: "one", leaseMs: LEASE_MS, clock, logger: SILENT });
  const started: number[] = [];
  const work = payloadNode("work", (input: number) => {
    started.push(input);
    return input;
  });
  const flow = create(work.to(), { name: "jobs", clock, logger: SILENT });
  const start = (partition: string, under: KeptLease = lease) =>
    flow.start({
      durability: durable({ checkpoints, partition, owner: "one", leaseMs: LEASE_MS, lease: under }),
      outbox: { deliver: async () => {} },
    });
  return { clock, checkpoints, lease, started, start };
}

const consumed = (sequence: number) => ({ consumed: { lane: 1, sequence } });

test("runs under one lease are held by its renewals alone, and handlers wait while it is overdue", async () => {
  const { clock, checkpoints, lease, started, start } = await setUp();
  const runs = [start("a"), start("b"), start("c")];
  await Promise.all(runs.map((run) => run.ready()));
  for (let third = 0; third < 9; third += 1) await clock.advance(LEASE_MS / 3);
  expect(checkpoints.renewals).toBe(9);
  expect(lease.leftMs).toBe(LEASE_MS);
  checkpoints.isDown = true;
  await clock.advance(LEASE_MS);
  expect(lease.leftMs).toBe(0);
  const accepted = runs[0]!.intake.accept(1, { id: "first", ...consumed(1) });
  await clock.advance(10);
  expect(started).toEqual([]);
  checkpoints.isDown = false;
  await clock.advance(LEASE_MS / 3);
  expect(await accepted).toBe("accepted");
  expect(started).toEqual([1]);
  for (const run of runs) await run.stop();
  await lease[Symbol.asyncDispose]();
});

test("every run under a lease ends when another writer has taken one of its partitions", async () => {
  const { clock, checkpoints, lease, start } = await setUp();
  const runs = [start("a"), start("b")];
  await Promise.all(runs.map((run) => run.ready()));
  checkpoints.isDown = true;
  await clock.advance(LEASE_MS + 1);
  const other = await checkpoints.open({ partition: "a", owner: "two", leaseMs: LEASE_MS });
  expect(other.fencingToken).toBe(2);
  checkpoints.isDown = false;
  await clock.advance(LEASE_MS / 3);
  for (const run of runs) expect(await run.closed).toMatchObject({ code: "PARTITION_FENCED" });
  expect(lease.ended.aborted).toBe(true);
  await expect(lease.confirm()).rejects.toMatchObject({ code: "PARTITION_FENCED" });
  const late = start("c");
  await expect(late.ready()).rejects.toMatchObject({ code: "PARTITION_FENCED" });
  for (const run of [...runs, late]) await run.stop();
});

test("a partition whose release has failed is released with the next renewal, so that others need not wait", async () => {
  const { clock, checkpoints, lease, start } = await setUp();
  const run = start("a");
  await run.ready();
  checkpoints.isDown = true;
  await run.stop();
  checkpoints.isDown = false;
  const open = (): Promise<CheckpointPartition> => checkpoints.open({ partition: "a", owner: "two", leaseMs: 1 });
  await expect(open()).rejects.toMatchObject({ code: "PARTITION_LEASED" });
  await clock.advance(LEASE_MS / 3);
  expect((await open()).fencingToken).toBe(2);
  expect(lease.ended.aborted).toBe(false);
  await lease[Symbol.asyncDispose]();
});

test("a confirmation is of a renewal that was requested after it, and callers of one time share it", async () => {
  const { checkpoints, lease } = await setUp();
  const first = [lease.confirm(), lease.confirm()];
  await Promise.resolve();
  await Promise.resolve();
  const second = lease.confirm();
  await Promise.all([...first, second]);
  expect(checkpoints.renewals).toBe(2);
  await lease[Symbol.asyncDispose]();
});

test("options are checked", async () => {
  const { checkpoints, lease } = await setUp();
  const options = { checkpoints, owner: "one", leaseMs: LEASE_MS };
  await expect(keepLease({ ...options, owner: "" })).rejects.toThrow(
    'Option "owner" of keepLease must be a non-empty string: got ""',
  );
  await expect(keepLease({ ...options, leaseMs: 0 })).rejects.toThrow('Option "leaseMs" must be');
  await expect(keepLease({ ...options, checkpoints: { open: () => {} } as never })).rejects.toThrow(
    'Option "checkpoints" must be an object with the methods open, share',
  );
  expect(() => durable({ checkpoints, lease: {} as never })).toThrow('Option "lease" must be an object');
  await lease[Symbol.asyncDispose]();
});
