import type { Meta } from "./meta.ts";

/** Reason why a stream ended: its writer was done, failed or was cancelled, or its handler is retried. */
export type StreamEnd = "done" | "error" | "cancelled" | "retry";

/** A piece of a stream that a node sends while it works. */
export interface StreamChunk {
  /** Id of the stream that the chunk belongs to. */
  readonly streamId: string;
  /** Counts from 0 within one run of the stream. */
  readonly seq: number;
  readonly text: string;
  /** Whether this is the last chunk. Every stream gets exactly one. */
  readonly done: boolean;
  /** Reason why the stream ended, on its last chunk. */
  readonly end?: StreamEnd;
  /** Attempt of the node that wrote the chunk, from 1; 0 for chunks from outside a node. */
  readonly attempt: number;
  /** Number of earlier streams with this id: 0, then one more for each retry or reuse. */
  readonly run: number;
  /** The node that wrote the chunk; absent for chunks from outside. */
  readonly node?: string;
  readonly traceId: string;
  readonly tenant: string;
  /** Copy of the parent message's meta, overlaid with the chunk's own. */
  readonly meta: Meta;
}

/**
 * Returns a chunk's id, unique across streams and retries: `streamId.run.seq`. A server-sent event cannot carry line
 * breaks, NUL and lone surrogates in an id. They are written as `%` and their code, `%` itself as `%25`.
 */
export function chunkId(chunk: StreamChunk): string {
  const streamId = chunk.streamId.replace(
    /[%\r\n\0]|\p{Surrogate}/gu,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return `${streamId}.${chunk.run}.${chunk.seq}`;
}

/** Fields that {@link formatSseEvent} adds to a chunk. */
export interface SseOptions {
  /** The event's type. @defaultValue `"chunk"`, and `"done"` for the last chunk */
  readonly event?: string;
  /** Milliseconds after which a client reconnects when it has lost its connection. */
  readonly retryMs?: number;
}

/**
 * Formats a chunk as one server-sent event, ready to be written to the response. Its data is the JSON text of {@link
 * chunkToWsJson}, with line breaks and control characters escaped, so that any text survives. Its id lets a client
 * resume with `Last-Event-ID`.
 *
 * Source of the format: WHATWG HTML, section 9.2 "Server-sent events".
 */
export function formatSseEvent(chunk: StreamChunk, options: SseOptions = {}): string {
  const event = options.event ?? (chunk.done ? "done" : "chunk");
  const retry = options.retryMs === undefined ? "" : `retry: ${Math.round(options.retryMs)}\n`;
  return `id: ${chunkId(chunk)}\nevent: ${fieldText(event)}\n${retry}data: ${chunkToWsJson(chunk)}\n\n`;
}

/** Formats a chunk as one JSON text for a WebSocket. Keys of `extra` are added; the chunk's own keys win. */
export function chunkToWsJson(chunk: StreamChunk, extra: Readonly<Record<string, unknown>> = {}): string {
  const core = {
    id: chunkId(chunk),
    streamId: chunk.streamId,
    seq: chunk.seq,
    text: chunk.text,
    done: chunk.done,
    end: chunk.end,
    attempt: chunk.attempt,
    run: chunk.run,
    node: chunk.node,
    traceId: chunk.traceId,
    meta: chunk.meta,
  };
  const own: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(extra)) if (!(key in core)) own[key] = value;
  return JSON.stringify({ ...own, ...core });
}

// removes line breaks, which would end the field
function fieldText(text: string): string {
  return text.replace(/[\r\n\0]/g, " ");
}
