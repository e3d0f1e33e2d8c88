import { type ContentPart, contentToText, type RunAgentInput, type UserMessage } from "@ag-ui/core";
import type { Prompt, PromptPart } from "@penguiflow/planner";
import { Refusal } from "./run-end.ts";

/**
 * Returns the text of the last user message: the input of a flow, unless the program makes another.
 *
 * @throws Refusal `INPUT_INVALID`
 */
export function lastText(run: RunAgentInput): string {
  return contentToText(lastUserMessage(run).content);
}

/**
 * Returns the last user message as a prompt, its text and the files that it contains.
 *
 * @throws Refusal `INPUT_INVALID`
 */
export function lastPrompt(run: RunAgentInput): Prompt {
  const { content } = lastUserMessage(run);
  return typeof content === "string" ? content : content.map(partOf);
}

function lastUserMessage({ messages }: RunAgentInput): UserMessage {
  const message = messages.findLast((one) => one.role === "user");
  if (message === undefined)
    throw new Refusal("INPUT_INVALID", "The run has no message of a user: send one in messages");
  return message;
}

function partOf(part: ContentPart): PromptPart {
  if (part.type === "text") return { type: "text", text: part.text };
  const { source } = part;
  if (source.type === "data") return { type: "file", mediaType: source.mimeType, data: source.value };
  throw new Refusal(
    "INPUT_INVALID",
    `The ${part.type} of a message has a source of type "${source.type}": send its data`,
  );
}
