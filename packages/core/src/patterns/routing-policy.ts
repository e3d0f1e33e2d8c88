import { shown } from "../foundation/options.ts";
import type { Message } from "../message/message.ts";

/** What a routing policy is asked. */
export interface RoutingRequest<Payload = unknown> {
  readonly message: Message<Payload>;
  readonly traceId: string;
  readonly tenant: string;
  /** The router's name. */
  readonly node: string;
  /** Names of the successors the router chose. */
  readonly proposed: readonly string[];
  /** Names of all successors of the router. */
  readonly successors: readonly string[];
}

/** What a policy makes of a router's choice: other names, nothing, or `undefined` to leave it as it is. */
export type RoutingDecision = string | readonly string[] | null | undefined;

/**
 * Changes what routers decide, without changing the graph: it may narrow, replace or drop (`null`, `[]`).
 */
export interface RoutingPolicy {
  /** Decides where one message goes, before it is sent. What it throws fails the router's attempt. */
  select(request: RoutingRequest): RoutingDecision | Promise<RoutingDecision>;
}

/** How {@link DictRoutingPolicy} finds its entry. */
export interface DictRoutingOptions {
  /** Used for keys that have no entry. @defaultValue the router's own choice */
  readonly default?: RoutingDecision;
  /** Which key a message has. @defaultValue its trace id */
  readonly key?: (request: RoutingRequest) => string | undefined;
}

/** Routes by key, as the policy reads them: a name, several, or `null` to drop. */
export type RoutingMapping = Readonly<Record<string, string | readonly string[] | null>>;

/** What is used of a host that may have an environment and files. */
interface Host {
  readonly process?: {
    readonly env?: Readonly<Record<string, string | undefined>>;
    getBuiltinModule?(
      name: "node:fs/promises",
    ): { readFile(path: string, encoding: "utf8"): Promise<string> } | undefined;
  };
}

/**
 * A routing policy that looks up where a message goes: from an object, JSON text, a JSON file or an
 * environment variable. The mapping may be replaced while flows run.
 */
export class DictRoutingPolicy implements RoutingPolicy {
  #mapping: ReadonlyMap<string, string | readonly string[] | null>;
  #default: RoutingDecision;
  readonly #key: (request: RoutingRequest) => string | undefined;

  /** @throws TypeError when an entry is neither a name, names nor null; names the entry */
  constructor(mapping: RoutingMapping, options: DictRoutingOptions = {}) {
    this.#mapping = checkedMapping(mapping, "the mapping");
    this.#default = checkedDefault(options.default);
    this.#key = options.key ?? ((request) => request.traceId);
  }

  /** A policy from JSON text. @throws TypeError when it is not a JSON object of routes */
  static fromJson(text: string, options?: DictRoutingOptions): DictRoutingPolicy {
    return new DictRoutingPolicy(parseMapping(text, "the JSON text"), options);
  }

  /** A policy from a JSON file. @throws TypeError when it is not a JSON object of routes, or where there are no files; the file system's error when it cannot be read */
  static async fromFile(path: string, options?: DictRoutingOptions): Promise<DictRoutingPolicy> {
    // Not imported: bundlers for browsers stop at a name that they do not know, also where nobody calls this.
    const files = (globalThis as Host).process?.getBuiltinModule?.("node:fs/promises");
    if (files === undefined) throw new TypeError(`Cannot read file "${path}": there are no files in this runtime`);
    return new DictRoutingPolicy(parseMapping(await files.readFile(path, "utf8"), `file "${path}"`), options);
  }

  /** A policy from JSON text in an environment variable. @throws TypeError when it is not set or not a JSON object of routes */
  static fromEnvironment(variable: string, options?: DictRoutingOptions): DictRoutingPolicy {
    const text = (globalThis as Host).process?.env?.[variable];
    if (text === undefined)
      throw new TypeError(`Environment variable "${variable}" is not set: wanted a JSON object of routes`);
    return new DictRoutingPolicy(parseMapping(text, `environment variable "${variable}"`), options);
  }

  /** The entry of the message's key, the default where there is none. */
  select(request: RoutingRequest): RoutingDecision {
    const key = this.#key(request);
    const entry = key === undefined ? undefined : this.#mapping.get(key);
    return entry === undefined ? this.#default : entry;
  }

  /** Replaces the whole mapping for messages from now on. */
  updateMapping(mapping: RoutingMapping): void {
    this.#mapping = checkedMapping(mapping, "the mapping");
  }

  /** Replaces what is used for keys without an entry; `undefined` leaves the choice to the router. */
  setDefault(decision: RoutingDecision): void {
    this.#default = checkedDefault(decision);
  }
}

function parseMapping(text: string, source: string): RoutingMapping {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TypeError(`Cannot read routes from ${source}: it is not JSON (${(error as Error).message})`, {
      cause: error,
    });
  }
  checkedMapping(value as RoutingMapping, source);
  return value as RoutingMapping;
}

function checkedMapping(
  mapping: RoutingMapping,
  source: string,
): ReadonlyMap<string, string | readonly string[] | null> {
  if (typeof mapping !== "object" || mapping === null || Array.isArray(mapping)) {
    throw new TypeError(`Cannot read routes from ${source}: wanted an object of names, got ${shown(mapping)}`);
  }
  return new Map(
    Object.entries(mapping).map(([key, entry]) => {
      if (!isRoute(entry)) {
        throw new TypeError(
          `The route of "${key}" in ${source} must be a name, an array of names or null: got ${shown(entry)}`,
        );
      }
      // later changes of the caller's array are not ours
      return [key, Array.isArray(entry) ? Object.freeze([...(entry as readonly string[])]) : entry];
    }),
  );
}

function checkedDefault(decision: RoutingDecision): RoutingDecision {
  if (decision === undefined || isRoute(decision)) return decision;
  throw new TypeError(`The default route must be a name, an array of names, null or undefined: got ${shown(decision)}`);
}

function isRoute(entry: unknown): entry is string | readonly string[] | null {
  return (
    entry === null ||
    typeof entry === "string" ||
    (Array.isArray(entry) && entry.every((name) => typeof name === "string"))
  );
}
