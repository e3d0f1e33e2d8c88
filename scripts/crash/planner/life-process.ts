// Runs the planner of `npm run crash -- --planner` until it is killed: `node life-process.ts <options as JSON>`. Talks as
// the process of the flow does. In its last life it starts nothing new, and tells the trajectories of all runs.
import type { Decision, PlanEvent, PlanResult, Question } from "@penguiflow/planner";
import { durable } from "penguiflow/durable";
import { FlowError, type FlowErrorCode } from "penguiflow";
import { beginning } from "../beginning.ts";
import { Effects } from "../effects.ts";
import { sleep } from "../feature.ts";
import type { CommonTold } from "../reports.ts";
import { LEASES_MS, openCheckpoints } from "../stores.ts";
import { crashingPlanner } from "./crashing-planner.ts";
import { defectiveStore, type PlannerDefect } from "./defects.ts";
import { type Act, decisionOf, isDue, jobId, jobOf, type PlanJob, tenants } from "./plan.ts";

/** Reports, each written once the checkpoint store has stored it. */
export type PlannerTold =
  | CommonTold
  | { readonly type: "accepted" | "ended"; readonly id: number }
  /** A person's answer was taken. */
  | { readonly type: "answered"; readonly id: number; readonly key: string; readonly by: string }
  /** A second answer was refused. */
  | { readonly type: "refused" }
  | { readonly type: "steered"; readonly id: number; readonly by: string }
  | { readonly type: "trajectory"; readonly id: number; readonly events: readonly PlanEvent[] | undefined };

const LAST_LEASE_MS = 10_000;
const MOST_UNFINISHED = 60;
const FETCHERS = 8;
const STALL_MS = 60_000;
const SENDERS = 8;

/** Codes of an answer that comes second. */
const REFUSED: ReadonlySet<FlowErrorCode> = new Set(["PAUSE_USED", "PAUSE_UNKNOWN"]);

const begun = await beginning<PlannerTold, PlannerDefect>();
const { store, seed, defect, life, isLast, tell, problem, logger } = begun;

using effects = new Effects<Act["what"]>(begun.effects);
await using opened = await openCheckpoints(store);
const planner = crashingPlanner({
  durability: durable({
    checkpoints: defect === undefined ? opened : defectiveStore(opened, defect),
    partition: "crash",
    owner: `life ${life}`,
    leaseMs: isLast ? LAST_LEASE_MS : LEASES_MS[store.kind],
  }),
  effects,
  seed,
  defect,
  logger,
  problem: (what) => tell({ type: "problem", what }),
});
const { flow } = planner;

/** Whether the process has stopped before the run ended. */
function isStopped(result: PlanResult): boolean {
  return result.status === "failed" && result.error.code === "FLOW_STOPPED";
}

function seen(id: number, result: PlanResult): void {
  if (result.status !== "paused" && !isStopped(result)) tell({ type: "ended", id });
}

const ways: Record<PlanJob["way"], (job: PlanJob, prompt: string, tenant: string) => Promise<void>> = {
  async emit(job, prompt, tenant) {
    await flow.emit({ prompt, budget: job.budget }, { traceId: String(job.id), tenant, budget: job.budget });
    tell({ type: "accepted", id: job.id });
  },
  async run({ id, budget }, prompt, tenant) {
    seen(id, await planner.run(prompt, { runId: String(id), tenant, budget }));
  },
  async stream({ id, budget }, prompt, tenant) {
    let isAccepted = false;
    for await (const event of planner.stream(prompt, { runId: String(id), tenant, budget, onLeave: "detach" })) {
      if (!isAccepted && event.type === "step" && event.path.length === 0) {
        isAccepted = true;
        tell({ type: "accepted", id });
      }
      if (event.type === "end") seen(id, event.end);
    }
  },
};

let jobs = 0;

/** Starts runs, one after another. */
async function startRuns(): Promise<void> {
  while (flow.isRunning) {
    if (flow.stats().traces >= MOST_UNFINISHED) {
      await sleep(1);
      continue;
    }
    const job = jobOf(seed, jobId(life, jobs++));
    effects.add({ what: "sent", id: job.id, key: "", value: "" });
    const prompt = JSON.stringify({ id: job.id, at: "" });
    await ways[job.way](job, prompt, job.tenant).catch((error: unknown) => problem(error, `Job ${job.id}`));
  }
}

