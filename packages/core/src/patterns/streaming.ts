import type { Context } from "../graph/handler.ts";
import type { Message } from "../message/message.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";
import type { EmitOptions, Flow } from "../flow/flow.ts";
import { TraceReader } from "../engine/results/trace-reader.ts";

/** What {@link streamFlow} yields and sends. */
export interface StreamFlowOptions<Entries extends string> extends EmitOptions<Entries> {
  /** Whether results are yielded too, after the chunks that came before them. @defaultValue true */
  readonly includeFinal?: boolean;
}

/**
 * Sends a message and yields the chunks of its trace and then its results, bare: what a server-sent
 * events handler writes out. `flow.stream` tells the two apart by `type`.
 *
 * @throws FlowError at the end of the iteration when the trace did not complete
 */
export function streamFlow<Input, Result, Resources, Entries extends string>(
  flow: Flow<Input, Result, Resources, Entries>,
  input: Input | Message<Input>,
  options: StreamFlowOptions<Entries> = {},
): AsyncGenerator<StreamChunk | Result, void, undefined> {
  const { includeFinal = true, ...emitOptions } = options;
  return new TraceReader<StreamChunk | Result>(() => {
    const items = flow.stream(input, emitOptions);
    return {
      async next() {
        for (;;) {
          const step = await items.next();
          if (step.done === true) return undefined;
          if (step.value.type === "chunk") return step.value.chunk;
          if (includeFinal) return step.value.result;
        }
      },
      leave: () => items.return(),
    };
  });
}

/** How {@link emitStreamEvents} writes. */
export interface EmitStreamEventsOptions<Event> {
  readonly streamId?: string;
  /** The text of an event; `undefined` to leave it out. @defaultValue the event, which must be a string */
  readonly text?: (event: Event) => string | undefined;
}

/**
 * Sends every event of an async iterable, such as the tokens of a model, as chunks of one stream, with
 * the reader's backpressure, and resolves with the whole text. The source is closed when the attempt ends.
 */
export async function emitStreamEvents<Event>(
  source: AsyncIterable<Event> | Iterable<Event>,
  ctx: Pick<Context<never>, "emitChunk" | "signal">,
  options: EmitStreamEventsOptions<Event> = {},
): Promise<string> {
  const { streamId, text = String as (event: Event) => string } = options;
  const parts: string[] = [];
  for await (const event of source) {
    ctx.signal.throwIfAborted();
    const part = text(event);
    if (part === undefined) continue;
    parts.push(part);
    await ctx.emitChunk({ text: part, streamId });
  }
  await ctx.emitChunk({ text: "", streamId, done: true });
  return parts.join("");
}
