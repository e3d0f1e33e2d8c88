import { requireKnownKeys } from "penguiflow/adapter";
import type { Entry } from "../plan/entry.ts";
import type { Json } from "../plan/json.ts";
import { nameOf } from "./catalogue.ts";
import type { ToolSource } from "./source.ts";
import type { Checked, Tool } from "./tool.ts";
import { withTools } from "./with-tools.ts";

/** Options of {@link searchable}. */
export interface SearchableOptions {
  /** Names of tools, without the source's prefix, that the model sees from its first step. @defaultValue none */
  readonly always?: readonly string[] | undefined;
  /** Tools that a search gives at most. @defaultValue 5 */
  readonly results?: number | undefined;
}

/** Name of the tool that finds others, behind its source's prefix. */
const FIND = "find_tools";

/**
 * Makes a source whose tools the model finds when it needs them: it sees one tool, `find_tools`, and from the next step
 * on those that its searches have found in this run. For servers with hundreds of tools, whose descriptions would fill
 * each prompt. A search matches the words of names and descriptions; rare words count more. A provider that caches
 * prompts reads the prompt anew after a search, as the list of tools stands at its beginning.
 *
 * @throws TypeError, RangeError for an option that is unknown or out of range
 */
export function searchable(source: ToolSource, options: SearchableOptions = {}): ToolSource {
  requireKnownKeys(`searchable source "${source.name}"`, options, ["always", "results"]);
  const { always = [], results = 5 } = options;
  if (!Number.isInteger(results) || results < 1)
    throw new RangeError(
      `Option "results" of searchable source "${source.name}" must be a whole number of 1 or more: got ${results}`,
    );
  const shown = new Set(always);
  const { tools: fixed } = source;
  const unknown = fixed && always.find((name) => fixed.every((tool) => tool.name !== name));
  if (unknown !== undefined)
    throw new TypeError(
      `Option "always" of searchable source "${source.name}" names "${unknown}", which it does not have`,
    );
  return withTools(source, (tools) => {
    const deferred = tools.filter(({ name }) => !shown.has(name));
    const rest = tools.filter(({ name }) => shown.has(name));
    return [...rest, ...deferred.map((tool) => ({ ...tool, isDeferred: true })), finder(source, deferred, results)];
  });
}

/** Returns the tools that a model sees: those that wait to be found are left out until a search has given them. */
export function foundTools(tools: readonly Tool[], entries: readonly Entry[]): readonly Tool[] {
  const finders = new Set(tools.filter(({ findsAmong }) => findsAmong !== undefined).map(({ name }) => name));
  const found = new Set<Json>();
  for (const entry of entries) {
    if (entry.type !== "result" || !finders.has(entry.tool) || entry.output.kind !== "json") continue;
    for (const { name } of entry.output.value as readonly { readonly name: string }[]) found.add(name);
  }
  return tools.filter(({ name, isDeferred }) => isDeferred !== true || found.has(name));
}

function finder(source: ToolSource, tools: readonly Tool[], results: number): Tool {
  return {
    name: FIND,
    description:
      `Finds tools of "${source.name}" that you do not see yet. Say in a few words what you want to do. ` +
      "You can call the tools that it gives in your next step.",
    inputSchema: { type: "object", properties: { query: { type: "string" } }, required: ["query"] },
    effects: "reads",
    approval: false,
    timeoutMs: 30_000,
    maxRetries: 0,
    ifUnknown: "tell",
    maxResultChars: 20_000,
    findsAmong: (isVisible) =>
      finder(
        source,
        tools.filter((tool) => isVisible(nameOf(source, tool))),
        results,
      ),
    check: checkQuery,
    run: (query) => {
      const best = ranked(tools, wordsOf(query as string)).slice(0, results);
      const value = best.map((tool) => ({ name: nameOf(source, tool), description: tool.description }));
      return Promise.resolve(
        value.length === 0 ? { kind: "text", text: "No tool fits: try other words" } : { kind: "json", value },
      );
    },
  };
}

function checkQuery(args: Json): Checked {
  const { query } = (args ?? {}) as { readonly query?: unknown };
  return typeof query === "string" && wordsOf(query).size > 0
    ? { ok: true, value: query }
    : { ok: false, problem: "query: expected a text with at least one word" };
}

/** Ranks tools by the inverse document frequency of the words that they share with a search, best first. */
function ranked(tools: readonly Tool[], wanted: ReadonlySet<string>): Tool[] {
  const all = tools.map((tool) => ({ tool, words: wordsOf(`${tool.name} ${tool.description}`) }));
  const weights = [...wanted].map((word) => {
    const holders = all.filter(({ words }) => words.has(word)).length;
    return { word, weight: holders === 0 ? 0 : Math.log(1 + all.length / holders) };
  });
  return all
    .map(({ tool, words }) => ({
      tool,
      score: weights.reduce((sum, { word, weight }) => sum + (words.has(word) ? weight : 0), 0),
    }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ tool }) => tool);
}

/** Returns the words of a text in lower case, without a plural's `s`; `createIssue` and `create_issue` are two words. */
function wordsOf(text: string): ReadonlySet<string> {
  const words = text
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu);
  return new Set((words ?? []).map((word) => (word.length > 3 ? word.replace(/s$/, "") : word)));
}
