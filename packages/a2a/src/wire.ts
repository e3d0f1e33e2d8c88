import type { Part } from "@a2a-js/sdk";
import { type Budget, chunkToWsJson, type RemoteChunk, type StreamChunk } from "penguiflow";

/**
 * URI of the A2A extension by which flows exchange data the protocol has no field for. Under this key a message's
 * metadata has a {@link CallFacts}, and that of a task and its events a {@link TaskFacts}.
 */
export const EXTENSION = "urn:penguiflow:a2a:1";

/** Facts a caller attaches to its message. Other keys of the message's metadata are the flow's meta. */
export interface CallFacts {
  /** Skill of the agent that the message addresses. */
  readonly skill?: string | undefined;
  readonly topic?: string | undefined;
  readonly priority?: number | undefined;
  /** Trace of the caller. */
  readonly traceId?: string | undefined;
  /** Deadline in epoch milliseconds. */
  readonly deadlineAt?: number | undefined;
  /** Remaining budgets of the caller's controller loop. */
  readonly budget?: { readonly hops: number | null; readonly tokens: number | null } | undefined;
  /** Amounts left of the budget of the caller's trace, by name. */
  readonly traceBudget?: Budget | undefined;
}

/** Facts an agent attaches to a task. */
export interface TaskFacts {
  /** Skill of the agent that works on the task. */
  readonly skill?: string | undefined;
  /** Number of events of the task so far. */
  readonly seq?: number | undefined;
  /** Cause of the task's end: a `FlowErrorCode`. */
  readonly code?: string | undefined;
  /** Whether a new task may succeed. */
  readonly retryable?: boolean | undefined;
  /** Trace of the caller. */
  readonly callerTraceId?: string | undefined;
  /** Amounts that the task has spent, once it is complete, of the names in the caller's {@link CallFacts.traceBudget}. */
  readonly spent?: Budget | undefined;
}

/** Facts that mark a part of the chunks' artifact as a chunk with data. */
export interface ChunkFacts {
  /** Kind of the data. */
  readonly kind: string;
}

/** Artifacts of a flow's task: its chunks, and its result. */
export const TEXT_ARTIFACT = "text";
export const RESULT_ARTIFACT = "result";

const JSON_TYPE = "application/json";

type Metadata = { readonly [key: string]: unknown } | undefined;

/** Reads the facts under the extension's key, unvalidated. */
export function factsIn(metadata: Metadata): { readonly [key: string]: unknown } {
  const facts = metadata?.[EXTENSION];
  return typeof facts === "object" && facts !== null ? (facts as { readonly [key: string]: unknown }) : {};
}

/** Removes the extension's key from metadata. */
export function withoutFacts(metadata: Metadata): Record<string, unknown> {
  return Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => key !== EXTENSION));
}

/** A file, or a reference to one, as a part of a flow's result. */
export interface FilePart {
  /** Location of the file. */
  readonly url?: string;
  /** Content of the file. */
  readonly bytes?: Uint8Array;
  readonly filename?: string;
  /** Media type. @defaultValue unspecified */
  readonly mediaType?: string;
}

/** A result that consists of files, where a flow's result becomes the artifact of a task. */
export class Files {
  readonly files: readonly FilePart[];

  /** @throws TypeError when a file has neither `url` nor `bytes`, or both */
  constructor(...files: readonly FilePart[]) {
    for (const { url, bytes } of files)
      if ((url === undefined) === (bytes === undefined))
        throw new TypeError(
          `Cannot build a file: expected either "url" or "bytes", got ${url === undefined ? "neither" : "both"}`,
        );
    this.files = Object.freeze([...files]);
  }
}

/**
 * Converts a value to the parts of a message or artifact: a string to text, anything else to data.
 *
 * @throws TypeError when it is no JSON
 */
export function partsOf(value: unknown): Part[] {
  if (value === undefined) return [];
  if (value instanceof Files) return value.files.map(filePart);
  if (typeof value === "string") return [textPart(value)];
  const json = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`Cannot send a ${typeof value}: it is not JSON`);
  // a copy, so that later changes to the value have no effect
  const content = { $case: "data" as const, value: JSON.parse(json) as unknown };
  return [{ content, mediaType: JSON_TYPE, filename: "", metadata: undefined }];
}

function filePart({ url, bytes, filename = "", mediaType = "" }: FilePart): Part {
  const content: Part["content"] =
    bytes === undefined ? { $case: "url", value: url ?? "" } : { $case: "raw", value: Buffer.from(bytes) };
  return { content, filename, mediaType, metadata: undefined };
}

/** Converts a text to a part. */
export function textPart(text: string): Part {
  return { content: { $case: "text", value: text }, mediaType: "text/plain", filename: "", metadata: undefined };
}

/**
 * Converts a chunk with data to a part: its data, or an empty text if it has none.
 *
 * @throws FlowError `NOT_SERIALISABLE` when the data is no JSON; names the path
 */
export function chunkPart(chunk: StreamChunk): Part {
  // meta may hold values of the process, and no part carries it
  const { kind, data } = JSON.parse(chunkToWsJson({ ...chunk, meta: {} })) as RemoteChunk;
  const facts: ChunkFacts = { kind };
  const metadata = { [EXTENSION]: facts };
  if (data === undefined) return { ...textPart(""), metadata };
  return { content: { $case: "data", value: data }, mediaType: JSON_TYPE, filename: "", metadata };
}

/** Extracts the chunks with data among the parts of the chunks' artifact. */
export function chunksOf(parts: readonly Part[]): RemoteChunk[] {
  return parts.flatMap(({ content, metadata, mediaType }): RemoteChunk[] => {
    const { kind } = factsIn(metadata);
    if (typeof kind !== "string") return [];
    if (content?.$case === "data") return [{ kind, data: content.value as unknown }];
    return [isNull(content, mediaType) ? { kind, data: null } : { kind }];
  });
}

/**
 * Extracts the value of parts: the first data, else the joined texts, else the files as a list; `undefined` without
 * parts.
 */
export function valueOf(parts: readonly Part[]): unknown {
  // the SDK reads a part whose data is null as one without content
  const data = parts.find(({ content, mediaType }) => content?.$case === "data" || isNull(content, mediaType));
  if (data !== undefined) return data.content?.$case === "data" ? (data.content.value as unknown) : null;
  if (parts.some(({ content }) => content?.$case === "text")) return textOf(parts);
  const files = parts.flatMap(({ content, filename, mediaType }): object[] => {
    if (content?.$case === "url") return [{ url: content.value, filename, mediaType }];
    if (content?.$case === "raw") return [{ raw: content.value.toString("base64"), filename, mediaType }];
    return [];
  });
  return files.length === 0 ? undefined : files;
}

/** Joins the texts of parts. */
export function textOf(parts: readonly Part[]): string {
  let text = "";
  // concatenated, because joining would copy a long text for each small addition
  for (const { content } of parts) if (content?.$case === "text") text += content.value;
  return text;
}

/** Whether a part carries `null`, which the SDK reads as a part without content. */
export function isNull(content: Part["content"], mediaType: string): boolean {
  return content === undefined && mediaType === JSON_TYPE;
}
