import type { Json, ToolOutput } from "@penguiflow/planner";
import { essenceOf, isJson, isText } from "./body.ts";
import { type ApiDocument, follow, type MediaType, type Operation } from "./document.ts";
import { OpenApiError } from "./open-api-error.ts";
import { withoutSecrets } from "./security.ts";

/** The body of an answer, read to its end or to a limit. */
export interface ReadBody {
  readonly bytes: Buffer;
  /** Whether the answer has more than the limit. */
  readonly isCut: boolean;
}

/** Reads at most `limit` bytes of an answer and gives up the rest. */
export async function readBody(response: Response, limit: number): Promise<ReadBody> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // leaving the loop cancels the body
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) break;
  }
  return { bytes: Buffer.concat(chunks).subarray(0, limit), isCut: length > limit };
}

/** Converts a successful answer for the model: JSON as data, text as text, the rest as a file. */
export function outputOf(place: string, response: Response, bytes: Buffer, secrets: readonly string[]): ToolOutput {
  const { status, headers } = response;
  const type = essenceOf(headers.get("content-type") ?? "");
  if (bytes.length === 0) return { kind: "text", text: `HTTP ${status}, without a body` };
  if (isJson(type)) {
    const text = bytes.toString("utf8");
    try {
      return { kind: "json", value: cleaned(JSON.parse(text) as Json, secrets) };
    } catch (cause) {
      const message = `Cannot read the answer of ${place}: HTTP ${status} with JSON that cannot be parsed`;
      throw new OpenApiError({ message, status, retryable: false, cause });
    }
  }
  if (isText(type) || type === "") return { kind: "text", text: withoutSecrets(decoded(bytes, headers), secrets) };
  const filename = filenameIn(headers.get("content-disposition"));
  const file = { type: "file", mediaType: type, data: bytes.toString("base64") } as const;
  return { kind: "content", parts: [filename === undefined ? file : { ...file, filename }] };
}

/** Decodes a text in the character set that its headers name, or else UTF-8. */
function decoded(bytes: Buffer, headers: Headers): string {
  const [, charset = "utf-8"] = /charset="?([\w-]+)/i.exec(headers.get("content-type") ?? "") ?? [];
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString("utf8");
  }
}

function filenameIn(disposition: string | null): string | undefined {
  const [, quoted, plain] = /filename=(?:"([^"]*)"|([^;\s]+))/i.exec(disposition ?? "") ?? [];
  // a name alone, no path
  return (quoted ?? plain)?.split(/[\\/]/).at(-1);
}

/** Removes secrets that a server repeats from all texts of a value. */
function cleaned(value: Json, secrets: readonly string[]): Json {
  if (secrets.length === 0) return value;
  if (typeof value === "string") return withoutSecrets(value, secrets);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => cleaned(item, secrets));
  const entries = Object.entries(value).map(([key, item]) => [withoutSecrets(key, secrets), cleaned(item, secrets)]);
  return Object.fromEntries(entries) as Json;
}

/** Finds the description of an answer: of its status, of its class such as `2XX`, or the default. */
export function mediaOf(
  document: ApiDocument,
  { responses = {} }: Operation,
  response: Response,
): MediaType | undefined {
  const status = String(response.status);
  const described = responses[status] ?? responses[`${status[0]}XX`] ?? responses["default"];
  if (described === undefined) return undefined;
  const { content = {} } = follow(document, described);
  const type = essenceOf(response.headers.get("content-type") ?? "");
  const [kind] = type.split("/");
  const fits = [type, `${kind}/*`, "*/*"];
  return fits
    .map((wanted) => Object.entries(content).find(([offered]) => essenceOf(offered) === wanted)?.[1])
    .find((media) => media !== undefined);
}

/** Reads `Retry-After`: seconds, or a date. */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (text === undefined || text === "") return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
