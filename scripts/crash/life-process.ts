// Runs the flow of scripts/crash.ts until it is killed: `node life-process.ts <options as JSON>`. Prints "warm", waits
// for a line with the number of its life, then reports each observation on a line of its own. In its last life it
// accepts nothing new and ends when no work is left.
import { durable } from "penguiflow/durable";
import { type Budget, FlowError, type Outcome, type UnfinishedTrace } from "penguiflow";
import { Attending } from "./attending.ts";
import { beginning } from "./beginning.ts";
import { crashingFlow, ENTRY, type Question } from "./crashing-flow.ts";
import { type Defect, defective } from "./defects.ts";
import { Effects } from "./effects.ts";
import { type Observation, sleep } from "./feature.ts";
import { type FeatureName, type FlowEffect, hopsOf, type Job, jobId, jobOf, type Result, tenants } from "./jobs.ts";
import type { CommonTold } from "./reports.ts";
import { LEASES_MS, openCheckpoints } from "./stores.ts";

/** Reports, each written once the checkpoint store has stored it. */
export type Told =
  | CommonTold
  | { readonly type: "accepted"; readonly id: number }
  | { readonly type: "result"; readonly result: Result }
  | { readonly type: "answered"; readonly id: number; readonly which: number }
  | { readonly type: "unknown" }
  | { readonly type: "slept"; readonly isContinued: boolean }
  | { readonly type: "expired" }
  | { readonly type: "chunk" }
  | { readonly type: "observed"; readonly feature: FeatureName; readonly observation: Observation };

const LAST_LEASE_MS = 10_000;
/** Short, so that traces leave memory within the life of a process. */
const UNLOAD_AFTER_MS = 1;
const QUIET_MS = 10;
const MOST_UNFINISHED = 120;
const FETCHERS = 16;
/** Timeout of the last life; short if a planted defect may make it hang. */
const STALL_MS = 60_000;
const STALL_OF_DEFECT_MS = 5_000;
const EMITTERS = 16;

const begun = await beginning<Told, Defect>();
const { store, seed, defect, life, isLast, tell, problem, logger } = begun;

using effects = new Effects<FlowEffect["what"]>(begun.effects);
await using opened = await openCheckpoints(store);
const checkpoints = defective(opened, defect);
const attending = new Attending({
  seed,
  life,
  isLast,
  defect,
  flow: () => flow,
  tellResult: (result) => tell({ type: "result", result }),
  tell: (feature, observation) => tell({ type: "observed", feature, observation }),
  problem,
});
const flow = crashingFlow({
  durability: durable({
    checkpoints,
    partition: "crash",
    owner: `life ${life}`,
    leaseMs: isLast ? LAST_LEASE_MS : LEASES_MS[store.kind],
    unloadAfterMs: UNLOAD_AFTER_MS,
  }),
  effects,
  life,
  logger,
  onUnknown: () => tell({ type: "unknown" }),
  onSlept: (isContinued) => tell({ type: "slept", isContinued }),
  onExpired: () => tell({ type: "expired" }),
  featureEdges: (parts) => attending.edges(parts),
});

function seen(outcome: Outcome<Result>, where: string): void {
  if (outcome.status === "completed") for (const result of outcome.results) tell({ type: "result", result });
  else if (outcome.status !== "paused" && outcome.status !== "stopped") problem(outcome.error, where);
}

const ways: Record<
  Job["way"],
  (
    job: Job,
    options: { readonly traceId: string; readonly tenant: string; readonly to: string; readonly budget: Budget },
  ) => Promise<void>
> = {
  async emit(job, options) {
    await flow.emit(job, { ...options, ...(job.hasDeadline ? { timeoutMs: 3_600_000 } : {}) });
    tell({ type: "accepted", id: job.id });
  },
  async call(job, options) {
    tell({ type: "result", result: await flow.call(job, options) });
  },
  async stream(job, options) {
    let chunks = 0;
    for await (const item of flow.stream(job, { ...options, onLeave: "detach" })) {
      if (item.type === "result") tell({ type: "result", result: item.result });
      else if (item.type === "chunk" && item.chunk.text !== "") {
        if (item.chunk.text !== `${job.id}:${chunks}`) problem(`chunk ${chunks} is "${item.chunk.text}"`, "A stream");
        chunks += 1;
        tell({ type: "chunk" });
      }
    }
  },
};

