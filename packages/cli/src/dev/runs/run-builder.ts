import type { ErrorPayload, FlowEvent } from "penguiflow";
import type { PlanEvent } from "@penguiflow/planner";
import type { RunState, RunSummary, RunView, StepView, TurnPart } from "@penguiflow/playground/protocol";
import type { Begun, Fact, Kept, RecordFact } from "../ipc/fact.ts";
import { AnswerParts, type PartChange, resultsOf } from "./answer-parts.ts";
import { Timeline } from "./timeline.ts";

/** Characters of input and output that a list shows. */
const SHOWN = 200;
/** Results that are kept at most. */
const MAX_RESULTS = 100;

/** Identity of a run. */
export interface RunPlace {
  readonly flow: string;
  readonly runId: string;
  readonly tenant: string;
}

/** Parts of a run that facts have changed. */
export interface RunChange {
  readonly parts: readonly PartChange[];
  readonly steps: readonly StepView[];
  /** Whether its summary is another. */
  readonly isOther: boolean;
}

/** A run, as built from its facts: live, or read from the store. */
export class RunBuilder {
  readonly place: RunPlace;
  readonly isDurable: boolean;
  readonly #timeline: Timeline;
  readonly #answer = new AnswerParts();
  readonly #plan: PlanEvent<unknown>[] = [];
  readonly #results: Kept[] = [];
  /** Output of a planner's run. */
  #planned: readonly unknown[] = [];
  #input: Kept | undefined;
  #begun: Begun | undefined;
  #state: RunState = "running";
  #startedAt: number | undefined;
  #endedAt: number | undefined;
  #error: RunSummary["error"];
  #retries = 0;
  #tokens = { in: 0, out: 0 };
  #costUsd = 0;
  #budgets: RunView["budgets"] = [];
  #readers = 0;
  #isTraceOver = false;
  #isWhole = true;
  #count = 0;

  constructor(place: RunPlace, isDurable: boolean) {
    this.place = place;
    this.isDurable = isDurable;
    this.#timeline = new Timeline(place.flow);
  }

  /** Whether nothing more can happen in it. */
  get isOver(): boolean {
    return this.#isTraceOver && this.#readers <= 0;
  }

  get state(): RunState {
    return this.#state;
  }

  get begun(): Begun | undefined {
    return this.#begun;
  }

  get input(): Kept | undefined {
    return this.#begun?.input ?? this.#input;
  }

  get results(): readonly Kept[] {
    return this.#results;
  }

  get parts(): readonly TurnPart[] {
    return this.#answer.parts;
  }

  get steps(): readonly StepView[] {
    return this.#timeline.steps;
  }

  /** Number of steering messages that the model has not read. */
  get queued(): number {
    return this.#answer.queued;
  }

  /** Number of facts so far. */
  get count(): number {
    return this.#count;
  }

  /** Says that facts of it are lost. */
  lose(): void {
    this.#isWhole = false;
  }

  /** Ends it where its process has ended. */
  end(state: RunState, at: number): void {
    this.#state = state;
    this.#endedAt = at;
    this.#isTraceOver = true;
    this.#readers = 0;
  }

  /** Takes a fact. */
  add(fact: Fact): RunChange {
    this.#count += 1;
    this.#startedAt ??= fact.at;
    const before = this.#signature();
    const steps = this.#stepsOf(fact);
    this.#rest(fact);
    const parts = this.#answer.add(fact);
    return { parts, steps, isOther: before !== this.#signature() };
  }

  #stepsOf(fact: Fact): readonly StepView[] {
    if (fact.kind === "event") return this.#event(fact.event);
    return fact.kind === "record" ? this.#timeline.addRecord(fact.record, fact.at) : [];
  }

