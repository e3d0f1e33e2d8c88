import type { Approval, Checked, Effects, Json, Tool, ToolContext, ToolOutput } from "@penguiflow/planner";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { type Arguments, type CheckedArguments, planArguments } from "./arguments.ts";
import type { ApiDocument, Method, SecurityScheme } from "./document.ts";
import { SchemaTranslator } from "./json-schema.ts";
import { OpenApiError } from "./open-api-error.ts";
import type { FoundOperation } from "./operations.ts";
import { addressOf, buildRequest, headersOf } from "./request.ts";
import { mediaOf, outputOf, readBody, retryAfterMs } from "./response.ts";
import { textOf } from "./serialise.ts";
import { type OpenApiCredential, schemesOf, signIn, withoutSecrets } from "./security.ts";

/** Settings of operations that differ from the defaults. */
export interface OperationSettings {
  /** Name of the tool. @defaultValue the operation id, or method and path */
  readonly name?: string | undefined;
  /** @defaultValue summary and description of the document */
  readonly description?: string | undefined;
  /** @defaultValue by method: GET and HEAD read, PUT and DELETE are idempotent, the others write */
  readonly effects?: Effects | undefined;
  /** Names of arguments that are neither stored nor shown, as `secrets` of a planner's tool. @defaultValue none */
  readonly secrets?: readonly string[] | undefined;
  /** @defaultValue false */
  readonly approval?: Approval<Readonly<Record<string, Json>>> | undefined;
  /** @defaultValue 30_000 */
  readonly timeoutMs?: number | undefined;
  /** @defaultValue 2; 0 for an operation that writes */
  readonly maxRetries?: number | undefined;
  /** @defaultValue 20_000 */
  readonly maxResultChars?: number | undefined;
}

/** Options that the calls of all operations share. */
export interface CallOptions {
  readonly fetch: typeof fetch;
  readonly validateResponses: boolean;
  readonly maxResponseBytes: number;
  readonly security: SecurityScheme | undefined;
}

const EFFECTS: Readonly<Record<Method, Effects>> = {
  ...{ get: "reads", head: "reads", options: "reads", trace: "reads" },
  ...{ put: "idempotent", delete: "idempotent", post: "writes", patch: "writes" },
};

/** Characters of a description, and of an answer in an error. */
const LONGEST_DESCRIPTION = 1024;
const LONGEST_ANSWER = 2000;

/** Redirects that a read follows. */
const MOST_REDIRECTS = 5;

/** Statuses after which the same call may succeed. */
const RETRYABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The parts of a tool that differ between operations. */
export interface OperationToolInit {
  readonly server: string;
  readonly name: string;
  readonly settings: OperationSettings;
  readonly options: CallOptions;
}

/** Makes the tool that calls one operation: a plain object, because planners copy tools to rename them. */
export function operationTool(document: ApiDocument, found: FoundOperation, init: OperationToolInit): Tool {
  const { name, settings } = init;
  const caller = new OperationCaller(document, found, init);
  const effects = settings.effects ?? EFFECTS[found.method];
  return {
    name,
    description: settings.description ?? describe(found),
    inputSchema: caller.schema,
    ...(settings.secrets !== undefined && { secrets: settings.secrets }),
    effects,
    approval: settings.approval ?? false,
    timeoutMs: settings.timeoutMs ?? 30_000,
    maxRetries: settings.maxRetries ?? (effects === "writes" ? 0 : 2),
    ifUnknown: "tell",
    maxResultChars: settings.maxResultChars ?? 20_000,
    check: async (args) => await caller.check(args),
    run: async (args, ctx) => await caller.run(args, ctx),
  };
}

/** Checks the arguments of one operation and calls it. */
class OperationCaller {
  readonly #document: ApiDocument;
  readonly #found: FoundOperation;
  readonly #server: string;
  readonly #options: CallOptions;
  readonly #schemes: ReturnType<typeof schemesOf>;
  readonly #plan: Arguments;
  readonly #responseChecks = new Map<unknown, ValidateFunction>();
  #check: ValidateFunction | undefined;

  constructor(document: ApiDocument, found: FoundOperation, { server, options }: OperationToolInit) {
    this.#document = document;
    this.#found = found;
    this.#server = server;
    this.#options = options;
    const { security } = options;
    this.#schemes = security === undefined ? schemesOf(document, found.operation) : [[["security", security]]];
    const schemes = this.#schemes.flat().map(([, scheme]) => scheme);
    this.#plan = planArguments(document, found, schemes);
  }

  get schema(): Tool["inputSchema"] {
    return this.#plan.schema;
  }

