// The model of the agent examples: a real one, if the environment names it, else one that plays a script.
//
//   AGENT_MODEL=gpt-5.2 AGENT_KEY=… npm run example examples/agent-quickstart/main.ts
//   AGENT_MODEL=qwen3 AGENT_URL=http://127.0.0.1:11434/v1 npm run example examples/agent-quickstart/main.ts
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { type ModelScript, scriptedModel } from "@penguiflow/planner/testing";

const { AGENT_MODEL, AGENT_KEY, AGENT_URL = "https://api.openai.com/v1" } = process.env;

/** The model that the environment names, of any server that speaks OpenAI's protocol; else the script. */
export function modelOr(script: ModelScript): LanguageModelV4 {
  if (AGENT_MODEL === undefined) return scriptedModel(script);
  const provider = createOpenAICompatible({
    name: "agent",
    baseURL: AGENT_URL,
    includeUsage: true,
    ...(AGENT_KEY === undefined ? {} : { apiKey: AGENT_KEY }),
  });
  return provider(AGENT_MODEL);
}
