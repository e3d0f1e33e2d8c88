import { expect, test } from "vitest";
import { defaultPrompt } from "../../src/index.ts";
import type { Turn } from "../../src/index.ts";

const question: Turn = { role: "user", parts: [{ type: "text", text: "Weather?" }] };
const none = { turns: [] };

test("each call has its result behind it, in call order, whatever came between in the log", () => {
  const turns: Turn[] = [
    question,
    {
      role: "model",
      parts: [
        { type: "call", callId: "1.0", providerId: "a", tool: "one", input: "{}" },
        { type: "call", callId: "1.1", providerId: "b", tool: "two", input: "" },
        { type: "call", callId: "1.2", providerId: "c", tool: "three", input: "{bad" },
      ],
    },
    { role: "tool", callId: "1.1", providerId: "b", tool: "two", output: { kind: "text", text: "2" } },
    { role: "user", parts: [{ type: "text", text: "Hurry" }] },
    { role: "tool", callId: "1.0", providerId: "a", tool: "one", output: { kind: "denied", reason: "no" } },
  ];
  const prompt = defaultPrompt({ instructions: "", tools: [], memory: none, turns });
  expect(prompt.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "user"]);
  expect(prompt[1]?.content).toMatchObject([{ input: {} }, { input: {} }, { input: { unreadable: "{bad" } }]);
  expect(prompt[2]?.content).toMatchObject([
    { toolCallId: "a", output: { type: "execution-denied" } },
    { toolCallId: "b", output: { type: "text", value: "2" } },
    { toolCallId: "c", output: { type: "error-text" } },
  ]);
});
