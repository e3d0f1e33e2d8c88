import { ROOKERY } from "penguiflow";
import type { PlanEvent, ToolOutput } from "@penguiflow/planner";
import type { TurnPart } from "@penguiflow/playground/protocol";
import type { ChunkFact, Fact, Kept, RecordFact } from "../ipc/fact.ts";

/** A change of the parts of an answer. */
export type PartChange =
  | { readonly index: number; readonly part: TurnPart }
  | { readonly index: number; readonly text: string };

type CallPart = Extract<TurnPart, { readonly type: "call" }>;
type TextPart = Extract<TurnPart, { readonly type: "text" | "reasoning" }>;

/** The parts of a run's answer, as its facts tell. */
export class AnswerParts {
  readonly #parts: TurnPart[] = [];
  /** Indexes of the texts of each open stream or model call. */
  readonly #texts = new Map<string, number[]>();
  /** Indexes of calls without a result, by id. */
  readonly #calls = new Map<string, number>();
  #hasText = false;
  #hasPlan = false;

  get parts(): readonly TurnPart[] {
    return this.#parts;
  }

  /** Number of steering messages that the model has not read. */
  get queued(): number {
    return this.#parts.filter((part) => part.type === "steer" && part.state === "queued").length;
  }

  /** Takes a fact, and returns what it changes. */
  add(fact: Fact): PartChange[] {
    switch (fact.kind) {
      case "chunk":
        // a planner's own events tell more
        return this.#hasPlan ? [] : this.#chunk(fact.chunk);
      case "record":
        return this.#hasPlan ? [] : resultsOf(fact.record).flatMap((result) => this.#result(result));
      case "plan":
        return this.#plan(fact.event);
      case "steer":
        return [this.#push({ type: "steer", text: fact.text, state: "queued" })];
      case "begun":
        this.#hasPlan = fact.begun.isPlanner;
        return [];
      case "event":
      case "failed":
      case "model":
      case "read":
      case "reading":
        return [];
    }
  }

  #chunk({ streamId, run, text, kind, data, done, end, channel }: ChunkFact): PartChange[] {
    const key = `${streamId}.${run}`;
    const changes: PartChange[] = [];
    if (kind === "planner.reasoning") changes.push(...this.#text(key, "reasoning", (data as { delta: string }).delta));
    else if (
      kind === undefined &&
      text !== "" &&
      (channel === undefined || channel === "answer" || channel === "thinking")
    )
      changes.push(...this.#text(key, channel === "thinking" ? "reasoning" : "text", text));
    if (!done) return changes;
    if (end === "retry") changes.push(...this.#strike(key));
    this.#texts.delete(key);
    return changes;
  }

  #result(result: Kept): PartChange[] {
    if ("cut" in result) return [this.#push({ type: "result", value: `${result.cut}…` })];
    const { value } = result;
    const said = typeof value === "string" ? value : finalTextOf(value);
    if (said === undefined) return [this.#push({ type: "result", value })];
    // a flow that has streamed its answer returns it as well
    const isSaid = this.#parts.some(
      (part) => part.type === "text" && part.isStruck === undefined && part.text === said,
    );
    return isSaid ? [] : [this.#push({ type: "text", text: said })];
  }

  #plan(event: PlanEvent<unknown>): PartChange[] {
    const { path, step } = event;
    const key = [...path, step].join("/");
    switch (event.type) {
      case "text":
      case "reasoning":
        return this.#text(key, event.type, event.delta, path);
      case "step":
        return this.#endStep(key, event.text, path);
      case "call":
        return [this.#call(event.callId, path, { tool: event.tool, args: event.args, state: "running" })];
      case "question": {
        const { callId, tool, args } = event.question;
        return callId === "" ? [] : [this.#call(callId, path, { tool, args, state: "asked" })];
      }
      case "decision":
        return this.#changed(event.callId, path, () => ({ state: "running" }));
      case "progress":
        return this.#changed(event.callId, path, () => ({ progress: event.data }));
      case "result":
        return this.#changed(event.callId, path, () => ({
          ...outputOf(event.output),
          ms: event.ms,
          attempts: event.attempt,
        }));
      case "steered":
        return this.#readSteering();
      case "end":
        return path.length > 0 ? [] : this.#end(event.end);
      case "compacted":
      case "critique":
      case "paused":
      case "repair":
        return [];
    }
  }

  #text(key: string, type: TextPart["type"], text: string, path: readonly string[] = []): PartChange[] {
    if (text === "") return [];
    const index = this.#parts.length - 1;
    const last = this.#parts[index];
    const mine = this.#texts.get(key) ?? [];
    if (type === "text") this.#hasText = true;
    if (last?.type === type && mine.includes(index)) {
      this.#parts[index] = { ...last, text: last.text + text };
      return [{ index, text }];
    }
    const change = this.#push({ type, text, ...(path.length > 0 && { path }) });
    this.#texts.set(key, [...mine, change.index]);
    return [change];
  }

  /** Ends a model call. A repeated call, or one that was not streamed, has another text than what was told. */
  #endStep(key: string, text: string, path: readonly string[]): PartChange[] {
    const mine = this.#texts.get(key) ?? [];
    const told = mine.flatMap((index) => {
      const part = this.#parts[index];
      return part?.type === "text" ? [part.text] : [];
    });
    this.#texts.delete(key);
    if (told.join("") === text) return [];
    const struck = this.#strikeAll(mine.filter((index) => this.#parts[index]?.type === "text"));
    this.#hasText ||= text !== "";
    return text === "" ? struck : [...struck, this.#push({ type: "text", text, ...(path.length > 0 && { path }) })];
  }

  #strike(key: string): PartChange[] {
    return this.#strikeAll(this.#texts.get(key) ?? []);
  }