/** Fetches the ends of runs of this life and of earlier ones. */
async function fetchEnds(): Promise<void> {
  while (flow.isRunning) {
    try {
      const item = await flow.fetch();
      if (item instanceof FlowError) throw item;
      tell({ type: "ended", id: Number(item.traceId) });
    } catch (error) {
      problem(error, "A fetch");
    }
  }
}

/** Steers the run of some questions, then has two people answer at once: one of them is to be refused. */
async function answer({ token, kind, args, path }: Question, tenant: string): Promise<void> {
  const { id, key } = args as { id: number; key: string };
  const give = async (by: string): Promise<PlanResult> => {
    const decided = decisionOf(seed, id, key);
    const decision: Decision =
      kind === "input"
        ? { value: by }
        : decided === "deny"
          ? { approved: false, reason: by }
          : { approved: true, ...(decided === "edit" && { args: { id, key, by } }) };
    return await planner.resume(token, decision, { tenant, by });
  };
  const where = `The answer to ${key} of job ${id}`;
  try {
    const by = `life ${life}`;
    if (jobOf(seed, id).isSteered && path.length === 0) {
      await planner.steer(String(id), `steered ${key} by ${by}`, { tenant, by });
      tell({ type: "steered", id, by: `${key} by ${by}` });
    }
    const people = [by, `${by} again`];
    const given = await Promise.allSettled(people.map(give));
    const taken = people.filter((_, index) => given[index]?.status === "fulfilled");
    for (const each of given)
      if (each.status === "fulfilled") {
        if (!isStopped(each.value) && taken.length === 1) tell({ type: "answered", id, key, by: taken[0] as string });
        seen(id, each.value);
      } else if (each.reason instanceof FlowError && REFUSED.has(each.reason.code)) tell({ type: "refused" });
      else problem(each.reason, where);
    if (taken.length > 1 && given.every((each) => each.status === "fulfilled" && !isStopped(each.value)))
      problem("two answers were taken", where);
  } catch (error) {
    problem(error, where);
  }
}

/** Answers the questions that are due. */
async function answerQuestions(): Promise<void> {
  const answered = new Set<string>();
  while (flow.isRunning) {
    for (const tenant of tenants)
      for (const question of await planner.questions({ tenant })) {
        const { id, key } = question.args as { id: number; key: string };
        if (answered.has(question.token) || !(isLast || isDue(seed, jobOf(seed, id), key, life))) continue;
        answered.add(question.token);
        void answer(question, tenant);
      }
    await sleep(2);
  }
}

/** Tells the trajectory of every run that was to be started. */
async function tellTrajectories(): Promise<void> {
  const ids = new Set<number>();
  for (const { what, id } of effects.all()) if (what === "sent") ids.add(id);
  for (const id of ids) {
    const events: PlanEvent[] = [];
    try {
      for await (const event of planner.trajectory(String(id), jobOf(seed, id).tenant)) events.push(event);
      tell({ type: "trajectory", id, events });
    } catch (error) {
      if (!(error instanceof FlowError && error.code === "TRACE_UNKNOWN")) problem(error, `Trajectory of job ${id}`);
      tell({ type: "trajectory", id, events: undefined });
    }
  }
}

planner.start();
const { resumed, changed } = await flow.ready();
if (changed.length > 0) problem(JSON.stringify(changed), "Recovery");
tell({ type: "ready", resumed });
const working = [
  answerQuestions().catch((error: unknown) => problem(error, "Answering")),
  ...Array.from({ length: FETCHERS }, fetchEnds),
  ...(isLast ? [] : Array.from({ length: SENDERS }, startRuns)),
];
if (isLast) {
  const end = performance.now() + STALL_MS;
  for (;;) {
    const unfinished = await flow.recovery.unfinished();
    const { traces, unreadResults, fetchers } = flow.stats();
    const isOver = unfinished.length + traces + unreadResults === 0 && fetchers === FETCHERS;
    if (isOver) break;
    if (performance.now() > end) {
      problem(`${unfinished.length} runs do not end: ${JSON.stringify(unfinished.slice(0, 5))}`, "The last life");
      break;
    }
    await sleep(5);
  }
  await tellTrajectories();
  await flow.stop();
  await Promise.all(working);
  process.stdin.destroy();
  tell({ type: "done" });
} else await Promise.all(working);
