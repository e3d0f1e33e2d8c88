import type { AGUIEvent } from "@ag-ui/core";
import type { PlanEnd, PlanEvent, ToolOutput } from "@penguiflow/planner";
import { type RunContext, jsonOf } from "./agent.ts";
import type { RunEnd } from "./run-end.ts";

type Events = Generator<AGUIEvent, void, undefined>;

/** A planner that speaks in the run: the one that was run, or one below it. */
interface Voice {
  readonly path: readonly string[];
  /** Id as a subagent; `undefined` for the planner that was run. */
  readonly owner: string | undefined;
  /** Name of the open step. */
  step: string | undefined;
  /** Ids of the step's text messages. Its calls belong to the last. */
  texts: string[];
  part: { readonly type: "text" | "reasoning"; readonly id: string } | undefined;
  /** Text of the step that the client has. */
  told: string;
  /** Ids of the calls without a result. */
  readonly open: Set<string>;
}

/** Events that belong to a step. */
const OF_STEP: ReadonlySet<string> = new Set(["text", "reasoning", "step", "call", "result"]);

/** Turns the events of a planner's run into those of AG-UI. */
export class PlannerEvents {
  readonly #run: RunContext;
  readonly #voices = new Map<string, Voice>();
  /** Number of calls by place: a planner below that runs again counts its calls from the beginning. */
  readonly #counts = new Map<string, number>();
  /** Ids of the calls without a result, by place, oldest first. */
  readonly #calls = new Map<string, string[]>();
  #subagents = 0;

  constructor(run: RunContext) {
    this.#run = run;
  }

  *write(event: PlanEvent<unknown>): Events {
    const { type, path, step } = event;
    if (type === "paused" || type === "end" || type === "question" || type === "decision") return;
    const voice = yield* this.#voiceAt(path);
    if (OF_STEP.has(type) && step > 0) yield* this.#beginStep(voice, `step ${step}`);
    switch (type) {
      case "text":
      case "reasoning":
        return yield* this.#delta(voice, type, event.delta);
      case "step":
        return yield* this.#endModelCall(voice, event.text);
      case "call":
        return yield* this.#call(voice, event);
      case "progress": {
        const toolCallId = this.#callAt(path, event.callId);
        const data = jsonOf(event.data, "progress") ?? null;
        yield this.#run.writer.custom("penguiflow.progress", { toolCallId, data });
        return;
      }
      case "result":
        return yield* this.#result(voice, event);
      case "critique":
      case "repair":
      case "compacted":
      case "steered":
    }
  }

  /** Tells what of an end is said, and returns the rest. */
  *end(end: PlanEnd<unknown>): Generator<AGUIEvent, RunEnd, undefined> {
    const voice = yield* this.#voiceAt([]);
    switch (end.status) {
      case "completed":
        return {
          status: "completed",
          ...(typeof end.output !== "string" && { result: jsonOf(end.output, "the output") }),
        };
      case "cancelled":
        return { status: "cancelled" };
      case "failed":
        return { status: "failed", code: end.code, error: end.error };
      case "exhausted": {
        const { which, text } = end;
        if (text === undefined)
          return {
            status: "failed",
            code: which === "deadline" ? "DEADLINE_EXCEEDED" : "BUDGET_EXHAUSTED",
            error: end,
          };
        if (text !== voice.told) yield* this.#say(voice, text);
        yield this.#run.writer.custom("penguiflow.exhausted", { which });
        return { status: "completed" };
      }
    }
  }

