import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { scriptedModel } from "@penguiflow/planner/testing";
import { script } from "./script.ts";

/** The model that the environment names, of any server that speaks OpenAI's protocol; else the script. */
export const model: LanguageModelV4 = modelOf(process.env);

function modelOf({ PENGUIFLOW_MODEL, PENGUIFLOW_API_KEY, PENGUIFLOW_URL }: NodeJS.ProcessEnv): LanguageModelV4 {
  if (PENGUIFLOW_MODEL === undefined || PENGUIFLOW_MODEL === "") return scriptedModel(script);
  const provider = createOpenAICompatible({
    name: "model",
    baseURL: PENGUIFLOW_URL ?? "https://api.openai.com/v1",
    includeUsage: true,
    ...(PENGUIFLOW_API_KEY !== undefined && { apiKey: PENGUIFLOW_API_KEY }),
  });
  return provider(PENGUIFLOW_MODEL);
}
