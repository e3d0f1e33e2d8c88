import { requireFunction, requireKnownKeys } from "../../foundation/options.ts";
import { FlowErrorCode } from "../../foundation/flow-error.ts";
import type {
  CheckpointStore,
  CheckpointBatch,
  CheckpointFilter,
  LeaseRequest,
  Checkpoint,
  CheckpointPartition,
  LogRow,
  StoredOutcome,
} from "../../ports/checkpoint-store.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import { type ContractCase, failureOf, inTime, requireSame } from "./contract.ts";

/** Options of {@link checkpointStoreContract}. */
export interface CheckpointStoreContract {
  /** Creates an empty checkpoint store whose leases expire by the machine's clock. */
  readonly make: () => CheckpointStore | Promise<CheckpointStore>;
  /** Called with each checkpoint store at the end of its case. @defaultValue does nothing */
  readonly close?: (checkpoints: CheckpointStore) => void | Promise<void>;
}

/**
 * Returns the rules of the `CheckpointStore` port, for authors of adapters. Each case creates its own checkpoint store.
 *
 * @example
 * ```ts
 * for (const { name, run } of checkpointStoreContract({ make: () => new MyCheckpoints() })) test(name, run);
 * ```
 */
export function checkpointStoreContract(options: CheckpointStoreContract): ContractCase[] {
  requireKnownKeys("checkpointStoreContract", options, ["make", "close"]);
  requireFunction("make", options.make);
  return Object.entries(rules).map(([name, rule]) => ({
    name,
    run: async () => {
      const checkpoints = await options.make();
      try {
        await inTime(`"${name}"`, rule(checkpoints));
      } finally {
        await options.close?.(checkpoints);
      }
    },
  }));
}

type Rule = (checkpoints: CheckpointStore) => Promise<void>;

/** A lease longer than any case takes. */
const LONG_MS = 60_000;
/** A lease that expires while a case waits for it. */
const SHORT_MS = 200;

/** Names that UTF-8 cannot encode (lone surrogates), and names that every object inherits. */
const ODD_NAMES = [
  "a",
  "A",
  "a ",
  "",
  "a\u0000",
  "\ud800",
  "\udfff",
  "\ufffd",
  "\\ud800",
  "%",
  "ü ✓ '\"\n",
  "__proto__",
];

