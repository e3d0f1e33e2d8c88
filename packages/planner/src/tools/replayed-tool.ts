import type { ToolOutput } from "../plan/tool-output.ts";
import type { ListRequest, ToolSource } from "./source.ts";
import type { Tool } from "./tool.ts";

/** Results of tools by the names that the model uses, in the order of their calls. */
export type ToolResults = Readonly<Record<string, readonly ToolOutput[]>>;

/** Returns a tool, or a source of tools, that gives these results and does nothing. Arguments are checked as ever. */
export function replayedTool(one: Tool | ToolSource, results: ToolResults): Tool | ToolSource {
  if (!("list" in one)) return replayed(one, one.name, results);
  if (Object.keys(results).length === 0) return one;
  const nameOf = (tool: Tool): string => (one.name === "" ? tool.name : `${one.name}_${tool.name}`);
  const all = (listed: readonly Tool[]): readonly Tool[] => listed.map((tool) => replayed(tool, nameOf(tool), results));
  // a source may be of a class: what it has besides is reached through it
  return new Proxy(one, {
    get(target, key) {
      if (key === "tools") return target.tools && all(target.tools);
      if (key === "list") return async (request: ListRequest) => all(await target.list(request));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function replayed(tool: Tool, name: string, results: ToolResults): Tool {
  if (!Object.hasOwn(results, name)) return tool;
  const left = [...(results[name] ?? [])];
  return {
    ...tool,
    run() {
      const next = left.shift();
      return next === undefined
        ? Promise.reject(new Error(`There is no further result of tool "${name}"`))
        : Promise.resolve(next);
    },
  };
}
