import type { ScriptedRequest } from "@penguiflow/planner/testing";

/** Finds calls of a prompt that do not have exactly one result, in their order, before the model's next turn. */
export function* brokenPrompt(prompt: ScriptedRequest["prompt"]): Generator<string> {
  let open: string[] = [];
  for (const message of prompt) {
    if (message.role === "tool") {
      for (const part of message.content) {
        if (part.type !== "tool-result") continue;
        const next = open.shift();
        if (next !== part.toolCallId)
          yield `the result of call "${part.toolCallId}" stands where that of "${next ?? "none"}" is expected`;
        if (part.output.type === "error-text" && part.output.value.startsWith("The call has no result"))
          yield `call "${part.toolCallId}" has no result`;
      }
      continue;
    }
    if (open.length > 0) yield `calls "${open.join('", "')}" have no result before a message of role ${message.role}`;
    open =
      message.role === "assistant"
        ? message.content.flatMap((part) => (part.type === "tool-call" ? [part.toolCallId] : []))
        : [];
  }
  if (open.length > 0) yield `calls "${open.join('", "')}" have no result`;
}