const rules: Readonly<Record<string, Rule>> = {
  async "keeps an entry as it was"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const texts = [...ODD_NAMES, "\u0001\u007f\u2028 ${x} ?1 $1 :a @b"];
    const entries = [
      ...texts.map((text, run) => entry(run, { tenant: text, traceId: text, state: JSON.stringify({ text }) })),
      entry(1_000, { status: "failed", version: 2_147_483_647, state: " { }\n" }),
      entry(2 ** 53 - 2, { state: JSON.stringify("ü".repeat(1_000_000)) }),
      entry(2 ** 53 - 1, { state: "null" }),
    ];
    await partition.append(batch({ put: entries }), 0);
    await requireEntries(partition, entries);
  },
  async "keeps the last state of each run"(checkpoints) {
    const partition = await checkpoints.open(lease());
    await partition.append(batch({ put: [entry(1), entry(2)] }), 0);
    const changed = entry(1, { tenant: "bob", traceId: "u", status: "failed", version: 2, state: '"changed"' });
    await partition.append(batch({ put: [changed] }), 1);
    await requireEntries(partition, [changed, entry(2)]);
    await partition.append(batch({ put: [entry(1)] }), 2);
    await requireEntries(partition, [entry(1), entry(2)]);
  },
  async "puts and removes in one batch, and ignores the removal of an unknown run"(checkpoints) {
    const partition = await checkpoints.open(lease());
    await partition.append(batch({ put: [entry(1), entry(2)], remove: [7] }), 0);
    await partition.append(batch({ put: [entry(3), entry(4)], remove: [1, 4, 2 ** 53 - 1] }), 1);
    // run 4 is removed although the batch also puts it
    await requireEntries(partition, [entry(2), entry(3)]);
    await partition.append(batch({ remove: [2, 3, 3] }), 2);
    await requireEntries(partition, []);
  },
  async "yields each entry once, ordered by run, at any number of entries"(checkpoints) {
    const partition = await checkpoints.open(lease());
    // 4001 is prime: each run occurs once, in scrambled order
    const runs = Array.from({ length: 4_000 }, (_, index) => ((index + 1) * 1_234) % 4_001);
    for (const part of [0, 1, 2, 3])
      await partition.append(
        batch({ put: runs.slice(part * 1_000, part * 1_000 + 1_000).map((run) => entry(run)) }),
        part,
      );
    const read = await entriesOf(partition);
    requireSame(
      "The runs",
      read.map(({ run }) => run),
      Array.from({ length: 4_000 }, (_, index) => index + 1),
    );
  },
  async "keeps until when a trace rests, and forgets it with the next state"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const instants = [0, 1.5, NOON, NOON + 0.25, Number.POSITIVE_INFINITY];
    const resting = instants.map((dueAt, run) => entry(run, { dueAt }));
    await partition.append(batch({ put: [...resting, entry(9)] }), 0);
    await requireEntries(partition, [...resting, entry(9)]);
    const changed = [entry(0), entry(1, { dueAt: NOON }), entry(9, { dueAt: Number.POSITIVE_INFINITY })];
    await partition.append(batch({ put: changed, remove: [2] }), 1);
    await requireEntries(partition, [
      entry(0),
      entry(1, { dueAt: NOON }),
      ...resting.slice(3),
      changed[2] as Checkpoint,
    ]);
  },
  async "yields the entries that fit every field of a filter"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const other = await checkpoints.open(lease({ partition: "others" }));
    const long = "x".repeat(3_000);
    const names = [...ODD_NAMES, long, `${long}y`];
    const entries = names.flatMap((name, index) => [
      entry(4 * index, { tenant: name, traceId: "t", dueAt: NOON + index }),
      entry(4 * index + 1, { tenant: "ada", traceId: name, dueAt: Number.POSITIVE_INFINITY }),
      entry(4 * index + 2, { tenant: name, traceId: name }),
      entry(4 * index + 3, { tenant: "ada", traceId: "t", status: "failed" }),
    ]);
    await partition.append(batch({ put: entries }), 0);
    await other.append(batch({ put: [entry(0, { tenant: "ada", traceId: "t", dueAt: NOON })] }), 0);
    const wanted = async (filter: CheckpointFilter): Promise<void> =>
      await requireEntries(
        partition,
        entries.filter((each) => fitsIn(each, filter)),
        filter,
      );
    const few: CheckpointFilter[] = [
      {},
      { runs: [4] },
      { runs: [5_000] },
      { runs: [] },
      { runs: [9, 4, 5_000, 4, 2] },
      { tenant: "none" },
      { traceIds: ["none"] },
      { traceIds: [] },
      { traceIds: [...names, "t", "none"], tenant: "ada" },
      { dueBy: NOON - 1 },
      { dueBy: NOON },
      { dueBy: NOON + 3 },
      { dueBy: Number.POSITIVE_INFINITY },
      { runs: [4], dueBy: NOON },
      { runs: [8, 9], tenant: "a ", traceIds: ["t"], dueBy: NOON + 2 },
      ...names.flatMap((name) => [{ tenant: name }, { traceIds: [name] }, { tenant: name, traceIds: [name, "t"] }]),
    ];
    for (const filter of few)
      for (const isAtRest of [undefined, true, false])
        await wanted(isAtRest === undefined ? filter : { ...filter, isAtRest });
  },
  async "yields many entries at rest in pages, and what changes meanwhile does not disturb the others"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const resting = Array.from({ length: 3_000 }, (_, run) => entry(run, { dueAt: run % 2 === 0 ? NOON : NOON + 1 }));
    await partition.append(batch({ put: resting }), 0);
    const seen = new Set<number>();
    for await (const page of partition.read({ isAtRest: true, dueBy: NOON })) {
      for (const { run } of page) seen.add(run);
      // continues the traces of the page
      await partition.append(batch({ put: page.map(({ run }) => entry(run)) }), partition.sequence);
    }
    requireSame("The number of yielded entries", seen.size, 1_500);
    requireSame("The number of those that still rest", await partition.countAtRest(), 1_500);
  },
  async "counts the entries at rest, and finds the next instant"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const facts = async (after: number) => [await partition.countAtRest(), await partition.nextDueAt(after)];
    requireSame("The facts of an empty partition", await facts(0), [0, undefined]);
    const other = await checkpoints.open(lease({ partition: "others" }));
    await other.append(batch({ put: [entry(1, { dueAt: 1 })] }), 0);
    await partition.append(batch({ put: [entry(1), entry(2, { dueAt: Number.POSITIVE_INFINITY })] }), 0);
    requireSame("The facts when only an answer is missing", await facts(0), [1, undefined]);
    await partition.append(batch({ put: [entry(3, { dueAt: NOON }), entry(4, { dueAt: NOON + 0.5 })] }), 1);
    requireSame("The facts", await facts(Number.NEGATIVE_INFINITY), [3, NOON]);
    requireSame("The facts after the first instant", await facts(NOON), [3, NOON + 0.5]);
    requireSame("The facts after the last instant", await facts(NOON + 0.5), [3, undefined]);
    await partition.append(batch({ put: [entry(3)], remove: [4] }), 2);
    requireSame("The facts when they are over", await facts(0), [1, undefined]);
  },
  async "stores many entries in one batch, and removes them in one"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const entries = Array.from({ length: 5_000 }, (_, run) => entry(run, { state: JSON.stringify("x".repeat(300)) }));
    await partition.append(batch({ put: entries }), 0);
    await requireEntries(partition, entries);
    await partition.append(batch({ remove: entries.map(({ run }) => run) }), 1);
    await requireEntries(partition, []);
  },
  async "does not retain the batch after its call has resolved"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const [put, remove, counts, consumed] = [[entry(1)], [2], new Map([["a", 1]]), new Map([[0, 7]])];
    await partition.append({ put, remove, counts, consumed }, 0);
    put.length = 0;
    remove[0] = 1;
    counts.clear();
    consumed.set(0, 8);
    await requireEntries(partition, [entry(1)]);
    requireSame("The counts", await countsOf(partition), [["a", 1]]);
    requireSame("The positions", await positionsOf(partition), [[0, 7]]);
  },
  async "keeps the rows of a log as they were, and returns those of one run, ordered by position"(checkpoints) {
    const partition = await checkpoints.open(lease());
    requireSame("The log of an unknown run", await partition.readLog(1), []);
    const texts = [JSON.stringify(ODD_NAMES), JSON.stringify("ü".repeat(1_000_000)), " [ ]\n", "[]"];
    const rows = texts.map((items, index): LogRow => ({ run: 1, at: 3 - index, items }));
    const last: LogRow = { run: 2 ** 53 - 1, at: 2 ** 53 - 1, items: "[1]" };
    await partition.append(batch({ put: [entry(1), entry(last.run)], logs: [...rows, last] }), 0);
    await partition.append(batch({ put: [entry(1)], logs: [{ run: 1, at: 4, items: "[5]" }] }), 1);
    await requireRows(partition, 1, [...rows.toReversed(), { run: 1, at: 4, items: "[5]" }]);
    await requireRows(partition, last.run, [last]);
    await partition.append(batch({ logs: [{ run: 1, at: 0, items: "[0]" }] }), 2);
    requireSame("The row that replaces another", (await partition.readLog(1))[0], { run: 1, at: 0, items: "[0]" });
  },
  async "removes the rows of a log with their run alone"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const row = (run: number, at = 0): LogRow => ({ run, at, items: "[1]" });
    await partition.append(
      batch({ put: [entry(1), entry(2), entry(3)], logs: [row(1), row(1, 1), row(2), row(3)] }),
      0,
    );
    await partition.append(batch({ put: [entry(4)], logs: [row(2, 1), row(4)], remove: [1, 4, 7] }), 1);
    for (const [run, rows] of [
      [1, []],
      [2, [row(2), row(2, 1)]],
      [3, [row(3)]],
      // run 4 is removed although the batch also has a row of it
      [4, []],
    ] as const)
      await requireRows(partition, run, rows);
    await partition.close();
    const again = await checkpoints.open(lease());
    await again.append(batch({ remove: [3] }), 2);
    await requireRows(again, 3, []);
    await requireRows(again, 2, [row(2), row(2, 1)]);
  },
  async "keeps the rows of a log until neither a checkpoint nor an outcome of their run is left"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const row = (run: number, at = 0): LogRow => ({ run, at, items: "[1]" });
    // the outcomes of 1 and 2 outlast their checkpoints, the checkpoint of 3 its outcome; of 4 the outcome is all there is
    const kept = [1, 2, 3].map((run) => outcome(run));
    await partition.append(batch({ put: [entry(1), entry(2), entry(3)], logs: [row(1), row(2), row(3)] }), 0);
    const logs = [row(1, 1), row(4)];
    await partition.append(batch({ remove: [1, 2, 4], logs, keep: [...kept, outcome(4)] }), 1);
    await partition.append(batch({ remove: [1], forget: [2, 3] }), 2);
    for (const [run, rows] of [
      [1, [row(1), row(1, 1)]],
      [2, []],
      [3, [row(3)]],
      [4, [row(4)]],
    ] as const)
      await requireRows(partition, run, rows);
    await partition.append(batch({ remove: [3], forget: [1, 4] }), 3);
    for (const run of [1, 3, 4]) await requireRows(partition, run, []);
  },
  async "stores no row of a batch that is refused, and isolates partitions with the same runs"(checkpoints) {
    const [one, two] = [await checkpoints.open(lease()), await checkpoints.open(lease({ partition: "others" }))];
    const row: LogRow = { run: 1, at: 0, items: '["one"]' };
    await one.append(batch({ put: [entry(1)], logs: [row] }), 0);
    await two.append(batch({ put: [entry(1)], logs: [{ ...row, items: '["two"]' }] }), 0);
    await requireRefused("A batch out of sequence", one.append(batch({ logs: [{ ...row, at: 1 }] }), 0), FENCED);
    await requireRows(one, 1, [row]);
    await two.append(batch({ remove: [1] }), 1);
    await requireRows(two, 1, []);
    await requireRows(one, 1, [row]);
    await one.close();
    await requireRefused("A log after the end", one.readLog(1), FENCED);
  },
  async "adds up the completed messages of each node"(checkpoints) {
    const partition = await checkpoints.open(lease());
    requireSame("The counts of a new partition", await countsOf(partition), []);
    const odd = ODD_NAMES.map((node, index) => [node, index + 1] as const);
    await partition.append(batch({ counts: new Map(odd) }), 0);
    await partition.append(batch({ counts: new Map([["a", 2 ** 40]]) }), 1);
    await partition.append(batch({ put: [entry(1)] }), 2);
    const wanted = odd.map(([node, count]) => [node, node === "a" ? count + 2 ** 40 : count]);
    requireSame("The counts", await countsOf(partition), sorted(wanted as [string, number][]));
  },
  async "keeps outcomes as they were, and finds them by tenant and id"(checkpoints) {
    const partition = await checkpoints.open(lease());
    const kept = ODD_NAMES.map((text, run) => outcome(run, { tenant: text, traceId: text }));
    const others = [
      outcome(1_000, { tenant: "a", traceId: "b", state: JSON.stringify("ü".repeat(100_000)) }),
      outcome(1_001, { tenant: "b", traceId: "a", version: 2_147_483_647, expiresAt: 2 ** 53 - 1 }),
      outcome(2 ** 53 - 1, { tenant: "a", traceId: "x".repeat(5_000), expiresAt: 0.5 }),
      // two outcomes of one id
      outcome(1_002, { tenant: "b", traceId: "a", state: " { }\n" }),
    ];
    await partition.append(batch({ keep: [...kept, ...others], put: [entry(1)] }), 0);
    for (const each of kept) await requireOutcomes(partition, [each], [each]);
    await requireOutcomes(partition, [others[0], others[2]], [others[0], others[2]]);
    await requireOutcomes(partition, [others[1], others[1]], [others[1], others[3]]);
    await requireOutcomes(partition, [...kept, ...others], [...kept, ...others]);
    await requireOutcomes(
      partition,
      [
        { tenant: "a", traceId: "none" },
        { tenant: "x", traceId: "a" },
      ],
      [],
    );
    await requireOutcomes(partition, [], []);
    // an outcome is no checkpoint: reading those at the start must not grow with the outcomes
    await requireEntries(partition, [entry(1)]);
  },
  async "keeps the last outcome of each run, and removes outcomes, in the batch that changes checkpoints"(checkpoints) {
    const partition = await checkpoints.open(lease());
    await partition.append(batch({ put: [entry(1), entry(2)] }), 0);
    await partition.append(batch({ remove: [1], keep: [outcome(1), outcome(2), outcome(3)], forget: [3, 9] }), 1);
    await requireEntries(partition, [entry(2)]);
    // run 3 is removed although the batch also keeps it
    await requireOutcomes(partition, [outcome(1), outcome(2), outcome(3)], [outcome(1), outcome(2)]);
    const changed = outcome(2, { traceId: "other", version: 2, state: '"changed"', expiresAt: 7 });
    await partition.append(batch({ keep: [changed], forget: [1] }), 2);
    await requireOutcomes(partition, [outcome(1), outcome(2), changed], [changed]);
    const refused = batch({ keep: [outcome(5)], forget: [2] });
    await requireRefused("A batch out of sequence", partition.append(refused, 9), FENCED);
    await requireOutcomes(partition, [outcome(5), changed], [changed]);
    await partition.close();
    const again = await checkpoints.open(lease());
    await requireOutcomes(again, [changed], [changed]);
    await again.append(batch({ forget: [2, 2] }), 3);
    await requireOutcomes(again, [changed], []);
  },
  async "lists the outcomes that expire first, and removes many in one batch"(checkpoints) {
    const partition = await checkpoints.open(lease());
    requireSame("What expires in a new partition", await partition.expiring(10), []);
    // 1009 is prime: each instant occurs once, in scrambled order
    const kept = Array.from({ length: 1_008 }, (_, run) => outcome(run, { expiresAt: ((run + 1) * 613) % 1_009 }));
    await partition.append(batch({ keep: kept }), 0);
    const listed = async (limit: number): Promise<[number, number][]> =>
      (await partition.expiring(limit)).map(({ run, expiresAt }) => [run, expiresAt]);
    const wanted = kept
      .map(({ run, expiresAt }): [number, number] => [run, expiresAt])
      .sort(([, one], [, other]) => one - other);
    requireSame("What expires first", await listed(3), wanted.slice(0, 3));
    requireSame("All of it", await listed(5_000), wanted);
    await partition.append(batch({ forget: wanted.slice(0, 1_000).map(([run]) => run) }), 1);
    requireSame("What is left", await listed(5_000), wanted.slice(1_000));
    const other = await checkpoints.open(lease({ partition: "other" }));
    requireSame("What expires in another partition", await other.expiring(10), []);
    await requireOutcomes(other, kept.slice(0, 3), []);
  },
  async "keeps the last position of each lane"(checkpoints) {
    const partition = await checkpoints.open(lease());
    requireSame("The positions of a new partition", await positionsOf(partition), []);
    const most = 2 ** 53 - 1;
    await partition.append(
      batch({
        consumed: new Map([
          [0, 5],
          [7, 0],
          [most, most],
        ]),
      }),
      0,
    );
    await partition.append(batch({ consumed: new Map([[0, 9]]), put: [entry(1)] }), 1);
    await partition.append(batch({ remove: [1] }), 2);
    const wanted: [number, number][] = [
      [0, 9],
      [7, 0],
      [most, most],
    ];
    requireSame("The positions", await positionsOf(partition), wanted);
    await partition.close();
    requireSame("The positions of a reopened one", await positionsOf(await checkpoints.open(lease())), wanted);
  },
  async "numbers its batches, and stores nothing of one that is out of sequence"(checkpoints) {
    const partition = await checkpoints.open(lease());
    requireSame("The sequence of a new partition", partition.sequence, 0);
    requireSame("The number of the first batch", await partition.append(batch({ put: [entry(1)] }), 0), 1);
    requireSame("The number of an empty one", await partition.append(batch({}), 1), 2);
    const other = batch({
      put: [entry(1, { version: 9 }), entry(2)],
      remove: [1],
      counts: new Map([["a", 1]]),
      consumed: new Map([[0, 1]]),
    });
    for (const expected of [0, 1, 3]) {
      await requireRefused(`A batch after batch ${expected}`, partition.append(other, expected), FENCED);
      requireSame("The sequence", partition.sequence, 2);
    }
    await requireEntries(partition, [entry(1)]);
    requireSame("The counts", await countsOf(partition), []);
    requireSame("The positions", await positionsOf(partition), []);
    requireSame("The number of the next batch", await partition.append(batch({ put: [entry(3)] }), 2), 3);
    await requireEntries(partition, [entry(1), entry(3)]);
  },
  async "isolates partitions, even those with similar names"(checkpoints) {
    const partitions: CheckpointPartition[] = [];
    for (const partition of ODD_NAMES) partitions.push(await checkpoints.open(lease({ partition })));
    requireSame("The number of ids", new Set(partitions.map(({ id }) => id)).size, ODD_NAMES.length);
    for (const [index, partition] of partitions.entries())
      await partition.append(
        batch({
          put: [entry(1, { version: index })],
          counts: new Map([["n", index + 1]]),
          consumed: new Map([[0, index]]),
        }),
        0,
      );
    await partitions[0]?.append(batch({ remove: [1] }), 1);
    for (const [index, partition] of partitions.entries()) {
      await requireEntries(partition, index === 0 ? [] : [entry(1, { version: index })]);
      requireSame(`The counts of ${JSON.stringify(ODD_NAMES[index])}`, await countsOf(partition), [["n", index + 1]]);
      requireSame(`The positions of ${JSON.stringify(ODD_NAMES[index])}`, await positionsOf(partition), [[0, index]]);
    }
  },
  async "keeps the contents and id of a partition when it is closed and reopened, under a larger fencing token"(
    checkpoints,
  ) {
    const first = await checkpoints.open(lease());
    requireSame("The first fencing token", first.fencingToken, 1);
    await first.append(batch({ put: [entry(1), entry(2)], counts: new Map([["a", 3]]) }), 0);
    await first.append(batch({ remove: [2] }), 1);
    await first.close();
    for (const fencingToken of [2, 3]) {
      const again = await checkpoints.open(lease({ owner: `owner ${fencingToken}` }));
      requireSame(
        "The id, the fencing token and the sequence",
        [again.id, again.fencingToken, again.sequence],
        [first.id, fencingToken, 2],
      );
      await requireEntries(again, [entry(1)]);
      requireSame("The counts", await countsOf(again), [["a", 3]]);
      await again.close();
    }
  },
  async "releases a partition when it is closed, and rejects every later call on it"(checkpoints) {
    const closed = await checkpoints.open(lease());
    await closed.append(batch({ put: [entry(1)] }), 0);
    await closed.close();
    await closed.close();
    await requireFenced(closed, 1);
    const next = await checkpoints.open(lease({ owner: "two" }));
    await requireFenced(closed, 1);
    await requireEntries(next, [entry(1)]);
  },
  async "rejects another writer while a lease is valid, and names its owner"(checkpoints) {
    const one = await checkpoints.open(lease({ owner: "one \ud800\u0000" }));
    for (const owner of ["two", "one \ud800\u0000"]) {
      const error = await requireRefused(
        "A second lease",
        checkpoints.open(lease({ owner })),
        FlowErrorCode.PARTITION_LEASED,
      );
      requireSame("The owner it names", error.details?.["owner"], "one \ud800\u0000");
    }
    requireSame("The number of a batch of the first", await one.append(batch({ put: [entry(1)] }), 0), 1);
    await one.renew();
    await requireEntries(one, [entry(1)]);
  },
  async "gives a partition to exactly one of several concurrent writers"(checkpoints) {
    const wishes = ["one", "two", "three"].map((owner) => checkpoints.open(lease({ owner })));
    const answers = await Promise.allSettled(wishes);
    const given = answers.filter(({ status }) => status === "fulfilled");
    requireSame("The number of writers", given.length, 1);
  },
  async "gives a partition to another writer when its lease has expired, and fences off the former one"(checkpoints) {
    const one = await checkpoints.open(lease({ leaseMs: SHORT_MS }));
    await one.append(batch({ put: [entry(1)], counts: new Map([["a", 1]]) }), 0);
    const two = await opened(checkpoints, "two");
    requireSame("Its id, fencing token and sequence", [two.id, two.fencingToken, two.sequence], [one.id, 2, 1]);
    await requireFenced(one, 1);
    await two.append(batch({ put: [entry(2)] }), 1);
    await requireFenced(one, 2);
    await requireEntries(two, [entry(1), entry(2)]);
    requireSame("The counts", await countsOf(two), [["a", 1]]);
    // closing the superseded partition must not release the other's lease
    await one.close();
    await requireRefused("A third lease", checkpoints.open(lease({ owner: "three" })), FlowErrorCode.PARTITION_LEASED);
    await two.append(batch({ remove: [1, 2] }), 2);
  },
  async "lets a writer continue after its lease has expired when no other has taken over"(checkpoints) {
    const partition = await checkpoints.open(lease({ leaseMs: 1 }));
    await pause(20);
    await partition.append(batch({ put: [entry(1)] }), 0);
    await pause(20);
    await requireEntries(partition, [entry(1)]);
    await partition.renew();
  },
  async "keeps a lease valid while its writer renews it or appends"(checkpoints) {
    const keepings: ((partition: CheckpointPartition) => Promise<unknown>)[] = [
      (partition) => partition.renew(),
      (partition) => partition.append(batch({}), partition.sequence),
    ];
    for (const [index, keep] of keepings.entries()) {
      for (let tried = 0; !(await isKept(checkpoints, `${index} ${tried}`, keep)); tried += 1) {
        // the machine was too slow to decide; the time limit of the case ends this
      }
    }
  },
};

