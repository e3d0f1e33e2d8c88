import { heardTurn, type LateResult, startedOutput } from "./background.ts";
import { type Entry, OUTSIDE } from "./entry.ts";
import type { Json } from "./json.ts";
import type { Turn } from "./log-item.ts";
import { type PlanEnd, planEnd, type Step, type StepCall } from "./plan-end.ts";
import type { PlanEvent } from "./plan-event.ts";

/** Returns the conversation of a run, from which its next prompt is made. */
export function turnsOf(entries: readonly Entry[]): Turn[] {
  const turns: Turn[] = [];
  const late = new Map<string, LateResult>();
  for (const entry of entries) {
    const turn = turnOf(entry, late);
    if (turn !== undefined) turns.push(turn);
  }
  return turns;
}

/** Returns the turn of the conversation that an entry is, if it is one. Results that come late are kept in `late`. */
export function turnOf(entry: Entry, late: Map<string, LateResult>): Turn | undefined {
  switch (entry.type) {
    case "said":
      return entry.by === undefined
        ? { role: "user", parts: entry.parts }
        : { role: "user", parts: entry.parts, by: entry.by };
    case "turn":
      return { role: "model", parts: entry.parts };
    case "result": {
      const { callId, providerId, tool, output, isLate } = entry;
      if (isLate !== true) return { role: "tool", callId, providerId, tool, output };
      late.set(callId, entry);
      return undefined;
    }
    case "started": {
      const { callId, providerId, tool } = entry;
      return { role: "tool", callId, providerId, tool, output: startedOutput(callId) };
    }
    case "heard":
      return heardTurn(entry.callIds.map((callId) => late.get(callId) as LateResult));
    case "repair":
      return { role: "note", text: entry.why };
    case "memory":
    case "catalogue":
    case "decision":
    case "critique":
    case "compacted":
    case "waiting":
    case "end":
  }
  return undefined;
}

/** Reads arguments as the model wrote them: JSON, or the text itself if it is none. */
export function argsOf(input: string): Json {
  if (input.trim() === "") return {};
  try {
    return JSON.parse(input) as Json;
  } catch {
    return input;
  }
}

/** Place of an event: the run and the planners on the way down to it. */
export interface EventPlace {
  readonly runId: string;
  readonly path: readonly string[];
}

/**
 * The steps and events of a run, projected from its log as the log grows. What is read later from the stored log is what
 * a stream was given while the run went on.
 */
export class Projection<Output = unknown, Names extends string = string> {
  /** Number of the last event; 0 before the first. */
  seq = 0;
  /** Number of the last model call. */
  step = 0;
  tokens = 0;
  costUsd = 0;
  toolCalls = 0;
  end: PlanEnd<Output> | undefined;
  readonly #steps: { -readonly [Field in keyof Step]: Step[Field] }[] = [];
  readonly #calls = new Map<string, { -readonly [Field in keyof StepCall]: StepCall[Field] }>();

  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** Adds entries, and returns their events. */
  add(entries: readonly Entry[], place: EventPlace): PlanEvent<Output, Names>[] {
    const events: PlanEvent<Output, Names>[] = [];
    for (const entry of entries) {
      this.#take(entry, place.runId);
      this.#tell(entry, place, events);
    }
    return events;
  }

  /** Adds entries for their steps and their end alone. */
  fold(entries: readonly Entry[], runId: string): void {
    for (const entry of entries) this.#take(entry, runId);
  }

  #take(entry: Entry, runId: string): void {
    if (entry.step !== OUTSIDE) this.step = entry.step;
    switch (entry.type) {
      case "turn":
        this.#turn(entry);
        break;
      case "result": {
        const call = this.#calls.get(entry.callId);
        if (call === undefined) break;
        call.output = entry.output;
        if (entry.edited !== undefined) call.args = entry.edited;
        break;
      }
      case "critique":
        this.tokens += entry.tokens;
        this.costUsd += entry.costUsd;
        break;
      case "end":
        this.end = planEnd<Output>(entry.end, { runId, steps: this.#steps, spent: entry.spent });
        break;
      case "said":
      case "decision":
      case "repair":
      case "compacted":
      case "memory":
      case "catalogue":
      case "started":
      case "heard":
      case "waiting":
    }
  }

  /** Adds the events of the entry that was added last. Steps, calls and results are made at once: there are many. */
  #tell(entry: Entry, { runId, path }: EventPlace, events: object[]): void {
    const { at } = entry;
    const { step } = this;
    if (entry.type === "turn") {
      const { text, tokens, tokensIn, tokensOut, model, provider, costUsd, ms, attempt } = entry;
      const place = { seq: this.#next(), at, runId, step, path };
      events.push({ ...place, type: "step", text, tokens, tokensIn, tokensOut, model, provider, costUsd, ms, attempt });
      const { calls } = this.#steps.at(-1) as Step;
      for (const { callId, tool, args } of calls)
        events.push({ seq: this.#next(), at, runId, step, path, type: "call", callId, tool, args });
    } else if (entry.type === "result") {
      const { callId, tool, output, ms, attempt, edited } = entry;
      const event = { seq: this.#next(), at, runId, step, path, type: "result", callId, tool, output, ms, attempt };
      events.push(edited === undefined ? event : { ...event, edited: true });
    } else {
      const rare = this.#rare(entry);
      if (rare !== undefined) events.push({ seq: this.#next(), at, runId, step, path, ...rare });
    }
  }

  #next(): number {
    this.seq += 1;
    return this.seq;
  }

  /** Returns the event of an entry that a run has few of, if it has one. */
  #rare(entry: Exclude<Entry, { type: "turn" | "result" }>): object | undefined {
    switch (entry.type) {
      case "said":
        return entry.by === undefined ? undefined : { type: "steered", by: entry.by };
      case "decision": {
        const { callId, by, decision } = entry;
        return { type: "decision", callId, by, decision };
      }
      case "critique": {
        const { score, feedback, isSatisfied, tokens, costUsd, ms, attempt } = entry;
        return { type: "critique", score, feedback, isSatisfied, tokens, costUsd, ms, attempt };
      }
      case "repair":
        return { type: "repair", why: entry.why };
      case "compacted":
        return { type: "compacted", from: entry.from, to: entry.to };
      case "end":
        return { type: "end", end: this.end };
      case "memory":
      case "catalogue":
      case "started":
      case "heard":
      case "waiting":
        return undefined;
    }
  }

  /** Begins a step. */
  #turn({ parts, text, tokens, costUsd }: Extract<Entry, { type: "turn" }>): void {
    this.tokens += tokens;
    this.costUsd += costUsd;
    const calls: StepCall[] = [];
    for (const part of parts) {
      if (part.type !== "call") continue;
      const call: StepCall = { callId: part.callId, tool: part.tool, args: argsOf(part.input) };
      this.#calls.set(part.callId, call);
      calls.push(call);
    }
    this.toolCalls += calls.length;
    this.#steps.push({ index: this.#steps.length, text, calls, tokens, costUsd });
  }
}
