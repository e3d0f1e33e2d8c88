import type { CheckpointPartition } from "penguiflow";
import { describe, expect, test } from "vitest";
import { PostgresCheckpointStore } from "@penguiflow/state-postgres";
import { append, batchOf, contentsAfter, contentsOf } from "./checkpoint-batches.ts";
import { startServer } from "./own-server.ts";
import { Proxy } from "./proxy.ts";
import { TestSchema } from "./server.ts";

/** Text that only the appending statement contains. */
const APPENDING = "counted as";

const lease = { partition: "orders", owner: "one", leaseMs: 60_000 };

/** Lock that holds a batch while it is being stored. */
const ENTRIES = "select from @journal_entries for update";
/** Lock that holds a batch before it is stored. */
const TABLE = "lock table @journal_entries in access exclusive mode";

async function withLock(schema: TestSchema, lock: string, work: () => Promise<void>): Promise<void> {
  await schema.rows("begin");
  await schema.rows(lock);
  await work();
  await schema.rows("commit");
}

describe("a connection that is lost", () => {
  test("in the middle of an append costs nothing: the batch is stored, once", async () => {
    await using schema = await TestSchema.create();
    const partition = await (await schema.openCheckpoints()).open(lease);
    await append(partition, 1, 2);
    let appending: Promise<number> | undefined;
    await withLock(schema, ENTRIES, async () => {
      appending = partition.append(batchOf(3), 2);
      await schema.untilLocked();
      expect(await schema.terminate()).toBeGreaterThan(0);
    });
    expect(await appending).toBe(3);
    expect(await contentsOf(partition)).toEqual(contentsAfter(3));
  });

  test("again and again costs nothing either", { timeout: 60_000 }, async () => {
    await using schema = await TestSchema.create();
    const partition = await (await schema.openCheckpoints()).open(lease);
    const appended = new AbortController();
    let terminated = 0;
    let last = 0;
    const killing = (async () => {
      for (let seen = -1; !appended.signal.aborted; await new Promise((resolve) => setTimeout(resolve, 40))) {
        // a slow machine takes longer than the pause to connect and to store a batch
        if (last === seen) continue;
        seen = last;
        terminated += await schema.terminate();
      }
    })();
    for (let number = 1; number <= 200; number += 1) {
      await append(partition, number, number);
      last = number;
      await partition.renew();
    }
    appended.abort();
    await killing;
    expect(terminated).toBeGreaterThan(0);
    expect(await contentsOf(partition)).toEqual(contentsAfter(200));
  });

  test("after the commit and before its answer does not have a batch stored twice", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const partition = await (await schema.openCheckpoints({}, proxy.port)).open(lease);
    await append(partition, 1, 1);
    proxy.loseAnswerTo = APPENDING;
    expect(await partition.append(batchOf(2), 1)).toBe(2);
    expect(proxy.loseAnswerTo).toBeUndefined();
    await append(partition, 3, 3);
    expect(await contentsOf(partition)).toEqual(contentsAfter(3));
  });

  test("before the answer to an opening leaves the partition with who asked for it", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const checkpoints = await schema.openCheckpoints({}, proxy.port);
    proxy.loseAnswerTo = "insert into";
    const partition = await checkpoints.open(lease);
    expect(proxy.loseAnswerTo).toBeUndefined();
    expect(partition.fencingToken).toBe(1);
    await append(partition, 1, 2);
    expect(await contentsOf(partition)).toEqual(contentsAfter(2));
  });
});