  summary(openPauses = 0): RunSummary {
    const { flow, runId: id, tenant } = this.place;
    const { thread, again } = this.#begun ?? {};
    const startedAt = Math.floor(this.#startedAt ?? Date.now());
    const output = this.#outputText();
    return {
      id,
      flow,
      tenant,
      state: this.#state,
      startedAt,
      input: this.input === undefined ? "" : textOf(this.input),
      retries: this.#retries,
      openPauses,
      ...(this.#endedAt !== undefined && {
        endedAt: this.#endedAt,
        durationMs: Math.max(0, this.#endedAt - (this.#startedAt ?? 0)),
      }),
      ...(thread !== undefined && { thread }),
      ...(again !== undefined && { again }),
      ...(output !== undefined && { output }),
      ...(this.#error !== undefined && { error: this.#error }),
      ...(this.#tokens.in + this.#tokens.out > 0 && { tokens: { ...this.#tokens } }),
      ...(this.#costUsd > 0 && { costUsd: this.#costUsd }),
    };
  }

  view(): Omit<RunView, "pauses"> {
    const { input } = this;
    const { generation = 0, timeoutMs } = this.#begun ?? {};
    return {
      ...this.summary(),
      inputValue: input === undefined ? undefined : valueOf(input),
      results: this.#begun?.isPlanner === true ? this.#planned : this.#results.map(valueOf),
      budgets: this.#budgets,
      steps: this.steps,
      parts: this.parts,
      generation,
      isWhole: this.#isWhole && this.#timeline.isWhole && input !== undefined && this.isOver,
      ...(timeoutMs !== undefined && { deadlineAt: (this.#startedAt ?? 0) + timeoutMs }),
      ...(this.#plan.length > 0 && { plan: this.#plan }),
    };
  }

  #signature(): string {
    const { in: tokensIn, out } = this.#tokens;
    return `${this.#state}/${this.#retries}/${tokensIn}/${out}/${this.isOver}/${this.#results.length}/${this.#begun !== undefined}`;
  }

  #event(event: FlowEvent): readonly StepView[] {
    const isOwn = event.flow === this.place.flow;
    if (isOwn) this.#state = STATES[event.type] ?? this.#state;
    if (event.type === "node_retry") this.#retries += 1;
    if (isOwn && event.type === "trace_end") this.#endTrace(event);
    return this.#timeline.addEvent(event);
  }

  #endTrace({ status, at, error }: Extract<FlowEvent, { readonly type: "trace_end" }>): void {
    // a durable run that was stopped goes on in the next process: until then it waits as before
    if (this.isDurable && status === "stopped") return;
    const planEnd = this.#plan.at(-1);
    if (planEnd?.type !== "end") this.#state = status;
    this.#isTraceOver = true;
    this.#endedAt = at;
    if (error !== undefined && status !== "completed") this.#error ??= errorOf(error);
  }

  #rest(fact: Fact): void {
    switch (fact.kind) {
      case "begun":
        this.#begun = fact.begun;
        return;
      case "reading":
        this.#readers += 1;
        return;
      case "read":
        this.#readers -= 1;
        return;
      case "record":
        this.#record(fact.record);
        return;
      case "failed":
        this.#error ??= errorOf(fact.error);
        return;
      case "plan":
        this.#planEvent(fact.event);
        return;
      case "event":
      case "chunk":
      case "model":
      case "steer":
    }
  }

  #record(record: RecordFact): void {
    for (const result of resultsOf(record)) if (this.#results.length < MAX_RESULTS) this.#results.push(result);
    const { spent, limits = {} } = record;
    if (record.type === "accepted" && record.path.length === 0) this.#input ??= record.message?.payload;
    if (spent === undefined) return;
    this.#budgets = Object.entries(spent).map(([name, amount]) => {
      const limit = limits[name];
      return { name, spent: amount, ...(limit !== undefined && { limit }) };
    });
  }

  #planEvent(event: PlanEvent<unknown>): void {
    this.#keepPlanEvent(event);
    if (event.type === "step") {
      this.#tokens = { in: this.#tokens.in + event.tokensIn, out: this.#tokens.out + event.tokensOut };
      this.#costUsd += event.costUsd;
    }
    if (event.type !== "end" || event.path.length > 0) return;
    const { end } = event;
    this.#state = end.status;
    this.#endedAt ??= event.at;
    if (end.status === "completed") this.#planned = [end.output];
    if (end.status === "failed") this.#error = { code: end.code, message: end.error.message };
    if (end.status === "exhausted")
      this.#error = { code: "BUDGET_EXHAUSTED", message: `The budget of ${end.which} is spent` };
    this.#budgets = Object.entries<number>({ ...end.spent }).map(([name, spent]) => ({ name, spent }));
    // a planner that refuses a run begins no trace
    if (this.#startedAt !== undefined && this.#timeline.steps.length === 0) this.#isTraceOver = true;
  }

  /** Keeps an event; a text grows. */
  #keepPlanEvent(event: PlanEvent<unknown>): void {
    const last = this.#plan.at(-1);
    const grows =
      (event.type === "text" || event.type === "reasoning") &&
      last?.type === event.type &&
      last.step === event.step &&
      last.path.join("/") === event.path.join("/");
    if (!grows) this.#plan.push(event);
    else this.#plan[this.#plan.length - 1] = { ...last, delta: last.delta + event.delta };
  }

  #outputText(): string | undefined {
    const [result] = this.#results;
    if (result !== undefined && this.#begun?.isPlanner !== true) return textOf(result);
    const text = this.parts.findLast(
      (part) => part.type === "text" && part.isStruck === undefined && part.path === undefined,
    );
    if (text?.type === "text") return text.text.slice(0, SHOWN);
    return this.#error?.message.slice(0, SHOWN);
  }
}

/** States of a run after events. */
const STATES: { readonly [Type in FlowEvent["type"]]?: RunState } = {
  trace_start: "running",
  node_resume: "running",
  trace_pause: "paused",
};

function errorOf({
  code = "FAILED",
  message,
  details,
}: ErrorPayload & { readonly node?: unknown }): RunSummary["error"] & {} {
  const node = (details as { readonly node?: unknown } | undefined)?.node;
  return { code, message, ...(typeof node === "string" && { node }) };
}

function valueOf(kept: Kept): unknown {
  return "value" in kept ? kept.value : `${kept.cut}…`;
}

function textOf(kept: Kept): string {
  const value = valueOf(kept);
  return (typeof value === "string" ? value : (JSON.stringify(value) ?? "")).slice(0, SHOWN);
}