  #strikeAll(indexes: readonly number[]): PartChange[] {
    return indexes.map((index) => this.#set(index, { ...(this.#parts[index] as TextPart), isStruck: true }));
  }

  #call(callId: string, path: readonly string[], part: Pick<CallPart, "tool" | "args" | "state">): PartChange {
    const key = [...path, callId].join("/");
    const index = this.#calls.get(key);
    const known = index === undefined ? undefined : (this.#parts[index] as CallPart);
    if (index !== undefined && known !== undefined) return this.#set(index, { ...known, ...part });
    const change = this.#push({ type: "call", callId, attempts: 1, ...part, ...(path.length > 0 && { path }) });
    this.#calls.set(key, change.index);
    return change;
  }

  #changed(callId: string, path: readonly string[], change: () => Partial<CallPart>): PartChange[] {
    const index = this.#calls.get([...path, callId].join("/"));
    return index === undefined ? [] : [this.#set(index, { ...(this.#parts[index] as CallPart), ...change() })];
  }

  #readSteering(): PartChange[] {
    const index = this.#parts.findIndex((part) => part.type === "steer" && part.state === "queued");
    const part = this.#parts[index];
    return part?.type === "steer" ? [this.#set(index, { ...part, state: "read" })] : [];
  }

  #end(end: Extract<PlanEvent<unknown>, { readonly type: "end" }>["end"]): PartChange[] {
    if (end.status === "completed" && typeof end.output !== "string")
      return [this.#push({ type: "result", value: end.output })];
    const text = "text" in end ? end.text : undefined;
    return text === undefined || text === "" || this.#hasText ? [] : [this.#push({ type: "text", text })];
  }

  #push(part: TurnPart): { readonly index: number; readonly part: TurnPart } {
    this.#parts.push(part);
    return { index: this.#parts.length - 1, part };
  }

  #set(index: number, part: TurnPart): PartChange {
    this.#parts[index] = part;
    return { index, part };
  }
}

/** Returns the results of the run that a record tells. */
export function resultsOf({ path, outputs = [] }: RecordFact): Kept[] {
  return path.length > 0 ? [] : outputs.filter(({ node }) => node === ROOKERY).map(({ payload }) => payload);
}

/** Returns the text of a controller's final answer, as JSON has it. */
function finalTextOf(value: unknown): string | undefined {
  const { text, ...rest } = (typeof value === "object" && value !== null ? value : {}) as { readonly text?: unknown };
  const isAnswer = typeof text === "string" && Object.keys(rest).every((key) => key === "citations");
  return isAnswer ? text : undefined;
}

function outputOf(output: ToolOutput): Partial<CallPart> & Pick<CallPart, "state"> {
  switch (output.kind) {
    case "json":
      return { state: "done", output: output.value };
    case "text":
      return { state: "done", output: output.text };
    case "content":
      return { state: "done", output: output.parts };
    case "denied":
      return { state: "rejected", error: output.reason };
    case "error":
      return { state: "failed", error: `${output.code}: ${output.text}` };
    case "unknown":
      return { state: "failed", error: output.text };
  }
}
