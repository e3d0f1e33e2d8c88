import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { jsonFault } from "../foundation/json.ts";
import type { ChunkData } from "./chunk-kinds.ts";
import type { Meta } from "./meta.ts";
import type { PauseTicket } from "./outcome.ts";

/** Reason why a stream ended: its writer was done, failed or was cancelled, or its handler is retried. */
export type StreamEnd = "done" | "error" | "cancelled" | "retry";

/** Fields of every chunk. */
export interface StreamChunkBase {
  /** Id of the stream that the chunk belongs to. */
  readonly streamId: string;
  /** Counts from 0 within one run of the stream. */
  readonly seq: number;
  /** Its text; empty if it has a kind. */
  readonly text: string;
  /** Kind of its data; absent if it is text. */
  readonly kind?: string;
  /** Frozen copy of its data. Objects of a class are passed as they are. */
  readonly data?: unknown;
  /** Whether this is the last chunk. Every stream gets exactly one. */
  readonly done: boolean;
  /** Reason why the stream ended, on its last chunk. */
  readonly end?: StreamEnd;
  /** Attempt of the node that wrote the chunk, from 1; 0 for chunks from outside a node. */
  readonly attempt: number;
  /** Number of earlier streams with this id: 0, then one more for each retry or reuse. */
  readonly run: number;
  /** The node that wrote the chunk, after its callers if in a playbook; absent for chunks from outside. */
  readonly node?: string;
  /** Names of the playbooks in which it was written, outermost first; absent outside of playbooks. */
  readonly path?: readonly string[];
  readonly traceId: string;
  readonly tenant: string;
  /** Copy of the parent message's meta, overlaid with the chunk's own. */
  readonly meta: Meta;
}

/**
 * A piece of a stream that a node sends while it works: text, or data of a declared kind. Chunks that a remote agent
 * sends have the agent's kinds, unchecked.
 */
export type StreamChunk = StreamChunkBase & ({ readonly kind?: undefined; readonly data?: undefined } | ChunkData);

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
  /** The event's type. @defaultValue `"chunk"`, `"done"` for the last chunk, `"pause"` for a pause */
  readonly event?: string;
  /** Milliseconds after which a client reconnects when it has lost its connection. */
  readonly retryMs?: number;
}

/**
 * Formats a chunk or a pause as one server-sent event, ready to be written to the response. The data of a chunk is the
 * JSON text of {@link chunkToWsJson}, with line breaks and control characters escaped, so that any text survives. Its id
 * lets a client resume with `Last-Event-ID`; a pause has none. The data of a pause includes its token: send it only to
 * clients that may answer.
 *
 * Source of the format: WHATWG HTML, section 9.2 "Server-sent events".
 *
 * @throws FlowError `NOT_SERIALISABLE` if the data or the pause's payload is no JSON; names the path
 */
export function formatSseEvent(item: StreamChunk | PauseTicket, options: SseOptions = {}): string {
  const retry = options.retryMs === undefined ? "" : `retry: ${Math.round(options.retryMs)}\n`;
  if ("token" in item) {
    const { token, node, path, name, reason, payload, expiresAt } = item;
    if (payload !== undefined) requireJson(payload, "payload", `pause "${reason}"`);
    const data = JSON.stringify({ token, node, path, name, reason, payload, expiresAt });
    return `event: ${fieldText(options.event ?? "pause")}\n${retry}data: ${data}\n\n`;
  }
  const event = options.event ?? (item.done ? "done" : "chunk");
  return `id: ${chunkId(item)}\nevent: ${fieldText(event)}\n${retry}data: ${chunkToWsJson(item)}\n\n`;
}

/**
 * Formats a chunk as one JSON text for a WebSocket. Keys of `extra` are added; the chunk's own keys win, `kind` and
 * `data` among them.
 *
 * @throws FlowError `NOT_SERIALISABLE` if the chunk's data is no JSON; names the path
 */
export function chunkToWsJson(chunk: StreamChunk, extra: Readonly<Record<string, unknown>> = {}): string {
  const { kind, data } = chunk as StreamChunkBase;
  if (data !== undefined) requireJson(data, "data", `a chunk of kind "${kind}"`);
  const core = {
    id: chunkId(chunk),
    streamId: chunk.streamId,
    seq: chunk.seq,
    text: chunk.text,
    kind,
    data,
    done: chunk.done,
    end: chunk.end,
    attempt: chunk.attempt,
    run: chunk.run,
    node: chunk.node,
    path: chunk.path,
    traceId: chunk.traceId,
    meta: chunk.meta,
  };
  const own: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(extra)) if (!(key in core)) own[key] = value;
  return JSON.stringify({ ...own, ...core });
}

/** @throws FlowError `NOT_SERIALISABLE` if a value is no JSON */
function requireJson(value: unknown, root: string, what: string): void {
  const fault = jsonFault(value, root);
  if (fault === undefined) return;
  throw new FlowError({
    code: FlowErrorCode.NOT_SERIALISABLE,
    message: `Cannot serialise ${what}: ${fault.path} is ${fault.problem}; send JSON data`,
    details: { path: fault.path },
  });
}

// removes line breaks, which would end the field
function fieldText(text: string): string {
  return text.replace(/[\r\n\0]/g, " ");
}
