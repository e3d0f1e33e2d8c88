import { detached } from "../../foundation/detached.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { onAbort } from "../../foundation/abort.ts";
import { requireBoolean, requireObject, requireOptions, requireText, shown } from "../../foundation/options.ts";
import type { ChunkInit } from "../../graph/handler.ts";
import { carry, Message } from "../../message/message.ts";
import { EMPTY_META, freezeData } from "../../message/meta.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { Slots } from "../admission/slots.ts";
import type { Sending } from "../delivery/sending.ts";
import type { Attempt } from "../state/attempt.ts";
import { type ChunkDraft, StreamTable, type StreamTap, type StreamWriter } from "../state/stream-table.ts";
import type { Trace } from "../state/trace.ts";
import { type Emitting, wishOf } from "./emitting.ts";
import type { HandlerWaits } from "./handler-waits.ts";

/** Engine parts that {@link Chunks} calls. */
export interface ChunksHost {
  readonly slots: Slots;
  readonly waits: HandlerWaits;
  readonly sending: Sending;
  readonly emitting: Emitting;
  readonly tap: StreamTap | undefined;
}

/** Delivers stream chunks to the reader of their trace; blocks writers while the reader has no room. */
export class Chunks {
  readonly #engine: ChunksHost;

  constructor(engine: ChunksHost) {
    this.#engine = engine;
  }

  /** Sends a chunk of an attempt. Resolves when the reader has room. */
  emitChunk(attempt: Attempt, init: ChunkInit): Promise<StreamChunk> {
    requireOptions("emitChunk", init);
    const { trace, more } = attempt;
    const parent = init.parent ?? attempt.message;
    const draft = this.#draft(trace, attempt, init, parent);
    more.writesStreams = true;
    if (init.to !== undefined) {
      const edges = this.#engine.emitting.route(attempt.worker, parent, init.to, trace);
      const chunk = this.#streamsOf(trace).routed(attempt, draft);
      const emit = { message: carry(parent, chunk), edges, wish: wishOf(init.to) };
      return detached(this.#engine.emitting.sendOrHold(attempt, emit).then(() => chunk));
    }
    if (!isCrowded(trace)) return Promise.resolve(this.#take(trace, attempt, draft));
    more.unsentChunks += 1;
    return this.#engine.waits.wait<StreamChunk>(
      attempt,
      (resolve, reject) => {
        this.#engine.slots.lend(attempt);
        return this.#takeWhenRoom(
          trace,
          () => {
            resolve(this.#take(trace, attempt, draft));
            more.unsentChunks -= 1;
            if (more.unsentChunks === 0) more.onChunksSent?.();
          },
          reject,
        );
      },
      { outlivesHandler: true, lendsPermit: true },
    );
  }

  /** Sends a chunk from outside the flow's nodes. Resolves when the reader has room. */
  emitOutside(
    trace: Trace,
    writer: StreamWriter,
    init: ChunkInit,
    signal: AbortSignal | undefined,
  ): Promise<StreamChunk> {
    const draft = this.#draft(trace, writer, init, init.parent);
    const error = (code: FlowErrorCode, why: string, cause?: unknown): FlowError =>
      new FlowError({ code, message: `Cannot emit a chunk: ${why}`, traceId: trace.id, tenant: trace.tenant, cause });
    if (signal?.aborted)
      return Promise.reject(error(FlowErrorCode.WAIT_ABORTED, "its signal was aborted", signal.reason));
    if (!isCrowded(trace)) return Promise.resolve(this.#take(trace, writer, draft));
    return new Promise((resolve, reject) => {
      const undo: (() => void)[] = [];
      const settle = (finish: () => void) => {
        for (const step of undo) step();
        finish();
      };
      const refuse = (reason: unknown): void => settle(() => reject(reason));
      const take = (): void => {
        const chunk = this.#take(trace, writer, draft);
        settle(() => resolve(chunk));
      };
      undo.push(this.#takeWhenRoom(trace, take, refuse));
      undo.push(
        trace.onEnd((reason) =>
          refuse(
            reason instanceof Error ? reason : error(FlowErrorCode.TRACE_UNKNOWN, `trace "${trace.id}" has ended`),
          ),
        ),
      );
      if (signal !== undefined)
        undo.push(
          onAbort(signal, (reason) => refuse(error(FlowErrorCode.WAIT_ABORTED, "its signal was aborted", reason))),
        );
    });
  }

  /** Validates a chunk and opens its stream. The chunk gets its number later, when the reader takes it. */
  #draft(trace: Trace, writer: StreamWriter, init: ChunkInit, parent: Message | undefined): ChunkDraft {
    const { seq, done = false, meta } = init;
    const { text, kind, data } = contentOf(init);
    if (typeof text !== "string")
      throw new TypeError(`Option "text" of emitChunk must be a string: got ${shown(text)}`);
    requireBoolean("done", done);
    if (init.streamId !== undefined) requireText("streamId", init.streamId);
    if (meta !== undefined) requireObject("meta", meta);
    if (parent !== undefined && !(parent instanceof Message))
      throw new TypeError(`Option "parent" of emitChunk must be a Message: got ${shown(parent)}`);
    const { id: streamId } = this.#streamsOf(trace).open(writer, init.streamId);
    return { text, kind, data, streamId, seq, done, parentMeta: parent?.meta ?? EMPTY_META, meta };
  }

  #take(trace: Trace, writer: StreamWriter, draft: ChunkDraft): StreamChunk {
    const chunk = this.#streamsOf(trace).next(writer, draft);
    trace.sink.chunk(chunk);
    return chunk;
  }

  #streamsOf(trace: Trace): StreamTable {
    return (trace.more.streams ??= StreamTable.of(trace, this.#engine.tap));
  }

  /** Takes a chunk when the reader has room, in FIFO order. Returns a function that withdraws it. */
  #takeWhenRoom(trace: Trace, take: () => void, refused: (error: unknown) => void): () => void {
    let isWanted = true;
    this.#engine.sending.whenRoom(trace, () => {
      if (!isWanted) return true;
      if (!trace.sink.hasRoom()) return false;
      isWanted = false;
      try {
        take();
      } catch (error) {
        refused(error);
      }
      return true;
    });
    return () => {
      isWanted = false;
    };
  }
}

/**
 * Returns a chunk's content, with a frozen copy of its data.
 *
 * @throws TypeError if its kind is unusable, it has both text and a kind, or data without a kind
 */
function contentOf(init: { readonly text?: unknown; readonly kind?: unknown; readonly data?: unknown }) {
  const { text, kind, data } = init;
  if (kind === undefined) {
    if (data !== undefined)
      throw new TypeError('Cannot emit a chunk: it has "data" without a "kind"; name the kind of its data');
    return { text, kind, data };
  }
  if (typeof kind !== "string" || kind === "")
    throw new TypeError(`Option "kind" of emitChunk must be a string that is not empty: got ${shown(kind)}`);
  if (text !== undefined)
    throw new TypeError(`Cannot emit a chunk of kind ${shown(kind)}: it has "text", too; send two chunks`);
  return { text: "", kind, data: freezeData(data) };
}

/** Whether a chunk must wait for room. */
function isCrowded(trace: Trace): boolean {
  return trace.isUnread || !trace.sink.hasRoom();
}
