import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { JsonSchema } from "../plan/json.ts";
import { type FirstJson, firstJson } from "./first-json.ts";
import { addToSystem } from "./messages.ts";

/** Tells a model of the schema of its answer: not every provider holds it to a response format. */
export function withOutputRule(prompt: LanguageModelV4Prompt, output: JsonSchema): LanguageModelV4Prompt {
  const rule = "When you need no further call, answer with JSON and nothing else. It must fit this JSON schema:";
  return addToSystem(prompt, `${rule}\n${JSON.stringify(output)}`);
}

/** Reads a typed answer: JSON, or the first object or list of a text that has more than that. */
export function readOutput(text: string): FirstJson {
  try {
    return { found: true, value: JSON.parse(text) };
  } catch {
    return firstJson(text, "any");
  }
}

/** Formats what is told to a model whose answer does not fit its schema. */
export function outputNote(problem: string): string {
  return `Your last answer cannot be used: ${problem}. Answer again, with JSON that fits the schema`;
}
