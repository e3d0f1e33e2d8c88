import type { PlanEvent } from "@penguiflow/planner";
import type { PlannerTold } from "./life-process.ts";
import { type Act, callsOf, decisionOf, expectedOf, jobOf, type PlanJob, type PlannedCall, TOKENS } from "./plan.ts";
import { Effects } from "../effects.ts";
import { Reports } from "../reports.ts";

type Result = Extract<PlanEvent, { type: "result" }>;

/** Acts outside of a run. */
interface Outside {
  /** Times that each call has begun, done its effect, or put. */
  readonly begun: Map<string, number>;
  readonly done: Map<string, number>;
  /** Keys of idempotent calls. */
  readonly keys: Map<string, Set<string>>;
  /** Steps that the model was asked for, of all planners. */
  readonly steps: Set<string>;
  /** The last prompt of each planner. */
  readonly prompts: Map<string, string>;
}

/** Reports of the processes that run a planner, and the violations they reveal. */
export class PlannerEvidence extends Reports {
  readonly #seed: number;
  readonly #accepted = new Set<number>();
  readonly #trajectories = new Map<number, readonly PlanEvent[]>();
  /** Names of the people that have answered, by job and call. */
  readonly #answered = new Map<string, string>();
  readonly #steered = new Map<number, string[]>();

  constructor(seed: number) {
    super([
      "answers",
      "second answers refused",
      "steerings",
      "recoveries",
      "resumed",
      "background results",
      "unknown calls",
      "found out",
      "repeated idempotent calls",
      "model calls repeated",
      "denied",
      "edited",
      "exhausted",
    ]);
    this.#seed = seed;
  }

  /** Records a report from the process of that life. */
  take(told: PlannerTold, life: number): void {
    switch (told.type) {
      case "accepted":
      case "ended":
        this.#accepted.add(told.id);
        break;
      case "answered":
        this.count("answers");
        this.#answered.set(`${told.id} ${told.key}`, told.by);
        break;
      case "refused":
        this.count("second answers refused");
        break;
      case "steered":
        this.count("steerings");
        this.#steered.set(told.id, [...(this.#steered.get(told.id) ?? []), told.by]);
        break;
      case "trajectory":
        if (told.events !== undefined) this.#trajectories.set(told.id, told.events);
        break;
      case "ready":
      case "problem":
      case "warm":
      case "done":
        this.takeCommon(told, life);
    }
    this.figures.accepted = this.#accepted.size;
  }

