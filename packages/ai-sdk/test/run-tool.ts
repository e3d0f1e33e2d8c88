import type { Json, Tool, ToolContext, ToolOutput, ToolSource } from "@penguiflow/planner";

/** Lists the tools of a source by name. */
export async function toolsOf(source: ToolSource, credential?: unknown): Promise<Readonly<Record<string, Tool>>> {
  const { signal } = new AbortController();
  const tools = await source.list({ caller: { tenant: "acme", user: "ann", runId: "r" }, credential, signal });
  return Object.fromEntries(tools.map((tool) => [tool.name, tool]));
}

/** A context of a call, with what it is told. */
export function contextOf(given: Partial<ToolContext> = {}): ToolContext<never> & { readonly told: Json[] } {
  const told: Json[] = [];
  return {
    ...{ callId: "1.0", idempotencyKey: "key-1", attempt: 1, caller: { tenant: "acme", user: "ann", runId: "r" } },
    signal: new AbortController().signal,
    progress: async (data: Json) => void told.push(data),
    ...given,
    told,
  } as unknown as ToolContext<never> & { readonly told: Json[] };
}

/** Checks the arguments of a call and runs it. */
export async function callTool(tool: Tool | undefined, args: Json, ctx = contextOf()): Promise<ToolOutput> {
  if (tool === undefined) throw new TypeError("There is no such tool");
  const checked = await tool.check(args);
  if (!checked.ok) throw new TypeError(checked.problem);
  return await tool.run(checked.value, ctx);
}