/**
 * Whether a lease was renewed for two and a half times its duration; `false` when the machine was too slow to decide.
 */
async function isKept(
  checkpoints: CheckpointStore,
  partition: string,
  keep: (partition: CheckpointPartition) => Promise<unknown>,
): Promise<boolean> {
  const mine = await checkpoints.open(lease({ partition, leaseMs: SHORT_MS }));
  for (const begunAt = performance.now(); performance.now() < begunAt + 2.5 * SHORT_MS; await pause(SHORT_MS / 4)) {
    const keptAt = performance.now();
    await keep(mine);
    const failed = await checkpoints.open(lease({ partition })).then(
      () => false,
      () => true,
    );
    if (failed) continue;
    const afterMs = performance.now() - keptAt;
    if (afterMs > 0.8 * SHORT_MS) return false;
    throw new Error(`A lease must last for ${SHORT_MS} ms: another writer had the partition after ${afterMs} ms`);
  }
  return true;
}

const FENCED = FlowErrorCode.PARTITION_FENCED;

const lease = (changes: Partial<LeaseRequest> = {}): LeaseRequest => ({
  partition: "orders",
  owner: "one",
  leaseMs: LONG_MS,
  ...changes,
});

const entry = (run: number, changes: Partial<Checkpoint> = {}): Checkpoint => ({
  run,
  tenant: "ada",
  traceId: `t${run}`,
  status: "open",
  version: 1,
  state: `{"run":${run}}`,
  ...changes,
});

