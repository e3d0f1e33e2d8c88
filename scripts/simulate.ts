// Runs random graphs under random schedules and checks the laws on each: `npm run simulate`, or for longer with `npm
// run simulate -- --seeds 1000000`. A seed determines a graph, its callers, its faults and its schedule, and the
// crashes of a second, durable run of it; `--from` sets the first seed. A seed that breaks a law does so every time.
// `--planner` runs a planner, whose rules are checked, too: packages/planner/test/simulated-planner.ts.
// `--cluster` runs a cluster, whose guarantees are checked: packages/cluster/test/simulation/simulated-cluster.ts.
// `--digest` prints one hash of everything the seeds record: it changes only when a record, event or outcome changes.
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { SimulationError } from "penguiflow/testing";
import { oneClusterSeed } from "../packages/cluster/test/simulation/one-cluster-seed.ts";
import { oneSeed, type SeedReport } from "../packages/core/test/laws/one-seed.ts";
import { simulatePlanner } from "../packages/planner/test/simulated-planner.ts";
import { readCommandLine, refuse, wholeNumber } from "./command-line.ts";

const USAGE = `Usage: npm run simulate -- [--seeds n] [--from seed] [--digest] [--planner]
                           [--cluster]

  --seeds    number of random graphs, 10000 when left out
  --from     first seed, 1 when left out
  --digest   prints one hash of everything the seeds record
  --planner  runs a planner with random models, tools and people, in place of random graphs
  --cluster  runs workers and clients of a cluster, in place of random graphs

The exit status is 1 when a seed breaks a law.`;

/** Seeds given to a worker at once. */
const BATCH = 25;
/** Failures to show. Shrinking each takes seconds. */
const MOST_FAILURES = 3;
/** Time between two lines of progress where the output is no terminal. */
const PROGRESS_MS = 30_000;

interface Batch {
  readonly first: number;
  readonly seeds: number;
  readonly digest: boolean;
  readonly isCluster: boolean;
}

/** Combined report on the seeds of a batch. */
interface BatchReport extends Omit<SeedReport, "broken" | "explain" | "digest"> {
  readonly first: number;
  readonly seeds: number;
  /** The digests of its seeds, in their order. */
  readonly digests: readonly Uint8Array[];
  readonly failures: readonly { readonly seed: number; readonly failure: string }[];
}

async function runBatch({ first, seeds, digest: wantsDigest, isCluster }: Batch): Promise<BatchReport> {
  const sum = {
    first,
    seeds,
    messages: 0,
    crashes: 0,
    faults: new Map<string, number>(),
    statuses: new Map<string, number>(),
  };
  const failures: { seed: number; failure: string }[] = [];
  const digests: Uint8Array[] = [];
  for (let seed = first; seed < first + seeds && failures.length === 0; seed += 1) {
    const report = isCluster ? await oneClusterSeed(seed) : await oneSeed(seed, wantsDigest);
    const { broken, explain, messages, crashes, faults, statuses, digest } = report;
    if (digest !== undefined) digests.push(digest);
    sum.messages += messages;
    sum.crashes += crashes;
    add(sum.faults, faults);
    add(sum.statuses, statuses);
    if (broken.length > 0) failures.push({ seed, failure: await explain() });
  }
  return { ...sum, digests, failures };
}

function add(counts: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [key, number] of more) counts.set(key, (counts.get(key) ?? 0) + number);
}

const totalOf = (counts: ReadonlyMap<string, number>): number =>
  counts.values().reduce((sum, number) => sum + number, 0);

function listOf(counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].sort(([, one], [, other]) => other - one);
  return rows.map(([what, number]) => `  ${String(number).padStart(9)}  ${what}\n`).join("");
}

/** Hashes the digests of all seeds in seed order, whatever the order in which their batches arrive. */
class OrderedDigest {
  readonly #hash = createHash("sha256");
  readonly #early = new Map<number, readonly Uint8Array[]>();
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  add({ first, digests }: Pick<BatchReport, "first" | "digests">): void {
    this.#early.set(first, digests);
    for (let due = this.#early.get(this.#next); due !== undefined; due = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      for (const digest of due) this.#hash.update(digest);
      this.#next += due.length;
    }
  }

  get hex(): string {
    return this.#hash.digest("hex");
  }
}

