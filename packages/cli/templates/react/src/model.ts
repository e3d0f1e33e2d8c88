import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { type ModelScript, scriptedModel } from "@penguiflow/planner/testing";

/** Plays the model: looks the order up, pays it back if that is asked for, and answers. */
const script: ModelScript = ({ prompt }) => {
  const asked = prompt.findLastIndex(({ role }) => role === "user");
  const question = JSON.stringify(prompt[asked]);
  const results = prompt.slice(asked).filter(({ role }) => role === "tool");
  const [, order] = /\b(\d{4})\b/.exec(question) ?? [];
  if (order === undefined) return "Which order is it? Its number has four digits, such as 4471.";
  if (results.length === 0) return { calls: [{ tool: "find_order", args: { order } }] };
  const found = JSON.stringify(results[0]);
  const [, euros] = /"euros":([\d.]+)/.exec(found.replaceAll("\\", "")) ?? [];
  if (euros === undefined) return `I do not know order ${order}.`;
  const wantsRefund = /refund|back/i.test(question);
  if (wantsRefund && results.length === 1)
    return { calls: [{ tool: "refund", args: { order, euros: Number(euros) } }] };
  if (wantsRefund)
    return JSON.stringify(results[1]).includes("paid back") ? `Order ${order} is paid back.` : "Nothing is paid back.";
  const [, state] = /"state":"([^"]+)"/.exec(found.replaceAll("\\", "")) ?? [];
  return `Order ${order} is ${state}.`;
};

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