const outcome = (run: number, changes: Partial<StoredOutcome> = {}): StoredOutcome => ({
  run,
  tenant: "ada",
  traceId: `t${run}`,
  version: 1,
  state: `{"run":${run}}`,
  expiresAt: 1_000_000 + run,
  ...changes,
});

const batch = (changes: Partial<CheckpointBatch>): CheckpointBatch => ({
  put: [],
  remove: [],
  counts: new Map(),
  ...changes,
});

/** An instant in epoch milliseconds. */
const NOON = Date.UTC(2026, 0, 1, 12);

function fitsIn({ run, tenant, traceId, dueAt }: Checkpoint, filter: CheckpointFilter): boolean {
  return (
    (filter.isAtRest ?? dueAt !== undefined) === (dueAt !== undefined) &&
    filter.runs?.includes(run) !== false &&
    (filter.tenant ?? tenant) === tenant &&
    filter.traceIds?.includes(traceId) !== false &&
    (filter.dueBy === undefined || (dueAt !== undefined && dueAt <= filter.dueBy))
  );
}

const shortened = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

async function entriesOf(partition: CheckpointPartition, filter?: CheckpointFilter): Promise<Checkpoint[]> {
  const entries: Checkpoint[] = [];
  for await (const page of partition.read(filter)) entries.push(...page);
  return entries;
}

