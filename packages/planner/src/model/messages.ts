import type { LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider";

type UserMessage = Extract<LanguageModelV4Message, { role: "user" }>;

/** Adds to the last message if it is the user's, or begins one: some providers refuse two in a row. */
export function say(prompt: LanguageModelV4Prompt, content: UserMessage["content"]): void {
  const last = prompt.at(-1);
  if (last?.role === "user") prompt[prompt.length - 1] = { ...last, content: [...last.content, ...content] };
  else prompt.push({ role: "user", content });
}

/** Adds rules to the system message of a prompt, or begins one. */
export function addToSystem(prompt: LanguageModelV4Prompt, rules: string): LanguageModelV4Prompt {
  const [first, ...others] = prompt;
  if (first?.role !== "system") return [{ role: "system", content: rules }, ...prompt];
  return [{ ...first, content: `${first.content}\n\n${rules}` }, ...others];
}
