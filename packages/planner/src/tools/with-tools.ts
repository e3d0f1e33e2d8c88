import type { ListRequest, ToolSource } from "./source.ts";
import type { Tool } from "./tool.ts";

/** Returns a source that gives the tools of another after a change, and leaves the rest to it. */
export function withTools(source: ToolSource, change: (tools: readonly Tool[]) => readonly Tool[]): ToolSource {
  // looked at for each call of a tool
  const fixed = source.tools && change(source.tools);
  // a source may be of a class: what it has besides is reached through it
  return new Proxy(source, {
    get(target, key) {
      if (key === "tools") return fixed;
      if (key === "list") return async (request: ListRequest) => change(await target.list(request));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
