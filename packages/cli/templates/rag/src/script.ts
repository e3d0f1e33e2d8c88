import type { ModelScript } from "@penguiflow/planner/testing";
import type { Passage } from "./library.ts";

/** Plays the model: searches for what was asked, and answers with the best passage and its source. */
export const script: ModelScript = ({ prompt }) => {
  const asked = prompt.findLastIndex(({ role }) => role === "user");
  const question = prompt[asked]?.content;
  const text = typeof question === "string" ? question : (question?.find((part) => part.type === "text")?.text ?? "");
  const found = prompt
    .slice(asked)
    .flatMap((message) => (message.role === "tool" ? message.content : []))
    .find((part) => part.type === "tool-result");
  if (found?.type !== "tool-result") return { calls: [{ tool: "search_docs", args: { question: text } }] };
  const [best] = found.output.type === "json" ? (found.output.value as unknown as readonly Passage[]) : [];
  return best === undefined ? "The documents do not say." : `${best.text} [${best.source}]`;
};
