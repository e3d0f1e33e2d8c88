import { shown } from "../foundation/options.ts";
import type { Message } from "../message/message.ts";

/** A router's choice, as passed to a routing policy. */
export interface RoutingRequest<Payload = unknown> {
  readonly message: Message<Payload>;
  readonly traceId: string;
  readonly tenant: string;
  /** The router's name. */
  readonly node: string;
  /** Names of the chosen successors. */
  readonly proposed: readonly string[];
  /** Names of all successors of the router. */
  readonly successors: readonly string[];
}

/** A policy's decision: other names, none, or `undefined` to keep the router's choice. */
export type RoutingDecision = string | readonly string[] | null | undefined;

/** Overrides the decisions of routers without changing the graph: it may narrow, replace or drop (`null`, `[]`). */
export interface RoutingPolicy {
  /** Decides on one message before it is sent. An error fails the router's attempt. */
  select(request: RoutingRequest): RoutingDecision | Promise<RoutingDecision>;
}

/** Options of {@link DictRoutingPolicy}. */
export interface DictRoutingOptions {
  /** Decision for keys without an entry. @defaultValue the router's own choice */
  readonly default?: RoutingDecision;
  /** Derives the key of a message. @defaultValue its trace id */
  readonly key?: (request: RoutingRequest) => string | undefined;
}

/** Routes by key: a name, several, or `null` to drop. */
export type RoutingMapping = Readonly<Record<string, string | readonly string[] | null>>;

/** The part of a host that may have environment variables and files. */
interface Host {
  readonly process?: {
    readonly env?: Readonly<Record<string, string | undefined>>;
    getBuiltinModule?(
      name: "node:fs/promises",
    ): { readFile(path: string, encoding: "utf8"): Promise<string> } | undefined;
  };
}

/**
 * A routing policy that looks up a message's targets in an object, JSON text, a JSON file or an environment variable.
 * The mapping may be replaced while flows run.
 */
export class DictRoutingPolicy implements RoutingPolicy {
  #mapping: ReadonlyMap<string, string | readonly string[] | null>;
  #default: RoutingDecision;
  readonly #key: (request: RoutingRequest) => string | undefined;

  /**
   * Copies the mapping.
   *
   * @throws TypeError when an entry is neither a name, names nor null; names the entry
   */
  constructor(mapping: RoutingMapping, options: DictRoutingOptions = {}) {
    this.#mapping = checkedMapping(mapping, "the mapping");
    this.#default = checkedDefault(options.default);
    this.#key = options.key ?? ((request) => request.traceId);
  }

  /**
   * Creates a policy from JSON text.
   *
   * @throws TypeError when it is not a JSON object of routes
   */
  static fromJson(text: string, options?: DictRoutingOptions): DictRoutingPolicy {
    return new DictRoutingPolicy(parseMapping(text, "the JSON text"), options);
  }

  /**
   * Creates a policy from a JSON file.
   *
   * @throws TypeError when it is not a JSON object of routes, or the host has no files; the file system's error when it
   *   cannot be read
   */
  static async fromFile(path: string, options?: DictRoutingOptions): Promise<DictRoutingPolicy> {
    // not imported: bundlers for browsers stop at an unknown module name, even when the code is never called
    const files = (globalThis as Host).process?.getBuiltinModule?.("node:fs/promises");
    if (files === undefined) throw new TypeError(`Cannot read file "${path}": this runtime has no file system`);
    return new DictRoutingPolicy(parseMapping(await files.readFile(path, "utf8"), `file "${path}"`), options);
  }

  /**
   * Creates a policy from JSON text in an environment variable.
   *
   * @throws TypeError when it is not set or not a JSON object of routes
   */
  static fromEnvironment(variable: string, options?: DictRoutingOptions): DictRoutingPolicy {
    const text = (globalThis as Host).process?.env?.[variable];
    if (text === undefined)
      throw new TypeError(
        `Cannot read routes from environment variable "${variable}": it is not set; expected a JSON object of routes`,
      );
    return new DictRoutingPolicy(parseMapping(text, `environment variable "${variable}"`), options);
  }

  /** Returns the entry of the message's key, or the default. */
  select(request: RoutingRequest): RoutingDecision {
    const key = this.#key(request);
    const entry = key === undefined ? undefined : this.#mapping.get(key);
    return entry === undefined ? this.#default : entry;
  }

  /** Replaces the whole mapping for subsequent messages. */
  updateMapping(mapping: RoutingMapping): void {
    this.#mapping = checkedMapping(mapping, "the mapping");
  }

  /** Replaces the decision for keys without an entry; `undefined` keeps the router's choice. */
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
    throw new TypeError(`Cannot read routes from ${source}: expected an object of routes, got ${shown(mapping)}`);
  }
  return new Map(
    Object.entries(mapping).map(([key, entry]) => {
      if (!isRoute(entry)) {
        throw new TypeError(
          `The route of "${key}" in ${source} must be a name, an array of names or null: got ${shown(entry)}`,
        );
      }
      // copied, because the caller may change its array later
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