  *#voiceAt(path: readonly string[]): Generator<AGUIEvent, Voice, undefined> {
    const key = path.join("/");
    const known = this.#voices.get(key);
    if (known !== undefined) return known;
    let owner: string | undefined;
    const name = path.at(-1);
    if (name !== undefined) {
      const parent = yield* this.#voiceAt(path.slice(0, -1));
      this.#subagents += 1;
      owner = `${this.#run.runId}/${key}#${this.#subagents}`;
      yield* this.#run.writer.startSubagent(owner, name, parent.owner);
      this.#run.writer.subagents.set(key, owner);
    }
    const voice = { path, owner, step: undefined, texts: [], part: undefined, told: "", open: new Set<string>() };
    this.#voices.set(key, voice);
    return voice;
  }

  *#beginStep(voice: Voice, name: string): Events {
    if (voice.step === name) return;
    const { writer } = this.#run;
    if (voice.step !== undefined) yield* writer.endStep(voice.step, voice.owner);
    voice.step = name;
    voice.part = undefined;
    voice.texts = [];
    voice.told = "";
    yield* writer.startStep(name, voice.owner);
  }

  *#delta(voice: Voice, type: "text" | "reasoning", delta: string): Events {
    if (delta === "") return;
    const { writer } = this.#run;
    if (voice.part?.type !== type) {
      yield* this.#endPart(voice);
      voice.part = { type, id: this.#run.writer.newMessageId() };
      if (type === "text") voice.texts.push(voice.part.id);
      yield* writer.startMessage(type, voice.part.id, { owner: voice.owner });
    }
    if (type === "text") voice.told += delta;
    yield* writer.write(voice.part.id, delta);
  }

  *#endPart(voice: Voice): Events {
    if (voice.part !== undefined) yield* this.#run.writer.end(voice.part.id);
    voice.part = undefined;
  }

  *#say(voice: Voice, text: string): Events {
    yield* this.#delta(voice, "text", text);
    yield* this.#endPart(voice);
  }

  /** Ends a model call. A repeated call, or one that was not streamed, has another text than the client. */
  *#endModelCall(voice: Voice, text: string): Events {
    yield* this.#endPart(voice);
    if (text === voice.told) return;
    for (const id of voice.texts) yield* this.#run.writer.retract(id);
    voice.texts = [];
    voice.told = "";
    yield* this.#say(voice, text);
  }

  *#call(voice: Voice, { callId, tool, args }: Extract<PlanEvent<unknown>, { type: "call" }>): Events {
    yield* this.#endPart(voice);
    if (voice.texts.length === 0) voice.texts.push(this.#run.writer.newMessageId());
    voice.open.add(callId);
    const place = [...voice.path, callId].join("/");
    const count = (this.#counts.get(place) ?? 0) + 1;
    this.#counts.set(place, count);
    const first = callIdOf(this.#run.beganAs, voice.path, callId);
    const id = count === 1 ? first : `${first}#${count}`;
    this.#calls.set(place, [...(this.#calls.get(place) ?? []), id]);
    yield* this.#run.writer.toolCall(id, tool, JSON.stringify(args), voice.texts.at(-1) as string, voice.owner);
  }

  *#result(voice: Voice, { callId, output }: Extract<PlanEvent<unknown>, { type: "result" }>): Events {
    voice.open.delete(callId);
    // a planner below runs within a call of the one above
    if (voice.open.size === 0) yield* this.#endBelow(voice.path);
    const metadata = refusalOf(output);
    const id = this.#callAt(voice.path, callId);
    this.#calls.get([...voice.path, callId].join("/"))?.shift();
    yield* this.#run.writer.toolResult(id, textOf(output), { owner: voice.owner, metadata });
  }

  *#endBelow(path: readonly string[]): Events {
    for (const [key, below] of this.#voices) {
      if (below.path.length !== path.length + 1 || !path.every((name, at) => below.path[at] === name)) continue;
      yield* this.#endBelow(below.path);
      if (below.owner !== undefined) yield* this.#run.writer.end(below.owner);
      this.#voices.delete(key);
    }
  }

  #callAt(path: readonly string[], callId: string): string {
    return this.#calls.get([...path, callId].join("/"))?.[0] ?? callIdOf(this.#run.beganAs, path, callId);
  }
}

/** Returns the id of a call, which is the same in all runs that go on with a trace. */
export function callIdOf(beganAs: string, path: readonly string[], callId: string): string {
  return [beganAs, ...path, callId].join("/");
}

/** Shows a result as text: clients before 1.0 know no other content. */
function textOf(output: ToolOutput): string {
  switch (output.kind) {
    case "json":
      return JSON.stringify(output.value);
    case "content":
      return output.parts.map((part) => (part.type === "text" ? part.text : `[${part.mediaType}]`)).join("\n");
    case "denied":
      return output.reason;
    case "text":
    case "error":
    case "unknown":
      return output.text;
  }
}

/** Describes a result that is none, which the text alone does not tell from one. */
function refusalOf(output: ToolOutput): { readonly penguiflow: object } | undefined {
  if (output.kind === "error") return { penguiflow: { kind: output.kind, code: output.code } };
  return output.kind === "denied" || output.kind === "unknown" ? { penguiflow: { kind: output.kind } } : undefined;
}
