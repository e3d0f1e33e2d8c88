import type { AGUIEvent, RunAgentInput } from "@ag-ui/core";
import {
  FinalAnswer,
  FlowError,
  FlowErrorCode,
  type FlowRun,
  type StreamChunk,
  type StreamItem,
  type WM,
} from "penguiflow";
import { type Agent, jsonOf, type RunContext, type RunEvents } from "./agent.ts";
import { endOf, type RunEnd } from "./run-end.ts";
import { MarkEvents } from "./mark-events.ts";
import { type Mark, TraceTap } from "./trace-tap.ts";

/** The parts of a flow's agent that a program chooses. */
export interface FlowParts<Input> {
  readonly input: (run: RunAgentInput) => Input | Promise<Input>;
  readonly text: (result: unknown) => string | undefined;
  /** Whether nodes are steps, and playbooks subagents. */
  readonly steps: boolean;
  readonly state: ((memory: WM) => unknown) | undefined;
  /** Whether retries and joins are told. */
  readonly events: boolean;
}

/** Makes an agent of a flow. */
export function flowAgent<Input>(flow: FlowRun<Input, unknown>, parts: FlowParts<Input>): Agent {
  const { input, text, steps, state, events } = parts;
  const observed = async function* (
    run: RunContext,
    chunks: ChunkEvents,
    items: AsyncIterable<StreamItem<unknown>>,
  ): RunEvents {
    const marks = new MarkEvents(run, parts);
    if (!steps && !events && state === undefined) return yield* eventsOf(items, chunks, marks, text);
    const tap = new TraceTap(flow.name, run);
    try {
      return yield* eventsOf(tap.amid(items), chunks, marks, text);
    } finally {
      tap[Symbol.dispose]();
    }
  };
  return {
    flow,
    open(run) {
      const { tenant, traceId, signal } = run;
      const chunks = new ChunkEvents(run);
      return {
        async *begin(request) {
          return yield* observed(run, chunks, flow.stream(await input(request), { tenant, traceId, signal }));
        },
        resume: (token, answer) => observed(run, chunks, flow.pauses.resumeStream(token, answer, { tenant })),
      };
    },
    describe: async (tickets) =>
      tickets.map((ticket) => {
        const { reason, name, node, path, payload, expiresAt } = ticket;
        const about = {
          name,
          node,
          path,
          ...(payload !== undefined && { payload: jsonOf(payload, `the payload of pause "${name}"`) }),
        };
        return {
          ticket,
          asked: {
            reason: "penguiflow:pause",
            message: reason,
            path: path ?? [],
            metadata: { penguiflow: about },
            ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
          },
          answer: ({ status, payload: given }) => (status === "cancelled" ? undefined : ((given as unknown) ?? null)),
        };
      }),
  };
}

async function* eventsOf(
  items: AsyncIterable<StreamItem<unknown> | Mark>,
  chunks: ChunkEvents,
  marks: MarkEvents,
  text: FlowParts<never>["text"],
): RunEvents {
  let result: unknown;
  const texts: string[] = [];
  try {
    for await (const item of items) {
      if (item.type === "chunk") yield* chunks.write(item.chunk);
      else if (item.type === "result") {
        const said = item.result instanceof FinalAnswer ? item.result.text : text(item.result);
        if (said === undefined) result ??= jsonOf(item.result, "a result");
        else texts.push(said);
      } else if (item.type !== "pause") yield* marks.write(item);
    }
  } catch (error) {
    return yield* chunks.fail(error);
  }
  // a flow that has streamed its answer returns it as well
  if (!chunks.hasAnswered) for (const said of texts) yield* chunks.say(said);
  return { status: "completed", ...(result !== undefined && { result }) };
}

/** Channel of a chunk, which says what its text is. */
type Channel = "answer" | "thinking";

/** Turns the chunks of a trace into messages. */
class ChunkEvents {
  /** Whether an answer was streamed that counts. */
  hasAnswered = false;
  readonly #run: RunContext;
  /** Channels with an open message, by stream. */
  readonly #channels = new Map<string, Set<Channel>>();
  /** Channel that a stream has named last: the chunk that ends it carries none of its meta. */
  readonly #named = new Map<string, unknown>();

  constructor(run: RunContext) {
    this.#run = run;
  }

  *write(chunk: StreamChunk): Generator<AGUIEvent, void, undefined> {
    const id = `${this.#run.runId}/${chunk.streamId}.${chunk.run}`;
    if (chunk.kind === "planner.reasoning")
      yield* this.#text(id, "thinking", (chunk.data as { delta: string }).delta, chunk);
    else if (chunk.kind !== undefined)
      yield this.#run.writer.custom(chunk.kind, jsonOf(chunk.data, `a chunk of kind "${chunk.kind}"`) ?? null);
    else if (chunk.text !== "") yield* this.#told(id, chunk);
    if (chunk.done) yield* this.#end(id, chunk.end === "retry");
  }

  /** Writes a text as a message of its own. */
  *say(text: string): Generator<AGUIEvent, void, undefined> {
    if (text === "") return;
    const { writer } = this.#run;
    const id = writer.newMessageId();
    yield* writer.startMessage("text", id);
    yield* writer.write(id, text);
    yield* writer.end(id);
  }

  /** Returns the end that an error of the trace means. */
  *fail(error: unknown): Generator<AGUIEvent, RunEnd, undefined> {
    if (!(error instanceof FlowError) || error.code !== FlowErrorCode.NO_RESULT) return endOf(error);
    yield this.#run.writer.custom("penguiflow.empty", { node: error.node, reason: error.message });
    return { status: "completed" };
  }

  *#told(id: string, chunk: StreamChunk): Generator<AGUIEvent, void, undefined> {
    const channel = chunk.meta["channel"] ?? this.#named.get(id) ?? "answer";
    this.#named.set(id, channel);
    if (channel === "answer" || channel === "thinking") yield* this.#text(id, channel, chunk.text, chunk);
    else yield this.#run.writer.custom("penguiflow.chunk", { channel: jsonOf(channel, "a channel"), text: chunk.text });
  }

  *#text(id: string, channel: Channel, text: string, chunk: StreamChunk): Generator<AGUIEvent, void, undefined> {
    const { writer } = this.#run;
    const message = messageId(id, channel);
    if (!writer.isOpen(message)) {
      const { node, path } = chunk;
      const about = { ...(node !== undefined && { node }), ...(path !== undefined && { path: [...path] }) };
      const type = channel === "thinking" ? "reasoning" : "text";
      yield* writer.startMessage(type, message, { metadata: { penguiflow: about } });
      this.#channels.set(id, (this.#channels.get(id) ?? new Set()).add(channel));
    }
    yield* writer.write(message, text);
    if (channel === "answer") this.hasAnswered = true;
  }

  *#end(id: string, isRetried: boolean): Generator<AGUIEvent, void, undefined> {
    const { writer } = this.#run;
    for (const channel of this.#channels.get(id) ?? []) {
      yield* writer.end(messageId(id, channel));
      if (isRetried) yield* writer.retract(messageId(id, channel));
    }
    this.#channels.delete(id);
    this.#named.delete(id);
    if (isRetried) this.hasAnswered = writer.messages.some(({ role }) => role === "assistant");
  }
}

function messageId(id: string, channel: Channel): string {
  return channel === "answer" ? id : `${id}/${channel}`;
}
