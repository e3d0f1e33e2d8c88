import type { Caller } from "../plan/caller.ts";
import type { ToolInfo } from "../plan/policy.ts";
import { requireName } from "./define-tool.ts";
import type { ToolSource } from "./source.ts";
import type { Tool } from "./tool.ts";

/** Gives the credential of a caller at a source. */
export type Credentials = (caller: Caller, source: string, signal: AbortSignal) => unknown;

/** A tool under the name that the model uses, with its source. */
export interface ListedTool {
  readonly tool: Tool;
  readonly source: ToolSource;
  readonly info: ToolInfo;
}

/** The owner of a signal, which is made when it is looked at. */
export interface Abortable {
  readonly signal: AbortSignal;
}

/** Whether the tools of a source could be listed for a caller. */
export interface SourceState {
  readonly name: string;
  /** `sign-in`: it lists what it has for a user who has not signed in. */
  readonly state: "listed" | "failed" | "sign-in";
  /** Reason of the failure. */
  readonly reason?: string | undefined;
}

/** The tools of a caller, by name, and the names of the sources that could not be reached. */
export interface Listing {
  readonly tools: ReadonlyMap<string, ListedTool>;
  readonly unavailable: readonly string[];
  /** Sources that were asked for their tools. */
  readonly asked?: readonly SourceState[] | undefined;
}

/** The tools of a planner: those given by themselves, as a source without a name, and those of its sources. */
export class Catalogue {
  readonly sources: readonly ToolSource[];
  readonly #credentials: Credentials | undefined;
  /** The listing of a planner whose tools are the same for every caller and never change. */
  readonly fixed: Listing | undefined;

  /**
   * Creates a catalogue.
   *
   * @throws TypeError for a name that models refuse, and for two tools or sources of one name
   */
  constructor(given: readonly (Tool | ToolSource)[], credentials: Credentials | undefined) {
    const tools = given.filter((one): one is Tool => !isSource(one));
    const own: ToolSource = { name: "", tools, list: () => Promise.resolve(tools) };
    this.sources = [...(tools.length > 0 ? [own] : []), ...given.filter(isSource)];
    this.#credentials = credentials;
    const names = new Set<string>();
    for (const { name } of this.sources) {
      if (names.has(name)) throw new TypeError(`Cannot use two sources of tools named "${name}": rename one`);
      if (name !== "") requireName(name);
      names.add(name);
    }
    const known = new Map<string, ListedTool>();
    for (const source of this.sources) add(known, source, source.tools ?? []);
    if (this.sources.every((source) => source.tools !== undefined)) this.fixed = { tools: known, unavailable: [] };
  }

  /**
   * Lists the tools of a caller: at once if they never change. Sources that are `unavailable` are not asked; one that
   * fails is added to them.
   */
  list(caller: Caller, unavailable: readonly string[], owner: Abortable): Listing | Promise<Listing> {
    return this.fixed ?? this.#listed(caller, unavailable, owner);
  }

  async #listed(caller: Caller, unavailable: readonly string[], owner: Abortable): Promise<Listing> {
    const missing = [...unavailable];
    const asked: SourceState[] = [];
    const tools = new Map<string, ListedTool>();
    const lists = await Promise.all(
      this.sources.map(async (source) => {
        if (source.tools !== undefined) return source.tools;
        if (unavailable.includes(source.name)) return [];
        const { signal } = owner;
        try {
          const credential = await this.credentialOf(caller, source, owner);
          const listed = await source.list({ caller, credential, signal });
          const needsSignIn = source.signIn !== undefined && credential === undefined;
          asked.push({ name: source.name, state: needsSignIn ? "sign-in" : "listed" });
          return listed;
        } catch (error) {
          signal.throwIfAborted();
          missing.push(source.name);
          asked.push({ name: source.name, state: "failed", reason: reasonOf(error) });
          return [];
        }
      }),
    );
    for (const [index, source] of this.sources.entries()) {
      const before = new Map(tools);
      try {
        add(tools, source, lists[index] as readonly Tool[]);
      } catch (error) {
        asked.push({ name: source.name, state: "failed", reason: reasonOf(error) });
        // names that cannot be used are the fault of a source that lists them at run time, and end no run
        missing.push(source.name);
        for (const name of tools.keys()) if (!before.has(name)) tools.delete(name);
      }
    }
    return { tools, unavailable: missing, asked };
  }

  /**
   * Ends the connections of a source, if it has any: the next use of it opens others.
   *
   * @throws TypeError for a source that the planner does not have
   */
  async reconnect(name: string): Promise<void> {
    const source = this.sources.find((one) => one.name === name && name !== "");
    if (source === undefined) throw new TypeError(`The planner has no source of tools "${name}"`);
    await source.reconnect?.();
  }

  /** Calls `told` with the name of a source whose tools may have changed, until the returned function is called. */
  onChange(told: (source: string) => void): () => void {
    const stops = this.sources.map((source) => source.onChange?.(() => told(source.name)));
    return () => {
      for (const stop of stops) stop?.();
    };
  }

  /** Whether calls have credentials. */
  get givesCredentials(): boolean {
    return this.#credentials !== undefined;
  }

  /** Fetches the credential of a caller at a source, or the promise of it; `undefined` if it needs none. */
  credentialOf(caller: Caller, source: ToolSource, owner: Abortable): unknown {
    return this.#credentials?.(caller, source.name, owner.signal);
  }
}

/** Returns the name of a source's tool as the model uses it. */
export function nameOf(source: Pick<ToolSource, "name">, tool: Pick<Tool, "name">): string {
  return source.name === "" ? tool.name : `${source.name}_${tool.name}`;
}

/** Returns whether something is a source rather than a tool. */
function isSource(one: Tool | ToolSource): one is ToolSource {
  return "list" in one;
}

function add(known: Map<string, ListedTool>, source: ToolSource, tools: readonly Tool[]): void {
  for (const tool of tools) {
    const name = nameOf(source, tool);
    requireName(name);
    const other = known.get(name);
    if (other !== undefined)
      throw new TypeError(
        `Cannot use two tools named "${name}": ${placeOf(other.source)} and ${placeOf(source)} have one; rename one`,
      );
    const { description, effects } = tool;
    const listed = name === tool.name ? tool : { ...tool, name };
    known.set(name, { tool: listed, source, info: { name, source: source.name, description, effects } });
  }
}

function placeOf({ name }: ToolSource): string {
  return name === "" ? "the planner itself" : `source "${name}"`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
