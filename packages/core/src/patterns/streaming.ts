import { type Clock, systemClock } from "../foundation/clock.ts";
import { requireKnownKeys, requireNumber } from "../foundation/options.ts";
import type { Context } from "../graph/handler.ts";
import type { Message } from "../message/message.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";
import type { EmitOptions } from "../flow/call-options.ts";
import type { Flow } from "../flow/flow.ts";
import { TraceReader, type TraceStream } from "../engine/results/trace-reader.ts";

/** Options of {@link streamFlow}. */
export interface StreamFlowOptions<Entries extends string> extends EmitOptions<Entries> {
  /** Whether results are yielded too, after their chunks. @defaultValue true */
  readonly includeFinal?: boolean;
}

/**
 * Sends a message and yields the chunks of its trace and then its results, without wrappers: ready for a handler of
 * server-sent events. `flow.stream` distinguishes the two by `type`, and yields pauses too.
 *
 * @throws FlowError at the end of the iteration when the trace did not complete
 */
export function streamFlow<Input, Result, Resources, Entries extends string>(
  flow: Flow<Input, Result, Resources, Entries>,
  input: Input | Message<Input>,
  options: StreamFlowOptions<Entries> = {},
): TraceStream<StreamChunk | Result> {
  const { includeFinal = true, ...emitOptions } = options;
  return new TraceReader<StreamChunk | Result>((isChecked) => {
    const items = flow.stream(input, emitOptions);
    return {
      accepted: isChecked ? items.accepted() : undefined,
      async next() {
        for (;;) {
          const step = await items.next();
          if (step.done === true) return undefined;
          if (step.value.type === "chunk") return step.value.chunk;
          if (step.value.type === "result" && includeFinal) return step.value.result;
        }
      },
      leave: () => items.return(),
    };
  });
}

/** Yielded by {@link keepAlive} while a stream is silent. */
export interface KeepAlive {
  readonly type: "keep-alive";
}

/** Options of {@link keepAlive}. */
export interface KeepAliveOptions {
  /** Milliseconds of silence, counted from the last item taken. @defaultValue 15000 */
  readonly afterMs?: number;
  /** Source of time. @defaultValue the system's clock */
  readonly clock?: Clock;
}

/**
 * Yields the items of a stream, and `{ type: "keep-alive" }` whenever it has been silent for a while. A server writes a
 * comment for it (`: keep-alive` and an empty line), so that proxies and clients do not close a silent event stream.
 *
 * Source: WHATWG HTML, section 9.2.7 "Authoring notes", which recommends a comment every 15 seconds.
 *
 * @throws TypeError, RangeError when an option is unusable
 */
export function keepAlive<Item>(
  items: AsyncGenerator<Item, void, undefined>,
  options: KeepAliveOptions = {},
): AsyncGenerator<Item | KeepAlive, void, undefined> {
  requireKnownKeys("keepAlive", options, ["afterMs", "clock"]);
  const { afterMs = 15_000, clock = systemClock } = options;
  requireNumber("afterMs", afterMs, 1);
  let read: Promise<Item | undefined> | undefined;
  return new TraceReader<Item | KeepAlive>(() => ({
    async next() {
      read ??= items.next().then((step) => (step.done === true ? undefined : step.value));
      const silence = Promise.withResolvers<KeepAlive>();
      const takeBack = clock.setTimer(() => silence.resolve(KEEP_ALIVE), afterMs);
      try {
        const item = await Promise.race([read, silence.promise]);
        if (item !== KEEP_ALIVE) read = undefined;
        return item;
      } finally {
        takeBack();
      }
    },
    leave: () => items.return(),
  }));
}

const KEEP_ALIVE: KeepAlive = Object.freeze({ type: "keep-alive" });

/** Options of {@link emitStreamEvents}. */
export interface EmitStreamEventsOptions<Event> {
  readonly streamId?: string;
  /** Extracts the text of an event; `undefined` to omit it. @defaultValue the event, which must be a string */
  readonly text?: (event: Event) => string | undefined;
}

/**
 * Sends every event of an async iterable, such as the tokens of a model, as chunks of one stream. It applies the
 * reader's backpressure and resolves with the whole text. The source is closed when the attempt ends.
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
