import { fromAiTools } from "@penguiflow/ai-sdk";
import { type ServedTool, toolSourceContract } from "@penguiflow/planner/testing";
import { jsonSchema, tool, type ToolSet } from "ai";
import { describe, expect, test } from "vitest";

describe("fromAiTools is a source of tools", () => {
  const make = (tools: readonly ServedTool[]) => {
    const set: ToolSet = Object.fromEntries(
      tools.map(({ name, description, inputSchema, run }) => [
        name,
        tool({
          description,
          inputSchema: jsonSchema(inputSchema),
          execute: async (args, { abortSignal, context }) => {
            const { signal } = new AbortController();
            return await run(args as never, {
              credential: context as string | undefined,
              signal: abortSignal ?? signal,
            });
          },
        }),
      ]),
    );
    return { source: fromAiTools("ai", set, { effects: "writes", context: ({ credential }) => credential }) };
  };
  test.for(toolSourceContract({ make }))("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
