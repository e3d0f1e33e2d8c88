import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { freezeOutsideProduction } from "../../foundation/freeze.ts";
import { EMPTY_META, freezeMeta, type Meta } from "../../message/meta.ts";
import type { StreamChunk, StreamChunkBase, StreamEnd } from "../../message/stream-chunk.ts";

/** Writer of a stream: an attempt, or a caller outside the flow's nodes. */
export interface StreamWriter {
  readonly node: string | undefined;
  readonly attempt: number;
  /** Names of the playbooks in which it writes; absent outside of playbooks. */
  readonly path?: readonly string[];
}

/** Chunk as requested by its writer, before it has a number. */
export interface ChunkDraft {
  readonly text: string;
  readonly kind: string | undefined;
  readonly data: unknown;
  readonly streamId: string | undefined;
  readonly seq: number | undefined;
  readonly done: boolean;
  readonly parentMeta: Meta;
  readonly meta: Meta | undefined;
}

/** Receives each chunk for the reader of an outermost trace, beside that reader. */
export interface StreamTap {
  readonly takesChunks: boolean;
  chunk(chunk: StreamChunk, stream: { readonly meta: Meta; readonly kind: string | undefined }): void;
}

interface OpenStream {
  readonly id: string;
  nextSeq: number;
  run: number;
  writer: StreamWriter | undefined;
  /** Meta and kind of its first chunk, if chunks are tapped. */
  first: { readonly meta: Meta; readonly kind: string | undefined } | undefined;
}

/** Trace that owns streams. */
interface StreamOwner {
  readonly id: string;
  readonly tenant: string;
  /** Its caller, if it is a playbook's. */
  readonly origin: object | null;
}

/** Content of the chunk with which the runtime ends a stream. */
const LAST = { text: "", kind: undefined, data: undefined, parentMeta: EMPTY_META, meta: undefined };

/**
 * Streams of one trace. Numbers their chunks. At most one writer per stream, and exactly one last chunk per run of a
 * stream.
 *
 * States of a stream: open (has a writer) ⇄ closed (its last chunk was sent). The next chunk reopens it as its next
 * run.
 */
export class StreamTable {
  readonly #traceId: string;
  readonly #tenant: string;
  readonly #tap: StreamTap | undefined;
  readonly #streams = new Map<string, OpenStream>();
  readonly #ownIds = new Map<StreamWriter, string>();
  #unnamed = 0;
  /** Stream written last, checked first because writers rarely alternate. */
  #last: OpenStream | undefined;
  /** Whether the last writer named no stream, so that no lookup by id is needed. */
  #isLastUnnamed = false;

  constructor(traceId: string, tenant: string, tap: StreamTap | undefined) {
    this.#traceId = traceId;
    this.#tenant = tenant;
    this.#tap = tap;
  }

  /** Creates the streams of a trace. Those of a playbook are not tapped: its chunks become its parent's. */
  static of({ id, tenant, origin }: StreamOwner, tap: StreamTap | undefined): StreamTable {
    return new StreamTable(id, tenant, origin === null && tap?.takesChunks === true ? tap : undefined);
  }