async function sendTo(feature: FeatureName, job: Job): Promise<void> {
  await attending.begin(job, feature);
  tell({ type: "accepted", id: job.id });
}

let jobs = 0;

/** Sends jobs, one after another. */
async function sendJobs(): Promise<void> {
  while (flow.isRunning) {
    if (flow.stats().traces >= MOST_UNFINISHED) {
      await sleep(1);
      continue;
    }
    const job = jobOf(seed, jobId(life, jobs++));
    // an amount that is spent twice exhausts it
    const budget = { hops: hopsOf(job) + 1, charges: 1 };
    const options = { traceId: String(job.id), tenant: job.tenant, to: ENTRY, budget };
    const sent = job.feature === undefined ? ways[job.way](job, options) : sendTo(job.feature, job);
    await sent.catch((error: unknown) => problem(error, `Job ${job.id} by ${job.way}`));
  }
}

/** Fetches the results of traces of this life and of earlier ones. */
async function fetchResults(): Promise<void> {
  while (flow.isRunning) {
    try {
      const item = await flow.fetch();
      if (item instanceof FlowError) throw item;
      if (attending.fetched(item)) tell({ type: "result", result: item.payload });
    } catch (error) {
      problem(error, "A fetch");
    }
  }
}

async function answer(token: string, tenant: string, { id, which }: Question): Promise<void> {
  const where = `Answer ${which} of job ${id}`;
  try {
    const outcome = await flow.pauses.resume(token, life, { tenant });
    if (outcome.status !== "stopped") tell({ type: "answered", id, which });
    seen(outcome, where);
  } catch (error) {
    problem(error, where);
  }
}

/** Answers the questions that are due. */
async function answerQuestions(): Promise<void> {
  const answered = new Set<string>();
  while (flow.isRunning) {
    for (const tenant of tenants) {
      for (const { token, payload } of await flow.pauses.list({ tenant })) {
        const question = payload as Question | undefined;
        if (question === undefined || answered.has(token) || (question.fromLife > life && !isLast)) continue;
        answered.add(token);
        void answer(token, tenant, question);
      }
    }
    // no trace leaves memory while the pauses are listed
    await sleep(QUIET_MS);
  }
}

/** Whether a trace has failed and no job retries it. */
function staysFailed({ status, traceId }: UnfinishedTrace): boolean {
  return status === "failed" && jobOf(seed, Number(traceId)).feature !== "retries";
}

flow.run({ outbox: attending.outbox });
const { resumed, changed } = await flow.ready();
if (changed.length > 0) problem(JSON.stringify(changed), "Recovery");
tell({ type: "ready", resumed });
attending.goOn(await flow.recovery.unfinished());
let isWorkDone = false;
const working = [
  attending.work().then(() => (isWorkDone = true)),
  answerQuestions().catch((error: unknown) => problem(error, "Answering")),
  ...Array.from({ length: FETCHERS }, fetchResults),
  ...(isLast ? [] : Array.from({ length: EMITTERS }, sendJobs)),
];
if (isLast) {
  const end = performance.now() + (defect === undefined ? STALL_MS : STALL_OF_DEFECT_MS);
  for (;;) {
    const unfinished = await flow.recovery.unfinished();
    const { traces, unreadResults, undeliveredOutcomes, fetchers } = flow.stats();
    const left = traces + unreadResults + undeliveredOutcomes;
    // a busy fetcher is receiving a result, which the checkpoint store keeps until delivery
    const isOver = isWorkDone && unfinished.every(staysFailed) && left === 0 && fetchers === FETCHERS;
    if (isOver || performance.now() > end) {
      if (!isOver || unfinished.length > 0)
        problem(`${unfinished.length} traces do not end: ${JSON.stringify(unfinished.slice(0, 5))}`, "The last life");
      break;
    }
    await sleep(5);
  }
  await flow.stop();
  await Promise.all([...working, attending.ended()]);
  process.stdin.destroy();
  tell({ type: "done" });
} else await Promise.all(working);