  /** Compares the trajectories with the reports and with what has happened outside, after the last life. */
  verify(file: string): Readonly<Record<string, number>> {
    this.figures.results = this.#trajectories.size;
    const outside = this.#outside(file);
    for (const id of this.#accepted)
      if (!this.#trajectories.has(id)) this.problem(`Job ${id} was accepted and lost: it has no trajectory`);
    const ends = new Map<string, number>();
    for (const [id, events] of this.#trajectories) {
      const job = jobOf(this.#seed, id);
      const own = outside.get(id) ?? nothing();
      for (const problem of this.#verifyRun(job, events, own)) this.problem(problem);
      const end = events.at(-1);
      const status = end?.type === "end" ? end.end.status : "none";
      ends.set(status, (ends.get(status) ?? 0) + 1);
    }
    for (const [id, { begun, done }] of outside)
      if (!this.#trajectories.has(id) && begun.size + done.size > 0)
        this.problem(`Job ${id} has written, and nothing is left of it`);
    return Object.fromEntries(ends);
  }

  *#verifyRun(job: PlanJob, events: readonly PlanEvent[], outside: Outside): Generator<string> {
    const { id } = job;
    const end = events.at(-1);
    const expected = expectedOf(this.#seed, job);
    if (end?.type !== "end" || events.filter(({ type }) => type === "end").length !== 1) {
      yield `Job ${id} has not one last end: ${events.map(({ type }) => type).join(", ")}`;
      return;
    }
    if (end.end.status !== expected.status)
      yield `Job ${id} ended as ${JSON.stringify(end.end)}: ${expected.status} is right`;
    if (expected.status === "exhausted") this.count("exhausted");
    if (events.some(({ seq }, index) => seq !== index + 1)) yield `Job ${id} has a gap in its trajectory`;
    const { steps, toolCalls, tokens } = end.end.spent;
    const isExact = steps >= expected.steps && steps <= expected.steps + expected.moreSteps;
    if (!isExact || toolCalls !== expected.toolCalls || tokens !== TOKENS * steps)
      yield `Job ${id} has spent ${steps} steps, ${toolCalls} calls and ${tokens} tokens: ${expected.steps}, ${expected.toolCalls} and ${TOKENS * expected.steps} is right`;
    // of planners side by side, either may make the call of the last step, when a kill has lost that of the other
    if (outside.steps.size !== steps && job.kind !== "shared")
      yield `Job ${id} has asked the model for ${outside.steps.size} steps: ${steps} is right`;
    yield* this.#verifyResults(job, events);
    yield* this.#verifyEffects(job, events, outside);
    yield* this.#verifySteering(job, outside);
    yield* this.#verifyBackground(job, outside);
  }

  /** Checks that every call of a turn has one result before the next turn. */
  *#verifyResults({ id }: PlanJob, events: readonly PlanEvent[]): Generator<string> {
    const open = new Set<string>();
    let behind = 0;
    for (const event of events) {
      if (event.type === "call") open.add(event.callId);
      if (event.type === "call" && event.tool === "render") behind += 1;
      if (event.type === "result" && event.tool === "render") behind -= 1;
      if (event.type === "result" && !open.delete(event.callId))
        yield `Job ${id} has a second result of call ${event.callId}`;
      const left = event.type === "step" ? behind : 0;
      if ((event.type === "step" || (event.type === "end" && event.end.status === "completed")) && open.size > left)
        yield `Job ${id} goes on without the results of calls ${[...open].join(", ")}`;
    }
  }

  /** Compares the results that are told with the acts outside. */
  *#verifyEffects(job: PlanJob, events: readonly PlanEvent[], outside: Outside): Generator<string> {
    const { id } = job;
    for (const [key, keys] of outside.keys) {
      if (keys.size > 1) yield `The idempotent call ${key} of job ${id} had ${keys.size} keys`;
    }
    const results = new Map(events.flatMap((event) => (event.type === "result" ? [[event.callId, event]] : [])));
    for (const call of callsOf(this.#seed, job)) {
      const begun = outside.begun.get(call.key) ?? 0;
      const done = outside.done.get(call.key) ?? 0;
      if (begun > 1) yield `Call ${call.key} (${call.tool}) of job ${id} has begun ${begun} times`;
      if (done > 1) yield `Call ${call.key} (${call.tool}) of job ${id} was done ${done} times`;
      const result = results.get(call.key);
      // results below stand in logs of their own, which end with their runs
      if (result !== undefined) yield* this.#verifyCall(job, call, result, { begun, done }, events);
    }
  }

  *#verifyCall(
    { id }: PlanJob,
    { tool, key }: PlannedCall,
    { output }: Result,
    { begun, done }: { readonly begun: number; readonly done: number },
    events: readonly PlanEvent[],
  ): Generator<string> {
    const text = output.kind === "text" ? output.text : "";
    const told = `call ${key} (${tool}) of job ${id} is told as ${JSON.stringify(output)}`;
    if (text.startsWith("wrote") && done === 0) yield `What has not happened is told as done: ${told}`;
    if (output.kind === "unknown") {
      this.count("unknown calls");
      if (tool === "book") yield `What can be found out is told as unknown: ${told}`;
    } else if (begun > done) yield `What was cut off is not told as unknown: ${told}`;
    if (text === "wrote, as was found out") this.count("found out");
    if (output.kind === "error" && (begun > 0 || done > 0)) yield `What has begun is told as refused: ${told}`;
    if (output.kind === "error" && !["TOOL_UNKNOWN", "BUDGET_EXHAUSTED"].includes(output.code))
      yield `No call fails by itself: ${told}`;
    if (tool !== "sign" && tool !== "ask") return;
    const decisions = events.filter((event) => event.type === "decision" && event.callId === key);
    const by = this.#answered.get(`${id} ${key}`);
    if (decisions.length > 1) yield `Two answers were applied: ${told}`;
    const [decision] = decisions;
    if (decision?.type === "decision" && by !== undefined && decision.by !== by)
      yield `The answer of ${by} was taken, and that of ${decision.by} is applied: ${told}`;
    if (tool === "ask") {
      if (by !== undefined && text !== "" && text !== `wrote ${by}`)
        yield `The answer of ${by} was taken, and another is applied: ${told}`;
      return;
    }
    if (output.kind === "error" || output.kind === "unknown") return;
    const decided = decisionOf(this.#seed, id, key);
    if (decisions.length === 0) yield `What was asked has no decision: ${told}`;
    if (decided === "deny") {
      this.count("denied");
      if (output.kind !== "denied" || begun > 0) yield `What was denied has run: ${told}`;
    } else if (decided === "edit") {
      this.count("edited");
      if (by !== undefined && text !== `wrote ${by}`) yield `What was edited has run as it was: ${told}`;
    }
  }

  /** Checks that the model has seen each message that was taken, once. */
  *#verifySteering({ id }: PlanJob, { prompts }: Outside): Generator<string> {
    const last = prompts.get("") ?? "";
    for (const by of this.#steered.get(id) ?? []) {
      const seen = last.split(`"steered ${by}"`).length - 1;
      if (seen !== 1) yield `The message of ${by} to job ${id} was seen ${seen} times`;
    }
  }

  /** Checks that the model has seen the result of each call in the background, once. */
  *#verifyBackground(job: PlanJob, { prompts }: Outside): Generator<string> {
    const last = prompts.get("") ?? "";
    for (const { tool, key } of job.turns.flat()) {
      if (tool !== "render") continue;
      const seen = last.split(`rendered ${key}\\"`).length - 1;
      if (seen !== 1) yield `The result of call ${key} in the background of job ${job.id} was seen ${seen} times`;
      this.count("background results");
    }
  }

  #outside(file: string): Map<number, Outside> {
    const found = new Map<number, Outside>();
    using effects = new Effects<Act["what"]>(file);
    for (const act of effects.all()) {
      let own = found.get(act.id);
      if (own === undefined) found.set(act.id, (own = nothing()));
      this.#add(own, act);
    }
    return found;
  }

  #add(own: Outside, { what, key, value }: Act): void {
    const path = value as string;
    switch (what) {
      case "begun":
      case "done":
        own[what].set(path, (own[what].get(path) ?? 0) + 1);
        break;
      case "put": {
        const keys = own.keys.get(path);
        if (keys === undefined) own.keys.set(path, new Set([key]));
        else {
          keys.add(key);
          this.count("repeated idempotent calls");
        }
        break;
      }
      case "asked":
        this.#addAsked(own, key, JSON.stringify(value));
        break;
      case "sent":
    }
  }

  /** Notes a call of the model. One whose turn was not stored before a kill is made again, with what is stored by then. */
  #addAsked({ steps, prompts }: Outside, key: string, prompt: string): void {
    if (steps.has(key)) this.count("model calls repeated");
    steps.add(key);
    prompts.set(key.split("#")[0] as string, prompt);
  }
}

function nothing(): Outside {
  return { begun: new Map(), done: new Map(), keys: new Map(), steps: new Set(), prompts: new Map() };
}