async function requireEntries(
  partition: CheckpointPartition,
  wanted: readonly Checkpoint[],
  filter?: CheckpointFilter,
): Promise<void> {
  const read = await entriesOf(partition, filter);
  requireSame(
    filter === undefined ? "The runs" : `The runs that fit ${shortened(JSON.stringify(filter))}`,
    read.map(({ run }) => run),
    wanted.map(({ run }) => run),
  );
  for (const [index, { run, tenant, traceId, status, version, state, dueAt }] of read.entries()) {
    const { state: wantedState, ...rest } = wanted[index] as Checkpoint;
    const found = { run, tenant, traceId, status, version };
    requireSame("The entry", dueAt === undefined ? found : { ...found, dueAt }, rest);
    if (state !== wantedState)
      throw new Error(`The state of run ${run} must be as it was: got ${state.length} characters that are different`);
  }
}

async function requireRows(partition: CheckpointPartition, run: number, wanted: readonly LogRow[]): Promise<void> {
  const read = await partition.readLog(run);
  const placesOf = (rows: readonly LogRow[]) => rows.map((row) => [row.run, row.at]);
  requireSame(`The places of the log of run ${run}`, placesOf(read), placesOf(wanted));
  for (const [index, { at, items }] of read.entries())
    if (items !== wanted[index]?.items)
      throw new Error(`The items at ${at} must be as they were: got ${items.length} characters that are different`);
}

