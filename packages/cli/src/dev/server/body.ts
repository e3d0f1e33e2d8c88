import type { IncomingMessage } from "node:http";
import { ApiError } from "./api-error.ts";

/** Bytes of a body at most. */
const MAX_BODY = 1024 * 1024;

/**
 * Reads the body of a request as a JSON object.
 *
 * @throws ApiError `CONTENT_TYPE_WRONG`, `BODY_TOO_LARGE`, `INPUT_MALFORMED`
 */
export async function readObject(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  // a page of another origin can send other types without asking
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? ""))
    throw new ApiError("CONTENT_TYPE_WRONG", "The body must be application/json");
  const text = await readText(request);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new ApiError("INPUT_MALFORMED", `The body is no JSON: ${(error as Error).message}`);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new ApiError("INPUT_MALFORMED", "The body must be a JSON object");
  return body as Readonly<Record<string, unknown>>;
}

/** @throws ApiError `BODY_TOO_LARGE` */
export async function readText(request: IncomingMessage): Promise<string> {
  const tooLarge = (): ApiError => new ApiError("BODY_TOO_LARGE", `The body has more than ${MAX_BODY} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** A body's fields, checked one by one. */
export class Fields {
  readonly #body: Readonly<Record<string, unknown>>;

  /** @throws ApiError `INPUT_MALFORMED` for an unknown field */
  constructor(body: Readonly<Record<string, unknown>>, known: readonly string[]) {
    this.#body = body;
    const unknown = Object.keys(body).find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw new ApiError("INPUT_MALFORMED", `Unknown field "${unknown}": expected ${known.join(", ") || "none"}`);
  }

  any(name: string): unknown {
    return this.#body[name];
  }

  has(name: string): boolean {
    return this.#body[name] !== undefined;
  }

  text(name: string): string {
    return this.#must(name, "a text", this.optionalText(name));
  }

  optionalText(name: string): string | undefined {
    return this.#of(name, "a text", (value) => typeof value === "string") as string | undefined;
  }

  flag(name: string): boolean {
    return (this.#of(name, "true or false", (value) => typeof value === "boolean") as boolean | undefined) ?? false;
  }

  integer(name: string, least: number, most: number): number | undefined {
    const isGood = (value: unknown): boolean =>
      Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
    return this.#of(name, `a whole number from ${least} to ${most}`, isGood) as number | undefined;
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    return this.#of(name, choices.join(" or "), (value) => choices.includes(value as Choice)) as Choice | undefined;
  }

  texts(name: string): readonly string[] {
    const isGood = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === "string");
    return (this.#of(name, "a list of texts", isGood) as readonly string[] | undefined) ?? [];
  }

  records(name: string): readonly Readonly<Record<string, unknown>>[] {
    const isRecord = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
    const isGood = (value: unknown): boolean => Array.isArray(value) && value.every(isRecord);
    return (
      (this.#of(name, "a list of objects", isGood) as readonly Readonly<Record<string, unknown>>[] | undefined) ?? []
    );
  }

  #must<Value>(name: string, wanted: string, value: Value | undefined): Value {
    if (value === undefined) throw new ApiError("INPUT_MALFORMED", `Field "${name}" must be ${wanted}`);
    return value;
  }

  #of(name: string, wanted: string, isGood: (value: unknown) => boolean): unknown {
    const value = this.#body[name];
    if (value === undefined || isGood(value)) return value;
    throw new ApiError(
      "INPUT_MALFORMED",
      `Field "${name}" must be ${wanted}: got ${JSON.stringify(value).slice(0, 80)}`,
    );
  }
}
