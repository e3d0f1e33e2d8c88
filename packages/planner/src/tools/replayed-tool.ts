import type { ToolOutput } from "../plan/tool-output.ts";
import { nameOf } from "./catalogue.ts";
import type { ToolSource } from "./source.ts";
import type { Tool } from "./tool.ts";
import { withTools } from "./with-tools.ts";

/** Results of tools by the names that the model uses, in the order of their calls. */
export type ToolResults = Readonly<Record<string, readonly ToolOutput[]>>;

/** Returns a tool, or a source of tools, that gives these results and does nothing. Arguments are checked as ever, unless some are secret. */
export function replayedTool(one: Tool | ToolSource, results: ToolResults): Tool | ToolSource {
  if (!("list" in one)) return replayed(one, one.name, results);
  if (Object.keys(results).length === 0) return one;
  return withTools(one, (tools) => tools.map((tool) => replayed(tool, nameOf(one, tool), results)));
}

function replayed(tool: Tool, name: string, results: ToolResults): Tool {
  if (!Object.hasOwn(results, name)) return tool;
  const left = [...(results[name] ?? [])];
  const { secrets, ...rest } = tool;
  return {
    ...rest,
    // a replayed turn has secret arguments masked, which need not fit
    check: secrets === undefined ? (args) => tool.check(args) : (args) => ({ ok: true, value: args }),
    run() {
      const next = left.shift();
      return next === undefined
        ? Promise.reject(new Error(`There is no further result of tool "${name}"`))
        : Promise.resolve(next);
    },
  };
}
