import { type Tool, ToolLoopAgent, isStepCount, jsonSchema, tool } from "ai";
import { languageModel, toolCalls, toolName, toolText } from "../agent-model.ts";
import type { AgentRig, AgentSetup } from "../workloads/agent.ts";

export const library = "ai";

/** Builds a `ToolLoopAgent` without telemetry. Its tool's schema validates nothing, so that no validator is paid for. */
export function agent({ tally, delayMs, streamed }: AgentSetup): AgentRig {
  const addOne: Tool<{ n: number }, number> = tool({
    description: toolText,
    inputSchema: jsonSchema<{ n: number }>({
      type: "object",
      properties: { n: { type: "number" } },
      required: ["n"],
      additionalProperties: false,
    }),
    execute: async ({ n }) => {
      tally.hops += 1;
      return n + 1;
    },
  });
  const loop = new ToolLoopAgent({
    model: languageModel(delayMs),
    tools: { [toolName]: addOne },
    stopWhen: isStepCount(toolCalls + 2),
  });
  return {
    async request({ text: prompt }) {
      if (!streamed) return (await loop.generate({ prompt })).text;
      let text = "";
      for await (const piece of (await loop.stream({ prompt })).textStream) text += piece;
      return text;
    },
    close: async () => {},
  };
}
