import type { PlanEnd, PlanEvent, Question } from "@penguiflow/planner";
import type { UIMessage, UIMessageChunk } from "ai";
import { textOf } from "./tool-output.ts";

/** Data of a `data-question` part: a question that is no approval. The UI answers it by its token. */
export type QuestionData = Pick<
  Question,
  "token" | "kind" | "reason" | "tool" | "payload" | "schema" | "expiresAt" | "path"
>;

/** Options of {@link toUiMessageStream}. */
export interface UiMessageStreamOptions {
  /** The message that a resumed run continues. @defaultValue a new message, whose id is the run's */
  readonly message?: UIMessage | undefined;
  /** Describes an end that is no answer to the user. @defaultValue the end's status with its code, without its cause */
  readonly describe?: ((end: UnansweredEnd) => string) | undefined;
}

/** An end without an answer. */
export type UnansweredEnd = Extract<PlanEnd<unknown>, { status: "failed" | "exhausted" }>;

/**
 * Converts the events of a planner's run into a UI message stream of the AI SDK, for `createUIMessageStreamResponse` and
 * `useChat`. A slow reader slows the run; one that leaves ends the iteration of the events.
 *
 * An approval is a `tool-approval-request` whose id is the question's token. Other questions are `data-question` parts.
 * Calls of planners below are tool parts, too; their texts are left out.
 */
export function toUiMessageStream(
  events: AsyncIterable<PlanEvent<unknown>>,
  options: UiMessageStreamOptions = {},
): ReadableStream<UIMessageChunk<unknown, { question: QuestionData }>> {
  return ReadableStream.from(chunksOf(events, options));
}

type Chunk = UIMessageChunk<unknown, { question: QuestionData }>;

async function* chunksOf(
  events: AsyncIterable<PlanEvent<unknown>>,
  { message, describe = describeEnd }: UiMessageStreamOptions,
): AsyncGenerator<Chunk, void, undefined> {
  const writer = new ChunkWriter(message, describe);
  for await (const event of events) yield* writer.write(event);
}

/** Events of a model call. They begin a step; decisions and results belong to the step of their call. */
const SPOKEN: ReadonlySet<string> = new Set(["text", "reasoning", "step"]);

/** Turns events into chunks. The open parts and the known calls are its state. */
class ChunkWriter {
  readonly #describe: (end: UnansweredEnd) => string;
  readonly #messageId: string | undefined;
  /** Ids of the calls that the reader knows. */
  readonly #calls = new Map<string, string>();
  /** Tokens of the approvals that are asked for, by call. */
  readonly #approvals = new Map<string, string>();
  #isStarted = false;
  #step: number | undefined;
  #part: { readonly type: "text" | "reasoning"; readonly id: string } | undefined;
  #parts = 0;
  /** Text of the step that the reader has. */
  #told = "";

  constructor(message: UIMessage | undefined, describe: (end: UnansweredEnd) => string) {
    this.#describe = describe;
    this.#messageId = message?.id;
    for (const part of message?.parts ?? []) {
      if (part.type !== "dynamic-tool") continue;
      this.#calls.set(part.toolCallId, part.toolName);
      if (part.approval !== undefined) this.#approvals.set(part.toolCallId, part.approval.id);
    }
  }