  /** Checks arguments against the schema, and that they stay in their places of the request. */
  async check(args: Json): Promise<Checked> {
    this.#check ??= compiled(this.schema);
    if (!this.#check(args)) return { ok: false, problem: faultsOf(this.#check, "arguments") };
    try {
      buildRequest(this.#document, this.#found, this.#plan, args as CheckedArguments);
    } catch (error) {
      if (error instanceof TypeError) return { ok: false, problem: error.message };
      throw error;
    }
    return { ok: true, value: args };
  }

  /**
   * Calls the operation.
   *
   * @throws OpenApiError without an answer, or with a status of 300 or more; the signal's reason on abort
   */
  async run(args: unknown, ctx: ToolContext<never>): Promise<ToolOutput> {
    const { place, operation } = this.#found;
    const request = buildRequest(this.#document, this.#found, this.#plan, args as CheckedArguments);
    const signed = signIn(place, this.#schemes, ctx.credential as OpenApiCredential | undefined);
    const headers = headersOf(request, signed);
    if (this.#plan.idempotencyHeader !== undefined) headers.set(this.#plan.idempotencyHeader, ctx.idempotencyKey);
    const { signal } = ctx;
    const { maxResponseBytes } = this.#options;
    try {
      const response = await this.#send(addressOf(this.#server, request, signed), headers, request.body, signal);
      if (!response.ok) throw await failed(place, response, signed.secrets);
      const { bytes, isCut } = await readBody(response, maxResponseBytes);
      if (isCut) {
        const message = `Cannot take the answer of ${place}: it has more than ${maxResponseBytes} bytes`;
        throw new OpenApiError({ message, status: response.status, retryable: false });
      }
      const output = outputOf(place, response, bytes, signed.secrets);
      return this.#misfit(operation, response, output) ?? output;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof OpenApiError) throw error;
      const cause = innermost(error);
      const message = `Cannot call ${place}: ${withoutSecrets(cause, signed.secrets)}`;
      throw new OpenApiError({ message, retryable: true });
    }
  }

  /** Sends a request. A read follows redirects, as long as they stay at the server. */
  async #send(url: URL, headers: Headers, body: RequestInit["body"], signal: AbortSignal): Promise<Response> {
    const { method, place } = this.#found;
    const isRead = method === "get" || method === "head";
    let at = url;
    for (let hops = 0; ; hops++) {
      const init = { method: method.toUpperCase(), headers, body: body ?? null, signal, redirect: "manual" } as const;
      const response = await this.#options.fetch(at.href, init);
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) return response;
      await response.body?.cancel();
      const next = URL.parse(location, at.href);
      if (next === null || next.origin !== url.origin || !isRead || hops === MOST_REDIRECTS) {
        const message = `Cannot follow the redirect of ${place} to ${next?.origin ?? "no URL"}: ${
          next?.origin === url.origin ? "only reads follow redirects, at most five" : `calls stay at ${url.origin}`
        }`;
        throw new OpenApiError({ message, status: response.status, retryable: false });
      }
      at = next;
    }
  }

  /** Compares an answer with its schema; returns what the model is told when it does not fit. */
  #misfit(operation: FoundOperation["operation"], response: Response, output: ToolOutput): ToolOutput | undefined {
    if (!this.#options.validateResponses || output.kind !== "json") return undefined;
    const media = mediaOf(this.#document, operation, response);
    if (media?.schema === undefined) return undefined;
    let check = this.#responseChecks.get(media.schema);
    if (check === undefined) {
      const translator = new SchemaTranslator(this.#document, "response");
      const schema = translator.translate(media.schema);
      check = compiled(typeof schema === "object" ? translator.root(schema as Tool["inputSchema"]) : {});
      this.#responseChecks.set(media.schema, check);
    }
    if (check(output.value)) return undefined;
    const text = `HTTP ${response.status}: the call was made, and its answer breaks the schema: ${faultsOf(check, "answer")}`;
    return { kind: "error", code: "OUTPUT_INVALID", text };
  }
}

function describe({ operation, place }: FoundOperation): string {
  const { summary, description, deprecated } = operation;
  const texts = [summary, description === summary ? undefined : description].filter((text) => text !== undefined);
  if (deprecated === true) texts.push("Deprecated.");
  return (texts.join("\n\n") || place).slice(0, LONGEST_DESCRIPTION);
}

function compiled(schema: Tool["inputSchema"]): ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: true, unicodeRegExp: false, logger: false });
  // the types are those of the copy of ajv that ajv-formats finds
  formats.default(ajv as never);
  return ajv.compile(schema);
}

/** Lists the first faults in words for the model. */
function faultsOf({ errors }: ValidateFunction, what: string): string {
  return (errors ?? [])
    .slice(0, 5)
    .map(({ instancePath, message, params }) => {
      const { additionalProperty, allowedValues } = params as {
        readonly additionalProperty?: string;
        readonly allowedValues?: readonly Json[];
      };
      const detail = additionalProperty ?? allowedValues?.slice(0, 50).map(textOf).join(", ");
      return `${what}${instancePath} ${message}${detail === undefined ? "" : `: ${detail}`}`;
    })
    .join("; ");
}

async function failed(place: string, response: Response, secrets: readonly string[]): Promise<OpenApiError> {
  const { status, headers } = response;
  const { bytes } = await readBody(response, 4 * LONGEST_ANSWER);
  const body = withoutSecrets(bytes.toString("utf8"), secrets).slice(0, LONGEST_ANSWER);
  return new OpenApiError({
    message: `${place} answered with HTTP ${status}${body === "" ? "" : `: ${body}`}`,
    status,
    body,
    retryable: RETRYABLE.has(status),
    retryAfterMs: retryAfterMs(headers, Date.now()),
  });
}

/** Returns the message of the first cause: `fetch failed` says nothing. */
function innermost(error: unknown): string {
  let found = error;
  for (let depth = 0; depth < 8 && found instanceof Error && found.cause instanceof Error; depth++) found = found.cause;
  const { code } = found as { readonly code?: unknown };
  const message = found instanceof Error ? found.message : String(found);
  return message === "" && typeof code === "string" ? code : message;
}