async function simulate(): Promise<void> {
  const { values: given } = readCommandLine(USAGE, {
    seeds: { type: "string", default: "10000" },
    from: { type: "string", default: "1" },
    digest: { type: "boolean", default: false },
    planner: { type: "boolean", default: false },
    cluster: { type: "boolean", default: false },
  });
  const seeds = wholeNumber("seeds", given.seeds);
  const from = wholeNumber("from", given.from);
  if (given.planner && given.cluster) refuse('Options "--planner" and "--cluster" exclude each other');
  if (given.planner) {
    if (given.digest) refuse('Option "--digest" is for random graphs alone');
    await simulatePlanners(from, seeds);
    return;
  }
  const end = from + seeds;
  let next = from;
  const sum = {
    seeds: 0,
    messages: 0,
    crashes: 0,
    faults: new Map<string, number>(),
    statuses: new Map<string, number>(),
  };
  const failures: BatchReport["failures"][number][] = [];
  const digest = new OrderedDigest(from);
  const startedAt = performance.now();
  let shownAt = startedAt;

  const progress = (): void => {
    const { isTTY } = process.stdout;
    const seconds = (performance.now() - startedAt) / 1000;
    const [what, inside] = given.cluster ? ["clusters", "calls"] : ["graphs", "messages"];
    const line = `${Math.floor((sum.seeds / seeds) * 100)} %: ${sum.seeds} ${what}, ${sum.messages} ${inside}, ${Math.round(sum.seeds / seconds)} ${what}/s`;
    if (isTTY) process.stdout.write(`\r\u001B[2K${line}`);
    else if (sum.seeds >= seeds || performance.now() - shownAt > PROGRESS_MS) {
      process.stdout.write(`${line}\n`);
      shownAt = performance.now();
    }
  };

  const runWorker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url));
      const hand = (): void => {
        if (next >= end || failures.length >= MOST_FAILURES) {
          void worker.terminate();
          return;
        }
        const count = Math.min(BATCH, end - next);
        const batch: Batch = { first: next, seeds: count, digest: given.digest, isCluster: given.cluster };
        next += batch.seeds;
        worker.postMessage(batch, []);
      };
      worker.on("message", (report: BatchReport) => {
        sum.seeds += report.seeds;
        sum.messages += report.messages;
        sum.crashes += report.crashes;
        add(sum.faults, report.faults);
        add(sum.statuses, report.statuses);
        failures.push(...report.failures);
        if (given.digest) digest.add(report);
        progress();
        hand();
      });
      worker.on("error", reject);
      worker.on("exit", () => resolve());
      hand();
    });
  const workers = Math.min(availableParallelism(), Math.ceil(seeds / BATCH));
  await Promise.all(Array.from({ length: workers }, runWorker));
  if (process.stdout.isTTY) process.stdout.write("\n");

  const option = given.cluster ? "--cluster " : "";
  for (const { seed, failure } of failures)
    process.stdout.write(`\n${failure}\n\nRun it again: npm run simulate -- ${option}--seeds 1 --from ${seed}\n`);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  if (failures.length > 0) {
    process.stdout.write(`\n${failures.length} of ${sum.seeds} seeds break a ${given.cluster ? "guarantee" : "law"}\n`);
    process.exitCode = 1;
    return;
  }
  process.stdout.write(
    (given.cluster
      ? `${sum.seeds} clusters, each under a schedule of its own, in ${seconds} s: their guarantees hold\n` +
        `${sum.crashes} times a worker was killed\n${sum.messages} calls, ${totalOf(sum.statuses)} outcomes:\n`
      : `${sum.seeds} random graphs, each under a schedule of its own, in ${seconds} s: L1 to L11 hold\n` +
        `${sum.crashes} times the process of a durable flow ended in the middle of its work, and another went on\n` +
        `${sum.messages} messages, ${totalOf(sum.statuses)} traces:\n`) +
      listOf(sum.statuses) +
      `${totalOf(sum.faults)} faults:\n${listOf(sum.faults)}` +
      (given.digest ? `Digest of seeds ${from} to ${end - 1}: ${digest.hex}\n` : ""),
  );
}

/** Runs a planner under each seed. */
async function simulatePlanners(from: number, seeds: number): Promise<void> {
  const startedAt = performance.now();
  try {
    const range = Array.from({ length: seeds }, (_, index) => from + index);
    const { requests, crashes, outcomes, faults } = await simulatePlanner(range);
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    process.stdout.write(
      `${seeds} seeds of a planner in ${seconds} s: its rules and L1 to L11 hold\n` +
        `${crashes} times its process ended in the middle of its work, and another went on\n` +
        `${requests} runs:\n${listOf(new Map(Object.entries(outcomes)))}` +
        `Faults:\n${listOf(new Map(Object.entries(faults)))}`,
    );
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    process.stdout.write(
      `${error.message}\n\nRun it again: npm run simulate -- --planner --seeds 1 --from ${error.seed}\n`,
    );
    process.exitCode = 1;
  }
}

if (isMainThread) {
  await simulate();
} else {
  // thousands of errors are thrown as planned; their stack traces would cost time and are never read
  Error.stackTraceLimit = 0;
  parentPort?.on("message", (batch: Batch) => {
    void runBatch(batch).then((report) => parentPort?.postMessage(report, []));
  });
}
