import type { Part } from "@a2a-js/sdk";

/**
 * The A2A extension by which flows tell one another what the protocol has no field for. Under this key of a message's
 * metadata stands a {@link CallFacts}, under that of a task and its events a {@link TaskFacts}.
 */
export const EXTENSION = "urn:penguiflow:a2a:1";

/** What a caller says about its message. Other keys of the message's metadata are the flow's meta. */
export interface CallFacts {
  /** Which skill of the agent is meant. */
  readonly skill?: string | undefined;
  readonly topic?: string | undefined;
  readonly priority?: number | undefined;
  /** The trace of the caller. */
  readonly traceId?: string | undefined;
  /** Epoch milliseconds. */
  readonly deadlineAt?: number | undefined;
  /** What the caller has left of the budgets of a controller loop. */
  readonly budget?: { readonly hops: number | null; readonly tokens: number | null } | undefined;
}

/** What an agent says about a task. */
export interface TaskFacts {
  /** Which skill of the agent works on it. */
  readonly skill?: string | undefined;
  /** How many events of the task there were. */
  readonly seq?: number | undefined;
  /** Why the task ended as it did: a `FlowErrorCode`. */
  readonly code?: string | undefined;
  /** Whether a new task may do better. */
  readonly retryable?: boolean | undefined;
  /** The trace of the caller. */
  readonly callerTraceId?: string | undefined;
}

/** The artifacts of a flow's task: its chunks, and its result. */
export const TEXT_ARTIFACT = "text";
export const RESULT_ARTIFACT = "result";

const JSON_TYPE = "application/json";

type Metadata = { readonly [key: string]: unknown } | undefined;

/** What stands under the extension's key; nothing of it has been checked. */
export function factsIn(metadata: Metadata): { readonly [key: string]: unknown } {
  const facts = metadata?.[EXTENSION];
  return typeof facts === "object" && facts !== null ? (facts as { readonly [key: string]: unknown }) : {};
}

/** Metadata without the extension's key. */
export function withoutFacts(metadata: Metadata): Record<string, unknown> {
  return Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => key !== EXTENSION));
}

/** A file, or what is said about one, as a part of a flow's result. */
export interface FilePart {
  /** Where it is. */
  readonly url?: string;
  /** What is in it. */
  readonly bytes?: Uint8Array;
  readonly filename?: string;
  /** @defaultValue not said */
  readonly mediaType?: string;
}

/** A result that consists of files, where a flow's result becomes the artifact of a task. */
export class Files {
  readonly files: readonly FilePart[];

  /** @throws TypeError when a file has neither `url` nor `bytes`, or both */
  constructor(...files: readonly FilePart[]) {
    for (const { url, bytes } of files)
      if ((url === undefined) === (bytes === undefined)) throw new TypeError('A file needs either "url" or "bytes"');
    this.files = Object.freeze([...files]);
  }
}

/**
 * A value as the parts of a message or artifact: text as text, anything else as data.
 *
 * @throws TypeError when it is no JSON
 */
export function partsOf(value: unknown): Part[] {
  if (value === undefined) return [];
  if (value instanceof Files) return value.files.map(filePart);
  if (typeof value === "string") return [textPart(value)];
  const json = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`Cannot send a ${typeof value}: it is not JSON`);
  // a copy: what is sent later is what was there now, and plain data
  const content = { $case: "data" as const, value: JSON.parse(json) as unknown };
  return [{ content, mediaType: JSON_TYPE, filename: "", metadata: undefined }];
}

function filePart({ url, bytes, filename = "", mediaType = "" }: FilePart): Part {
  const content: Part["content"] =
    bytes === undefined ? { $case: "url", value: url ?? "" } : { $case: "raw", value: Buffer.from(bytes) };
  return { content, filename, mediaType, metadata: undefined };
}

/** A piece of text as a part. */
export function textPart(text: string): Part {
  return { content: { $case: "text", value: text }, mediaType: "text/plain", filename: "", metadata: undefined };
}

/** What parts carry: the first data, else the texts as one, else files as a list; `undefined` for no parts. */
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

/** The texts of parts as one. */
export function textOf(parts: readonly Part[]): string {
  let text = "";
  // not joined: a long text to which a little is added is not copied
  for (const { content } of parts) if (content?.$case === "text") text += content.value;
  return text;
}

/** Whether a part carries `null`, which the SDK reads as a part without content. */
export function isNull(content: Part["content"], mediaType: string): boolean {
  return content === undefined && mediaType === JSON_TYPE;
}
