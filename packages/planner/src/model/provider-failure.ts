import { ModelError } from "./model-error.ts";

/** The fields of a provider's error that are read. They are matched by shape: classes differ between packages. */
interface Failure {
  readonly message: string;
  readonly statusCode: number | undefined;
  readonly isRetryable: boolean | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Everything it says, for a search. */
  readonly words: string;
}

/** Characters of a provider's words that a message has: some answer with a whole page. */
const MAX_MESSAGE = 500;

/** Maximum number of causes that are searched. */
const MAX_CAUSES = 4;

/** Errors of the AI SDK that the same call meets again. */
const LASTING = new Set([
  "AI_InvalidArgumentError",
  "AI_InvalidPromptError",
  "AI_LoadAPIKeyError",
  "AI_LoadSettingError",
  "AI_NoSuchModelError",
  "AI_UnsupportedFunctionalityError",
]);

/** Converts what a model threw, or sent as the error part of a stream, to a {@link ModelError}. */
export function providerFailure(modelId: string, thrown: unknown, text: string | undefined): ModelError {
  if (thrown instanceof ModelError) return thrown;
  const failure = read(thrown);
  const isTooLong = tellsTooLong(failure);
  const status = failure.statusCode === undefined ? "" : `${failure.statusCode} `;
  return new ModelError({
    code: isTooLong ? "CONTEXT_TOO_LONG" : "MODEL_FAILED",
    message: `Cannot call model "${modelId}": ${status}${failure.message.slice(0, MAX_MESSAGE)}`,
    retryable:
      !isTooLong &&
      !failure.words.includes("insufficient_quota") &&
      (failure.isRetryable ?? !LASTING.has(nameOf(thrown))),
    retryAfterMs: retryAfterMs(failure.headers),
    text: text === "" ? undefined : text,
    cause: thrown,
  });
}

function read(thrown: unknown): Failure {
  let answered: Readonly<Record<string, unknown>> = fieldsOf(thrown);
  const words: string[] = [];
  let current: unknown = thrown;
  for (let depth = 0; depth < MAX_CAUSES && current !== undefined && current !== null; depth += 1) {
    const fields = fieldsOf(current);
    for (const name of ["message", "code", "type", "responseBody"]) {
      if (typeof fields[name] === "string") words.push(fields[name]);
    }
    if (typeof answered["statusCode"] !== "number" && typeof fields["statusCode"] === "number") answered = fields;
    current = fields["cause"];
  }
  const { statusCode, isRetryable, responseHeaders } = answered;
  const { message } = fieldsOf(thrown);
  return {
    message: typeof message === "string" ? message : typeof thrown === "string" ? thrown : asJson(thrown),
    statusCode: typeof statusCode === "number" ? statusCode : undefined,
    isRetryable: typeof isRetryable === "boolean" ? isRetryable : undefined,
    headers: fieldsOf(responseHeaders),
    words: words.length > 0 ? words.join("\n") : asJson(thrown),
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function nameOf(thrown: unknown): string {
  const { name } = fieldsOf(thrown);
  return typeof name === "string" ? name : "";
}

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return "an error that cannot be read";
  }
}

/**
 * Phrases of providers for a prompt that is longer than the model's context: OpenAI, Anthropic, Google, Bedrock,
 * Mistral and vLLM, Groq, xAI, llama.cpp, LM Studio, Moonshot, MiniMax, Cohere.
 */
const TOO_LONG = [
  /context[_ ]length[_ ]exceeded/i,
  /exceeds? (?:the |your )?(?:model's |available |maximum )?context (?:window|size|length)/i,
  /(?:maximum|max) (?:context|prompt) length/i,
  /prompt is too long/i,
  /input is too long/i,
  /input token count.*exceeds/i,
  /reduce the length of the (?:messages|prompt|input)/i,
  /greater than the context length/i,
  /context window exceeds limit/i,
  /exceeded model token limit/i,
  /too many tokens(?!.*per (?:minute|day))/i,
  /request_too_large/i,
];

function tellsTooLong({ statusCode, words }: Failure): boolean {
  // a limit of tokens per minute is worded alike, and passes by itself
  if (statusCode === 429) return false;
  return statusCode === 413 || TOO_LONG.some((phrase) => phrase.test(words));
}

/** Reads how long a provider asks to wait. A date is compared with that of the answer, so that no clock is asked. */
function retryAfterMs(headers: Readonly<Record<string, unknown>>): number | undefined {
  const milliseconds = numberIn(headers["retry-after-ms"]);
  if (milliseconds !== undefined) return milliseconds;
  const header = headers["retry-after"];
  const seconds = numberIn(header);
  if (seconds !== undefined) return seconds * 1_000;
  const wait = Date.parse(String(header)) - Date.parse(String(headers["date"]));
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

function numberIn(header: unknown): number | undefined {
  if (typeof header !== "string" || !/^\s*\d+(?:\.\d+)?\s*$/.test(header)) return undefined;
  return Number(header);
}