  /**
   * Opens a stream for a writer, unless it is already open for that writer.
   *
   * @throws FlowError `STREAM_BUSY` if another writer has not ended the stream
   */
  open(writer: StreamWriter, wanted: string | undefined): OpenStream {
    const last = this.#last;
    if (last?.writer === writer && (wanted === undefined ? this.#isLastUnnamed : last.id === wanted)) return last;
    const streamId = wanted ?? this.#ownIdOf(writer);
    let stream = this.#streams.get(streamId);
    if (stream === undefined) {
      stream = { id: streamId, nextSeq: 0, run: 0, writer, first: undefined };
      this.#streams.set(streamId, stream);
    } else if (stream.writer === undefined) {
      stream.writer = writer;
      stream.nextSeq = 0;
      stream.run += 1;
      stream.first = undefined;
    } else if (stream.writer !== writer) {
      throw new FlowError({
        code: FlowErrorCode.STREAM_BUSY,
        message: `Cannot write to stream "${streamId}": ${nameOf(stream.writer)} has not ended it; end it or use another streamId`,
        traceId: this.#traceId,
        tenant: this.#tenant,
        node: writer.node,
      });
    }
    this.#last = stream;
    this.#isLastUnnamed = wanted === undefined;
    return stream;
  }

  /**
   * Makes the next chunk of a stream. Call it when the chunk is taken, so that an abandoned chunk leaves no gap in the
   * numbers.
   *
   * @throws FlowError `STREAM_BUSY`; RangeError if `seq` is lower than the next number
   */
  next(writer: StreamWriter, draft: ChunkDraft): StreamChunk {
    return this.#next(writer, draft, this.#tap);
  }

  /** Makes the next chunk of a stream for a node, as {@link StreamTable.next} does for the reader. */
  routed(writer: StreamWriter, draft: ChunkDraft): StreamChunk {
    return this.#next(writer, draft, undefined);
  }

  #next(writer: StreamWriter, draft: ChunkDraft, tap: StreamTap | undefined): StreamChunk {
    const stream = this.open(writer, draft.streamId);
    const seq = draft.seq ?? stream.nextSeq;
    if (!Number.isInteger(seq) || seq < stream.nextSeq) {
      throw new RangeError(
        `Option "seq" of stream "${stream.id}" must be a whole number of ${stream.nextSeq} or more: got ${seq}`,
      );
    }
    stream.nextSeq = seq + 1;
    return this.#chunk(stream, writer, seq, draft, draft.done ? "done" : undefined, tap);
  }

  /** Ends every stream `writer` has open and returns their last chunks. */
  endAll(writer: StreamWriter, end: StreamEnd): StreamChunk[] {
    const last: StreamChunk[] = [];
    for (const stream of this.#streams.values()) {
      if (stream.writer === writer) last.push(this.#lastChunk(stream, writer, end));
    }
    this.#ownIds.delete(writer);
    return last;
  }

  /** Ends every open stream of the trace and returns their last chunks. */
  endTrace(end: StreamEnd): StreamChunk[] {
    const last: StreamChunk[] = [];
    for (const stream of this.#streams.values()) {
      if (stream.writer !== undefined) last.push(this.#lastChunk(stream, stream.writer, end));
    }
    return last;
  }

  /** Passes the stream id of an attempt on to its retry. */
  inherit(from: StreamWriter, to: StreamWriter): void {
    const streamId = this.#ownIds.get(from);
    if (streamId !== undefined) this.#ownIds.set(to, streamId);
  }

  #lastChunk(stream: OpenStream, writer: StreamWriter, end: StreamEnd): StreamChunk {
    return this.#chunk(stream, writer, stream.nextSeq, LAST, end, this.#tap);
  }

  #chunk(
    stream: OpenStream,
    writer: StreamWriter,
    seq: number,
    { text, kind, data, parentMeta, meta }: Omit<ChunkDraft, "streamId" | "seq" | "done">,
    end: StreamEnd | undefined,
    tap: StreamTap | undefined,
  ): StreamChunk {
    if (end !== undefined) stream.writer = undefined;
    const chunk: { -readonly [Key in keyof StreamChunkBase]: StreamChunkBase[Key] } = {
      streamId: stream.id,
      seq,
      text,
      done: end !== undefined,
      attempt: writer.attempt,
      run: stream.run,
      traceId: this.#traceId,
      tenant: this.#tenant,
      meta: meta === undefined ? parentMeta : freezeMeta({ ...parentMeta, ...meta }),
    };
    if (writer.node !== undefined) chunk.node = writer.node;
    if (writer.path !== undefined) chunk.path = writer.path;
    if (end !== undefined) chunk.end = end;
    if (kind !== undefined) {
      chunk.kind = kind;
      if (data !== undefined) chunk.data = data;
    }
    const made = freezeOutsideProduction(chunk) as StreamChunk;
    if (tap !== undefined) tap.chunk(made, (stream.first ??= { meta: chunk.meta, kind }));
    return made;
  }

  #ownIdOf(writer: StreamWriter): string {
    let streamId = this.#ownIds.get(writer);
    if (streamId === undefined) {
      this.#unnamed += 1;
      streamId = this.#unnamed === 1 ? this.#traceId : `${this.#traceId}~${this.#unnamed}`;
      this.#ownIds.set(writer, streamId);
    }
    return streamId;
  }
}

function nameOf(writer: StreamWriter): string {
  return writer.node === undefined ? "a caller outside of the flow" : `node "${writer.node}"`;
}
