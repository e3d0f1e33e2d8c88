import { seededRandom } from "penguiflow";
import type { Effect } from "../effects.ts";

const TENANTS = 3;
/** Ids per life: the id of a job divided by this is its life. */
const JOBS_PER_LIFE = 1_000_000;

/** Names of the tools, and of one that does not exist. */
export type ToolName = "lib_read" | "lib_put" | "write" | "book" | "sign" | "ask" | "render" | "delegate" | "missing";

/**
 * Something that has happened outside of the planner. `sent`: a run was about to be started. `begun`, `done`: a call of a
 * tool that writes; `put`: a call of one that is idempotent; the value is the path of the call. `asked`: the model was
 * called, with this prompt; the key is the path of its planner and its step.
 */
export type Act = Effect<"sent" | "begun" | "done" | "put" | "asked">;

/** A call that the model is planned to make. */
export interface PlannedCall {
  readonly tool: ToolName;
  /** Path of the call: ids of calls on the way down, then its own. */
  readonly key: string;
}

/**
 * Plan of a run, derived from the seed and its id alone. `steps`, `calls` and `shared` run out of a budget: of model
 * calls, of tool calls, and of model calls that two planners below share.
 */
export interface PlanJob {
  readonly id: number;
  readonly life: number;
  readonly tenant: string;
  readonly way: "emit" | "run" | "stream";
  readonly kind: "plain" | "steps" | "calls" | "shared";
  /** Whether people send messages into the run before they answer its questions. */
  readonly isSteered: boolean;
  /** Calls of each turn, before the answer. */
  readonly turns: readonly (readonly PlannedCall[])[];
  readonly budget: { readonly steps: number; readonly toolCalls: number };
}

/** Expected end of a run. */
export interface Expected {
  readonly status: "completed" | "exhausted";
  /** Least number of model calls. */
  readonly steps: number;
  /** Model calls beside them: an answer that comes before a result in the background is asked for again. */
  readonly moreSteps: number;
  readonly toolCalls: number;
}

/** Tokens of each model call, as the scripted model counts them. */
export const TOKENS = 15;

/** Model calls that the planners of a `shared` job may make together. */
const SHARED_STEPS = 7;

/** Returns the id of the n-th job of a life. */
export function jobId(life: number, n: number): number {
  return life * JOBS_PER_LIFE + n;
}

/** The tenants of all jobs. */
export const tenants: readonly string[] = Array.from({ length: TENANTS }, (_, index) => `tenant-${index}`);

/** Random numbers of a seed, a job and a place in its plan. */
function randomOf(seed: number, id: number, place: string) {
  let hash = Math.imul(seed, 0x9e3779b1) + id;
  for (const char of place) hash = Math.imul(hash ^ (char.codePointAt(0) as number), 0x01000193);
  const random = seededRandom(hash);
  const from = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  return { from, pick: <const Item>(...items: readonly Item[]): Item => items[from(0, items.length - 1)] as Item };
}

/** Derives the job of an id. */
export function jobOf(seed: number, id: number): PlanJob {
  const { from, pick } = randomOf(seed, id, "");
  const kind = pick("plain", "plain", "plain", "plain", "steps", "calls", "shared");
  const turns = kind === "shared" ? [call("", 1, ["delegate", "delegate"])] : turnsOf(seed, id, "", kind === "plain");
  const total = turns.flat().length;
  return {
    id,
    life: Math.floor(id / JOBS_PER_LIFE),
    tenant: tenants[id % TENANTS] as string,
    way: pick("emit", "run", "stream"),
    kind,
    // one that runs out of steps may have no further model call that could hear of it
    isSteered: from(0, 2) === 0 && (kind === "plain" || kind === "calls"),
    turns,
    budget: {
      steps: kind === "steps" ? from(1, turns.length) : kind === "shared" ? SHARED_STEPS : 100,
      toolCalls: kind === "calls" ? from(0, total) : 100,
    },
  };
}

/** Returns the turns of a planner: of the top one, or of one that a call of it has started. */
function turnsOf(seed: number, id: number, at: string, delegates: boolean): readonly (readonly PlannedCall[])[] {
  const { from, pick } = randomOf(seed, id, `turns ${at}`);
  const own = ["lib_read", "lib_put", "write", "write", "book", "sign", "ask"] as const;
  return Array.from({ length: from(1, at === "" ? 3 : 2) }, (_, index) =>
    call(
      at,
      index + 1,
      Array.from({ length: from(1, 4) }, () =>
        delegates ? pick(...own, "render", "missing", "delegate") : pick(...own),
      ),
    ),
  );
}

function call(at: string, step: number, tools: readonly ToolName[]): readonly PlannedCall[] {
  return tools.map((tool, index) => ({ tool, key: `${at === "" ? "" : `${at}/`}${step}.${index}` }));
}

/** Returns the turns of the planner below that a call starts. Of a `shared` job it never ends by itself. */
export function turnsBelow(seed: number, { id, kind }: PlanJob, at: string): readonly (readonly PlannedCall[])[] {
  if (kind !== "shared") return turnsOf(seed, id, at, false);
  return Array.from({ length: SHARED_STEPS }, (_, index) => call(at, index + 1, ["lib_read"]));
}

/** Returns all calls that a job makes, those below included. */
export function callsOf(seed: number, job: PlanJob): readonly PlannedCall[] {
  return job.turns
    .flat()
    .flatMap((one) => [one, ...(one.tool === "delegate" ? turnsBelow(seed, job, one.key).flat() : [])]);
}

/** Computes what a job is to end with. */
export function expectedOf(seed: number, job: PlanJob): Expected {
  const { kind, turns, budget } = job;
  const total = turns.flat().length;
  if (kind === "steps")
    return {
      status: "exhausted",
      steps: budget.steps,
      moreSteps: 0,
      toolCalls: turns.slice(0, budget.steps).flat().length,
    };
  if (kind === "calls")
    return { status: "completed", steps: turns.length + 1, moreSteps: 0, toolCalls: Math.min(total, budget.toolCalls) };
  // the steps of the planners below make one call each
  if (kind === "shared")
    return { status: "exhausted", steps: SHARED_STEPS, moreSteps: 0, toolCalls: total + SHARED_STEPS - 1 };
  const below = turns.flat().filter(({ tool }) => tool === "delegate");
  const steps = below.reduce((sum, { key }) => sum + turnsBelow(seed, job, key).length + 1, turns.length + 1);
  const toolCalls = callsOf(seed, job).filter(({ tool }) => tool !== "missing").length;
  const moreSteps = turns.flat().filter(({ tool }) => tool === "render").length;
  return { status: "completed", steps, moreSteps, toolCalls };
}

/** Returns how a person decides about a call: always alike, so that each life gives the same answer. */
export function decisionOf(seed: number, id: number, key: string): "approve" | "edit" | "deny" {
  return randomOf(seed, id, `decision ${key}`).pick("approve", "edit", "deny");
}

/** Whether a question may be answered in a life: in the first of its job, or up to two later. */
export function isDue(seed: number, { id, life: first }: PlanJob, key: string, life: number): boolean {
  return life >= first + randomOf(seed, id, `wait ${key}`).from(0, 2);
}
