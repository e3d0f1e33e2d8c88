import type { Caller, Tool, ToolSource } from "@penguiflow/planner";
import { requireFunction, requireInteger, requireKnownKeys, requireOneOf, shown } from "penguiflow/adapter";
import type { SecurityScheme } from "./document.ts";
import { type DocumentSource, loadDocument } from "./load-document.ts";
import { isSelected, listOperations, nameOperations, type OperationSelector } from "./operations.ts";
import { type OperationSettings, operationTool } from "./operation-tool.ts";
import { serverOf } from "./server-url.ts";

/** Options of {@link openApiTools}. */
export interface OpenApiToolsOptions {
  /** A URL or path of a JSON or YAML file, or the document as data. */
  readonly document: DocumentSource;
  /** Operations that become tools: `"all"`, or selectors. No operation is a tool without being named here. */
  readonly operations: "all" | readonly OperationSelector[];
  /** Settings by selector. Where several name an operation, later ones win, field by field. @defaultValue none */
  readonly settings?: Readonly<Record<OperationSelector, OperationSettings>> | undefined;
  /** URL below which the paths are. Calls, and credentials, go to its origin alone. @defaultValue the document's */
  readonly server?: string | undefined;
  /** Way to sign in to all operations, in place of the document's. @defaultValue the document's */
  readonly security?: SecurityScheme | undefined;
  /** Checks JSON answers against the document. @defaultValue false */
  readonly validateResponses?: boolean | undefined;
  /** Largest answer, in bytes. @defaultValue 10_000_000 */
  readonly maxResponseBytes?: number | undefined;
  /** Sends requests. @defaultValue the platform's `fetch` */
  readonly fetch?: typeof fetch | undefined;
  /** Calls at the same time, of all runs together. @defaultValue 8 */
  readonly concurrency?: number | undefined;
  /** Calls at the same time of one caller. @defaultValue none */
  readonly perCaller?: number | undefined;
  /** The owner of the credential that a call needs, an {@link OpenApiCredential} from the planner's `credentials`. @defaultValue `"never"` */
  readonly signsIn?: ToolSource["signsIn"];
  /** Gives the URL that a user opens to sign in. @defaultValue no way to sign in */
  readonly signIn?: (caller: Caller, signal: AbortSignal) => Promise<{ readonly url: string }>;
}

const OPTIONS = [
  ...["document", "operations", "settings", "server", "security", "validateResponses", "maxResponseBytes", "fetch"],
  ...["concurrency", "perCaller", "signsIn", "signIn"],
];
const SETTINGS = ["name", "description", "effects", "secrets", "approval", "timeoutMs", "maxRetries", "maxResultChars"];

/** Characters of a tool's name with the prefix of its source. */
const LONGEST_NAME = 64;

/**
 * Makes operations of an OpenAPI 3.0 or 3.1 document the tools of a source. The document is read when tools are first
 * listed, and again if that failed.
 *
 * @param name - prefix of the tools' names; empty for none
 * @throws TypeError, RangeError when an option is unknown or of the wrong kind
 */
export function openApiTools(name: string, options: OpenApiToolsOptions): ToolSource {
  requireOptions(name, options);
  const { concurrency, perCaller, signsIn, signIn } = options;
  let tools: Promise<readonly Tool[]> | undefined;
  return {
    name,
    concurrency,
    perCaller,
    signsIn,
    ...(signIn === undefined ? {} : { signIn }),
    list: async () => {
      tools ??= readTools(name, options);
      try {
        return await tools;
      } catch (error) {
        tools = undefined;
        throw error;
      }
    },
  };
}

async function readTools(name: string, options: OpenApiToolsOptions): Promise<readonly Tool[]> {
  const { operations, settings = {}, server, security } = options;
  const document = await loadDocument(options.document);
  const all = listOperations(document);
  const selectors = [...(operations === "all" ? [] : operations), ...Object.keys(settings)];
  const unknown = selectors.filter((selector) => !all.some((found) => isSelected(found, selector)));
  if (unknown.length > 0)
    throw new TypeError(
      `Cannot find ${unknown.map((selector) => `"${selector}"`).join(", ")} in the document of "${name}": expected an operation id, "METHOD /path", a method or "tag:NAME"`,
    );
  const chosen = all.filter(
    (found) => operations === "all" || operations.some((selector) => isSelected(found, selector)),
  );
  const names = nameOperations(chosen, LONGEST_NAME - (name === "" ? 0 : name.length + 1));
  const base = typeof options.document === "string" && URL.canParse(options.document) ? options.document : undefined;
  const call = {
    fetch: options.fetch ?? fetch,
    validateResponses: options.validateResponses ?? false,
    maxResponseBytes: options.maxResponseBytes ?? 10_000_000,
    security,
  };
  const made = chosen.map((found) => {
    const merged: OperationSettings = {};
    for (const [selector, setting] of Object.entries(settings))
      if (isSelected(found, selector)) Object.assign(merged, setting);
    return operationTool(document, found, {
      server: serverOf(document, found, { server, base }),
      name: merged.name ?? names.get(found) ?? "",
      settings: merged,
      options: call,
    });
  });
  const twice = made.find((tool, index) => made.findIndex((other) => other.name === tool.name) !== index);
  if (twice !== undefined) throw new TypeError(`Cannot name two tools of "${name}" "${twice.name}"; set other names`);
  return made;
}

/** Throws unless the options are known and of the right kind. */
function requireOptions(name: string, options: OpenApiToolsOptions): void {
  if (typeof name !== "string" || !/^[\w-]{0,32}$/.test(name))
    throw new TypeError(`The name of openApiTools must be up to 32 of A-Z a-z 0-9 _ -: got ${shown(name)}`);
  requireKnownKeys("openApiTools", options, OPTIONS);
  const { document, operations, settings = {}, server, maxResponseBytes, fetch: send } = options;
  if (document === "" || (typeof document !== "string" && (typeof document !== "object" || document === null)))
    throw new TypeError(`Option "document" must be a URL, a path or an object: got ${shown(document)}`);
  if (operations !== "all" && !Array.isArray(operations))
    throw new TypeError(`Option "operations" must be "all" or a list of selectors: got ${shown(operations)}`);
  for (const [selector, setting] of Object.entries(settings)) {
    requireKnownKeys(`the settings of "${selector}"`, setting, SETTINGS);
    const { name: own = "a", effects = "reads" } = setting;
    if (!/^[\w-]{1,64}$/.test(own))
      throw new TypeError(`Option "name" of "${selector}" must be 1 to 64 of A-Z a-z 0-9 _ -: got ${shown(own)}`);
    requireOneOf(`effects" of "${selector}`, effects, ["reads", "idempotent", "writes"]);
  }
  if (server !== undefined && !/^https?:$/.test(URL.parse(server)?.protocol ?? ""))
    throw new TypeError(`Option "server" must be an http or https URL: got ${shown(server)}`);
  if (maxResponseBytes !== undefined) requireInteger("maxResponseBytes", maxResponseBytes, 1);
  if (send !== undefined) requireFunction("fetch", send);
}