async function requireOutcomes(
  partition: CheckpointPartition,
  keys: readonly (TraceKey | undefined)[],
  wanted: readonly (StoredOutcome | undefined)[],
): Promise<void> {
  const known = keys.flatMap((key) => (key === undefined ? [] : [{ tenant: key.tenant, traceId: key.traceId }]));
  const plain = (outcomes: readonly (StoredOutcome | undefined)[]): string[] =>
    outcomes
      .flatMap((each) => (each === undefined ? [] : [each]))
      .sort((one, other) => one.run - other.run)
      .map(({ run, tenant, traceId, version, state, expiresAt }) =>
        JSON.stringify([run, tenant, traceId, version, state, expiresAt]),
      );
  requireSame("The outcomes", plain(await partition.outcomes(known)), plain(wanted));
}

const sorted = (counts: Iterable<[string, number]>): [string, number][] =>
  [...counts].sort(([a], [b]) => (a < b ? -1 : 1));

async function countsOf(partition: CheckpointPartition): Promise<[string, number][]> {
  return sorted(await partition.counts());
}

async function positionsOf(partition: CheckpointPartition): Promise<[number, number][]> {
  return [...(await partition.consumed())].sort(([a], [b]) => a - b);
}

async function requireRefused(
  what: string,
  work: Promise<unknown>,
  code: FlowErrorCode,
): Promise<{ readonly details?: Readonly<Record<string, unknown>> }> {
  const error = (await failureOf(what, work)) as {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly details?: Readonly<Record<string, unknown>>;
  };
  if (error.code !== code) throw new Error(`${what} must be refused with ${code}: got "${String(error.message)}"`);
  return error;
}