describe("a batch that was given up", () => {
  /** Has the server store a batch after its writer has disconnected. */
  async function storeLate(schema: TestSchema, partition: CheckpointPartition, number: number): Promise<void> {
    await withLock(schema, ENTRIES, async () => {
      await expect(partition.append(given, number - 1)).rejects.toThrow("Cannot reach PostgreSQL within 300 ms");
    });
    const select = "select sequence::int from @journal_partitions";
    while ((await schema.rows(select))[0]?.["sequence"] !== number);
  }
  const given = batchOf(2);

  test("and is stored nevertheless is answered so when it is given again", async () => {
    await using schema = await TestSchema.create();
    const partition = await (await schema.openCheckpoints({ patienceMs: 300 })).open(lease);
    await append(partition, 1, 1);
    await storeLate(schema, partition, 2);
    expect(await partition.append(given, 1)).toBe(2);
    await append(partition, 3, 3);
    expect(await contentsOf(partition)).toEqual(contentsAfter(3));
  });

  test("and is stored nevertheless has another in its place refused, until the partition is opened again", async () => {
    await using schema = await TestSchema.create();
    const checkpoints = await schema.openCheckpoints({ patienceMs: 300 });
    const partition = await checkpoints.open(lease);
    await append(partition, 1, 1);
    await storeLate(schema, partition, 2);
    const another = { put: [], remove: [1, 2], counts: new Map() };
    await expect(partition.append(another, 1)).rejects.toMatchObject({ code: "PARTITION_FENCED" });
    await partition.close();
    expect(await contentsOf(await checkpoints.open(lease))).toEqual(contentsAfter(2));
  });

  test("and is not stored leaves its place to another", async () => {
    await using schema = await TestSchema.create();
    const partition = await (await schema.openCheckpoints({ patienceMs: 300 })).open(lease);
    await append(partition, 1, 1);
    await withLock(schema, ENTRIES, async () => {
      const another = { put: [], remove: [1], counts: new Map([["other", 9]]) };
      await expect(partition.append(another, 1)).rejects.toThrow("Cannot reach PostgreSQL within 300 ms");
      await schema.terminate();
    });
    await append(partition, 2, 3);
    expect(await contentsOf(partition)).toEqual(contentsAfter(3));
  });

  test("is seen whole by who takes the partition over, and the writer that gave it up is refused", async () => {
    await using schema = await TestSchema.create();
    const checkpoints = await schema.openCheckpoints();
    const late = await (await schema.openCheckpoints({ patienceMs: 300 })).open({ ...lease, leaseMs: 1 });
    await append(late, 1, 1);
    let opening: Promise<CheckpointPartition> | undefined;
    await withLock(schema, ENTRIES, async () => {
      await expect(late.append(given, 1)).rejects.toThrow("Cannot reach PostgreSQL within 300 ms");
      opening = checkpoints.open({ ...lease, owner: "heir" });
      while ((await schema.locked()) < 2);
    });
    const heir = await (opening as Promise<CheckpointPartition>);
    expect(await contentsOf(heir)).toEqual(contentsAfter(2));
    await expect(late.append(given, 1)).rejects.toMatchObject({ code: "PARTITION_FENCED" });
    await append(heir, 3, 3);
    expect(await contentsOf(heir)).toEqual(contentsAfter(3));
  });
});

test("a batch that arrives after the partition was taken over leaves nothing", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const late = await (await schema.openCheckpoints()).open({ ...lease, leaseMs: 1 });
  await append(late, 1, 1);
  let heir: CheckpointPartition | undefined;
  let appending: Promise<number> | undefined;
  await withLock(schema, TABLE, async () => {
    appending = late.append(batchOf(2), 1);
    appending.catch(() => {});
    await schema.untilLocked();
    heir = await checkpoints.open({ ...lease, owner: "heir" });
  });
  await expect(appending).rejects.toMatchObject({ code: "PARTITION_FENCED" });
  expect(await contentsOf(heir as CheckpointPartition)).toEqual(contentsAfter(1));
});

describe("a server that goes away", () => {
  test("and comes back in time is waited for", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const partition = await (await schema.openCheckpoints({}, proxy.port)).open(lease);
    await append(partition, 1, 2);
    await proxy.goAway();
    const appending = append(partition, 3, 5);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await proxy.comeBack();
    await appending;
    expect(await contentsOf(partition)).toEqual(contentsAfter(5));
  });

  test("for longer than a call's patience has it fail in time, and leaves the partition usable", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const partition = await (await schema.openCheckpoints({ patienceMs: 300 }, proxy.port)).open(lease);
    await append(partition, 1, 2);
    await proxy.goAway();
    const given = batchOf(3);
    for (const call of [() => partition.append(given, 2), () => partition.renew(), () => partition.counts()])
      await expect(call()).rejects.toThrow("Cannot reach PostgreSQL within 300 ms");
    await proxy.comeBack();
    expect(await partition.append(given, 2)).toBe(3);
    expect(await contentsOf(partition)).toEqual(contentsAfter(3));
  });

  test("while a partition is closed has it closed when that is tried again", async () => {
    await using proxy = await Proxy.create();
    await using schema = await TestSchema.create();
    const checkpoints = await schema.openCheckpoints({ patienceMs: 300 }, proxy.port);
    const partition = await checkpoints.open(lease);
    await proxy.goAway();
    await expect(partition.close()).rejects.toThrow("Cannot reach PostgreSQL within 300 ms");
    await proxy.comeBack();
    await expect(checkpoints.open(lease)).rejects.toMatchObject({ code: "PARTITION_LEASED" });
    await partition.close();
    expect((await checkpoints.open(lease)).fencingToken).toBe(2);
  });
});

test(
  "a server that crashes in the middle of appends, again and again, has each batch once",
  { timeout: 60_000 },
  async ({ skip }) => {
    await using server = (await startServer()) ?? skip("PostgreSQL is not installed");
    await using checkpoints = await PostgresCheckpointStore.open({ connection: server.url });
    const partition = await checkpoints.open(lease);
    for (let crashes = 0; crashes < 3; crashes += 1) {
      const crashed = new AbortController();
      const appending = (async () => {
        while (!crashed.signal.aborted) await append(partition, partition.sequence + 1, partition.sequence + 1);
        await append(partition, partition.sequence + 1, partition.sequence + 20);
      })();
      const before = partition.sequence;
      while (partition.sequence < before + 20) await new Promise((resolve) => setTimeout(resolve, 1));
      await server.crash();
      crashed.abort();
      await appending;
    }
    expect(await contentsOf(partition)).toEqual(contentsAfter(partition.sequence));
  },
);