  *write(event: PlanEvent<unknown>): Generator<Chunk, void, undefined> {
    if (!this.#isStarted) {
      this.#isStarted = true;
      yield { type: "start", messageId: this.#messageId ?? event.runId };
    }
    const isOwn = event.path.length === 0;
    if (isOwn && SPOKEN.has(event.type) && event.step !== this.#step) yield* this.#beginStep(event.step);
    switch (event.type) {
      case "text":
      case "reasoning":
        if (isOwn) yield* this.#delta(event.type, event.delta);
        return;
      case "step":
        if (isOwn) yield* this.#endModelCall(event);
        return;
      case "call":
        yield* this.#endPart();
        yield* this.#call(idOf(event, event.callId), event.tool, event.args);
        return;
      case "question":
        yield* this.#question(idOf(event, event.question.callId), event.question);
        return;
      case "decision":
        yield* this.#decision(idOf(event, event.callId), event.decision);
        return;
      case "progress": {
        const toolCallId = idOf(event, event.callId);
        if (this.#calls.has(toolCallId))
          yield { type: "tool-output-available", toolCallId, output: event.data, preliminary: true };
        return;
      }
      case "result":
        yield* this.#result(idOf(event, event.callId), event.output);
        return;
      case "paused":
        if (isOwn) yield* this.#finish("tool-calls");
        return;
      case "end":
        if (isOwn) yield* this.#end(event.end);
        return;
      case "critique":
      case "repair":
      case "compacted":
      case "steered":
    }
  }

  *#beginStep(step: number): Generator<Chunk, void, undefined> {
    yield* this.#endStep();
    this.#step = step;
    this.#told = "";
    yield { type: "start-step" };
  }

  *#endStep(): Generator<Chunk, void, undefined> {
    yield* this.#endPart();
    if (this.#step !== undefined) yield { type: "finish-step" };
    this.#step = undefined;
  }

  *#delta(type: "text" | "reasoning", delta: string): Generator<Chunk, void, undefined> {
    if (this.#part?.type !== type) {
      yield* this.#endPart();
      this.#parts += 1;
      this.#part = { type, id: `${type}-${this.#parts}` };
      yield { type: `${type}-start`, id: this.#part.id };
    }
    if (type === "text") this.#told += delta;
    yield { type: `${type}-delta`, id: this.#part.id, delta };
  }

  *#endPart(): Generator<Chunk, void, undefined> {
    if (this.#part !== undefined) yield { type: `${this.#part.type}-end`, id: this.#part.id };
    this.#part = undefined;
  }

  /** Ends a model call. A repeated call, or one that was not streamed, has other text than the reader. */
  *#endModelCall({ text }: { readonly text: string }): Generator<Chunk, void, undefined> {
    yield* this.#endPart();
    if (text === this.#told) return;
    if (this.#told !== "") yield { type: "reset-step" };
    this.#told = "";
    if (text !== "") yield* this.#delta("text", text);
    yield* this.#endPart();
  }

  *#call(toolCallId: string, toolName: string, input: unknown): Generator<Chunk, void, undefined> {
    this.#calls.set(toolCallId, toolName);
    yield { type: "tool-input-available", toolCallId, toolName, input, dynamic: true };
  }

  *#question(toolCallId: string, question: Question): Generator<Chunk, void, undefined> {
    const { token, kind, reason, tool, payload, schema, expiresAt, path } = question;
    if (kind === "approval" && this.#calls.has(toolCallId)) {
      this.#approvals.set(toolCallId, token);
      yield { type: "tool-approval-request", approvalId: token, toolCallId, reason };
    } else {
      const data = {
        token,
        kind,
        reason,
        tool,
        schema,
        path,
        ...(payload !== undefined && { payload }),
        ...(expiresAt !== undefined && { expiresAt }),
      };
      yield { type: "data-question", id: toolCallId, data };
    }
  }

  *#decision(
    toolCallId: string,
    decision: Extract<PlanEvent, { type: "decision" }>["decision"],
  ): Generator<Chunk, void, undefined> {
    const approvalId = this.#approvals.get(toolCallId);
    if (approvalId === undefined || "value" in decision) return;
    const { approved } = decision;
    const reason = approved ? undefined : decision.reason;
    yield { type: "tool-approval-response", approvalId, approved, ...(reason !== undefined && { reason }) };
    const toolName = this.#calls.get(toolCallId);
    if (approved && decision.args !== undefined && toolName !== undefined)
      yield* this.#call(toolCallId, toolName, decision.args);
  }

  *#result(
    toolCallId: string,
    output: Extract<PlanEvent, { type: "result" }>["output"],
  ): Generator<Chunk, void, undefined> {
    // the reader fails on a result whose call it does not know
    if (!this.#calls.has(toolCallId)) return;
    if (output.kind === "denied") yield { type: "tool-output-denied", toolCallId };
    else if (output.kind === "error" || output.kind === "unknown")
      yield { type: "tool-output-error", toolCallId, errorText: textOf(output) };
    else {
      const shown = output.kind === "text" ? output.text : output.kind === "json" ? output.value : output.parts;
      yield { type: "tool-output-available", toolCallId, output: shown };
    }
  }

  *#end(end: PlanEnd<unknown>): Generator<Chunk, void, undefined> {
    if (end.status === "completed") yield* this.#finish("stop");
    else if (end.status === "cancelled") {
      yield* this.#endStep();
      yield { type: "abort" };
    } else {
      yield* this.#endPart();
      yield { type: "error", errorText: this.#describe(end) };
      yield* this.#finish(end.status === "exhausted" ? "length" : "error");
    }
  }

  *#finish(finishReason: "stop" | "tool-calls" | "length" | "error"): Generator<Chunk, void, undefined> {
    yield* this.#endStep();
    yield { type: "finish", finishReason };
  }
}

/** Returns an id of a call that is unique in the message: those of planners below repeat those of the run. */
function idOf({ path, runId }: PlanEvent<unknown>, callId: string): string {
  return path.length === 0 ? callId : [...path, runId, callId].join("/");
}

function describeEnd(end: UnansweredEnd): string {
  return end.status === "exhausted" ? `The budget of ${end.which} is used up` : `The run has failed with ${end.code}`;
}
