import type { Checkpoint, CheckpointPartition } from "penguiflow";
import { expect, test } from "vitest";
import { append, contentsAfter, contentsOf, takeOver } from "./checkpoint-batches.ts";
import { TestSchema } from "./server.ts";

const lease = { partition: "orders", owner: "one", leaseMs: 60_000 };

const entry = (run: number, state: string): Checkpoint => ({
  run,
  tenant: "ada",
  traceId: `t${run}`,
  status: "open",
  version: 1,
  state,
});

async function pagesOf(partition: CheckpointPartition): Promise<number[][]> {
  const pages: number[][] = [];
  for await (const page of partition.read()) pages.push(page.map(({ run }) => run));
  return pages;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test("a page has no more than a thousand entries", async () => {
  await using schema = await TestSchema.create();
  const partition = await (await schema.openCheckpoints()).open(lease);
  const put = upTo(2_500).map((run) => entry(run, "1"));
  await partition.append({ put, remove: [], counts: new Map() }, 0);
  const pages = await pagesOf(partition);
  expect(pages.map((page) => page.length)).toEqual([1_000, 1_000, 500]);
  expect(pages.flat()).toEqual(upTo(2_500));
});

test("a page of large entries has fewer of them", async () => {
  await using schema = await TestSchema.create();
  const partition = await (await schema.openCheckpoints()).open(lease);
  const put = upTo(6).map((run) => entry(run, JSON.stringify("x".repeat(2_500_000))));
  await partition.append({ put, remove: [], counts: new Map() }, 0);
  expect(await pagesOf(partition)).toEqual([[0, 1], [2, 3], [4], [5]]);
});

test("a reader goes on while batches are stored, and has what was there from the start and was left", async () => {
  await using schema = await TestSchema.create();
  const partition = await (await schema.openCheckpoints()).open(lease);
  const put = upTo(3_000).map((run) => entry(run, "1"));
  await partition.append({ put, remove: [], counts: new Map() }, 0);
  const read: number[] = [];
  for await (const page of partition.read()) {
    // removes all of the second page after the first was read
    if (read.length === 0) await partition.append({ put: [], remove: upTo(2_000).slice(1_000), counts: new Map() }, 1);
    read.push(...page.map(({ run }) => run));
  }
  expect(read).toEqual([...upTo(1_000), ...upTo(3_000).slice(2_000)]);
});

test("a reader that is overtaken is refused in the middle", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const partition = await checkpoints.open({ ...lease, leaseMs: 1 });
  const put = upTo(2_000).map((run) => entry(run, "1"));
  await partition.append({ put, remove: [], counts: new Map() }, 0);
  const reading = partition.read()[Symbol.asyncIterator]();
  await reading.next();
  await takeOver(checkpoints, { ...lease, owner: "heir" });
  await expect(reading.next()).rejects.toThrow(
    'Cannot write partition "orders" of the checkpoint store any more: "heir" has it now',
  );
});

test("calls that are made at once are done in their order, a closing last", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const partition = await checkpoints.open(lease);
  const calls = [append(partition, 1, 1), partition.renew(), partition.close()];
  await Promise.all(calls);
  const again = await checkpoints.open(lease);
  expect(await contentsOf(again)).toEqual(contentsAfter(1));
});

test("names of any length are kept apart", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const long = "n".repeat(5_000);
  const one = await checkpoints.open({ ...lease, partition: `${long}1`, owner: long });
  const other = await checkpoints.open({ ...lease, partition: `${long}2` });
  expect(one.id).not.toBe(other.id);
  const counts = new Map([
    [`${long}1`, 1],
    [`${long}2`, 2],
  ]);
  const put = [{ ...entry(1, "1"), tenant: long, traceId: long }];
  await one.append({ put, remove: [], counts }, 0);
  expect(await contentsOf(one)).toEqual({ sequence: 1, entries: put, counts });
  await expect(checkpoints.open({ ...lease, partition: `${long}1` })).rejects.toMatchObject({
    details: { owner: long },
  });
});

test("a store and a checkpoint store share a schema", async () => {
  await using schema = await TestSchema.create();
  const store = await schema.open();
  const partition = await (await schema.openCheckpoints()).open(lease);
  await store.saveEvents([{ tenant: "ada", traceId: "t", kind: "trace_start", at: 1, node: undefined, payload: {} }]);
  await append(partition, 1, 2);
  expect((await store.loadHistory({ tenant: "ada", traceId: "t" })).events).toHaveLength(1);
  expect(await contentsOf(partition)).toEqual(contentsAfter(2));
});

test("a partition whose row was taken away is refused, and so is a lease without a span", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const partition = await checkpoints.open(lease);
  await schema.rows("delete from @journal_partitions");
  await expect(append(partition, 1, 1)).rejects.toThrow("it is not there any more");
  await expect(checkpoints.open({ ...lease, leaseMs: 0 })).rejects.toThrow(
    'Option "leaseMs" must be a whole number of 1 or more: got 0',
  );
});

test("a checkpoint store that is closed opens no partition", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  await checkpoints.close();
  await checkpoints.close();
  await expect(checkpoints.open(lease)).rejects.toThrow(
    `Cannot use the checkpoint store of schema "${schema.name}": it is closed`,
  );
});

test("batches of several partitions that are stored at once stay apart", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const partitions = await Promise.all(
    upTo(5).map((index) => checkpoints.open({ ...lease, partition: `orders ${index}` })),
  );
  await Promise.all(
    partitions.map((partition, index) =>
      partition.append(
        {
          put: upTo(index + 1).map((run) => entry(run, `"${index}"`)),
          remove: [0],
          counts: new Map([["pay", index]]),
          consumed: new Map([[index, 7]]),
        },
        0,
      ),
    ),
  );
  for (const [index, partition] of partitions.entries()) {
    expect((await pagesOf(partition)).flat()).toEqual(upTo(index + 1).slice(1));
    expect(await partition.counts()).toEqual(new Map([["pay", index]]));
    expect(await partition.consumed()).toEqual(new Map([[index, 7]]));
  }
});

test("a batch that the server refuses fails no batch of another partition, and neither does one that is overtaken", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const names = ["well", "refused", "overtaken"];
  const opened = names.map((partition) => checkpoints.open({ ...lease, partition, leaseMs: 50 }));
  const [well, refused, overtaken] = (await Promise.all(opened)) as [
    CheckpointPartition,
    CheckpointPartition,
    CheckpointPartition,
  ];
  await takeOver(checkpoints, { ...lease, partition: "overtaken", owner: "heir" });
  const batch = (count: number) => ({ put: [entry(1, "1")], remove: [], counts: new Map([["pay", count]]) });
  const answers = await Promise.allSettled([
    well.append(batch(1), 0),
    // no bigint has that many digits
    refused.append(batch(1e20), 0),
    overtaken.append(batch(1), 0),
  ]);
  expect(answers.map((answer) => (answer.status === "fulfilled" ? answer.value : "rejected"))).toEqual([
    1,
    "rejected",
    "rejected",
  ]);
  expect((answers[2] as PromiseRejectedResult).reason).toMatchObject({ code: "PARTITION_FENCED" });
  expect(await refused.append(batch(1), 0)).toBe(1);
});
