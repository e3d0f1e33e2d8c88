import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
} from "@ai-sdk/provider";
import { differencesOf } from "./differences.ts";

/** The calls of a model, as a file keeps them. */
interface Cassette {
  readonly version: 1;
  readonly provider: string;
  readonly modelId: string;
  readonly calls: readonly RecordedCall[];
}

/** A call: what was asked, without headers and signal, and what came. */
interface RecordedCall {
  readonly request: unknown;
  readonly content?: unknown;
  /** Parts of a stream. */
  readonly stream?: unknown;
}

/**
 * Returns a model that asks another one and keeps its calls in a file, for {@link replay}. It begins the file anew. Of
 * requests no headers are kept, and calls that fail are not kept.
 */
export function record(model: LanguageModelV4, file: string): LanguageModelV4 {
  const calls: RecordedCall[] = [];
  const keep = (call: RecordedCall): void => {
    calls.push(call);
    write(file, { version: 1, provider: model.provider, modelId: model.modelId, calls });
  };
  return {
    specificationVersion: "v4",
    provider: model.provider,
    modelId: model.modelId,
    supportedUrls: model.supportedUrls,
    async doGenerate(options) {
      const request = requestOf("generate", options);
      const result = await model.doGenerate(options);
      const { content, finishReason, usage, response } = result;
      keep({ request, content: asJson({ content, finishReason, usage, modelId: response?.modelId }) });
      return result;
    },
    async doStream(options) {
      const request = requestOf("stream", options);
      const result = await model.doStream(options);
      const parts: LanguageModelV4StreamPart[] = [];
      const listening = new TransformStream<LanguageModelV4StreamPart, LanguageModelV4StreamPart>({
        transform(part, controller) {
          parts.push(part);
          controller.enqueue(part);
        },
        flush() {
          if (parts.some(({ type }) => type === "error") || !parts.some(({ type }) => type === "finish")) return;
          keep({ request, stream: asJson(parts.filter(({ type }) => type !== "raw" && type !== "ping")) });
        },
      });
      return { ...result, stream: result.stream.pipeThrough(listening) };
    },
  };
}

/**
 * Returns a model that answers from a file that {@link record} has made, without a network. A request gets the answer
 * that was recorded for the same one; of several alike each is used once, in their order.
 *
 * @throws Error for a request that was not recorded: it tells what differs
 */
export function replay(file: string): LanguageModelV4 {
  const { provider, modelId, calls } = read(file);
  const left = calls.map((call, index) => ({ ...call, number: index + 1 }));
  const take = (kind: "generate" | "stream", options: LanguageModelV4CallOptions): RecordedCall => {
    options.abortSignal?.throwIfAborted();
    const request = requestOf(kind, options);
    const compared = left.map((call) => ({ call, faults: differencesOf(call.request, request, false) }));
    const found = compared.findIndex(({ faults }) => faults.length === 0);
    const [call] = found === -1 ? [] : left.splice(found, 1);
    if (call !== undefined) return call;
    const nearest = compared.toSorted((one, other) => one.faults.length - other.faults.length)[0];
    const why =
      nearest === undefined
        ? `all ${calls.length} recorded calls are used`
        : `from call ${nearest.call.number} of ${calls.length} it differs in\n  ${nearest.faults.join("\n  ")}\n`;
    const error = new Error(`Cannot replay a call from "${file}": ${why}; record it again if this is meant`);
    throw Object.assign(error, { isRetryable: false });
  };
  return {
    specificationVersion: "v4",
    provider,
    modelId,
    supportedUrls: {},
    async doGenerate(options) {
      const { modelId: answered, ...result } = fromJson(take("generate", options).content) as Pick<
        LanguageModelV4GenerateResult,
        "content" | "finishReason" | "usage"
      > & { readonly modelId?: string };
      return { ...result, ...(answered !== undefined && { response: { modelId: answered } }), warnings: [] };
    },
    async doStream(options) {
      const parts = fromJson(take("stream", options).stream) as readonly LanguageModelV4StreamPart[];
      return { stream: streamOf(parts) };
    },
  };
}

function streamOf(parts: readonly LanguageModelV4StreamPart[]): ReadableStream<LanguageModelV4StreamPart> {
  const rest = parts.values();
  return new ReadableStream({
    pull(controller) {
      const part = rest.next();
      if (part.done === true) controller.close();
      else controller.enqueue(part.value);
    },
  });
}

/** Returns what a recorded call is found by. Headers may have secrets in them. */
function requestOf(kind: "generate" | "stream", options: LanguageModelV4CallOptions): unknown {
  const { abortSignal: _, headers: __, ...asked } = options;
  return asJson({ kind, ...asked });
}

function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, toStored));
}

/** Writes bytes, URLs and dates as objects. `this` holds the value before its own `toJSON`. */
function toStored(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const held = this[key];
  if (held instanceof Uint8Array) return { $bytes: Buffer.from(held).toString("base64") };
  if (held instanceof URL) return { $url: held.href };
  if (held instanceof Date) return { $date: held.toISOString() };
  return value;
}

function fromJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, stored: unknown) => {
    const { $bytes, $url, $date } = (stored ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof $bytes === "string") return new Uint8Array(Buffer.from($bytes, "base64"));
    if (typeof $url === "string") return new URL($url);
    if (typeof $date === "string") return new Date($date);
    return stored;
  });
}

function read(file: string): Cassette {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`Cannot replay "${file}": it cannot be read; record it first`, { cause });
  }
  const cassette = JSON.parse(text) as Cassette;
  if (cassette.version === 1) return cassette;
  throw new Error(`Cannot replay "${file}": expected version 1, got ${String(cassette.version)}; record it again`);
}

/** Writes a file as a whole: a test that is killed leaves the last one. */
function write(file: string, cassette: Cassette): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, `${JSON.stringify(cassette, undefined, 2)}\n`);
  renameSync(`${file}.part`, file);
}