/** Throws unless every call of a superseded writer is rejected. */
async function requireFenced(partition: CheckpointPartition, sequence: number): Promise<void> {
  const change = batch({ put: [entry(1, { version: 99 }), entry(98)], remove: [2], counts: new Map([["a", 50]]) });
  for (const expected of [sequence, sequence + 1])
    await requireRefused("Its batch", partition.append(change, expected), FENCED);
  await requireRefused("Its renewal", partition.renew(), FENCED);
  await requireRefused("Its reading", entriesOf(partition), FENCED);
  await requireRefused("Its counts", partition.counts(), FENCED);
  await requireRefused("Its look-up", entriesOf(partition, { isAtRest: true, runs: [1] }), FENCED);
  await requireRefused("Its count at rest", partition.countAtRest(), FENCED);
  await requireRefused("Its next instant", partition.nextDueAt(0), FENCED);
  await requireRefused("Its outcomes", partition.outcomes([entry(1)]), FENCED);
  await requireRefused("What expires in it", partition.expiring(1), FENCED);
  await requireRefused("Its positions", partition.consumed(), FENCED);
}

/** Opens the partition as soon as its lease has expired. */
async function opened(checkpoints: CheckpointStore, owner: string): Promise<CheckpointPartition> {
  for (;;) {
    try {
      return await checkpoints.open(lease({ owner }));
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== FlowErrorCode.PARTITION_LEASED) throw error;
      await pause(SHORT_MS / 10);
    }
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
