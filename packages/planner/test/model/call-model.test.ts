import { expect, test } from "vitest";
import { scriptedModel } from "../../src/testing/index.ts";
import { ask } from "./request.ts";

const weather = {
  reasoning: "They ask for two cities.",
  text: "Let me look.",
  calls: [
    { tool: "weather", args: { city: "Rome" }, id: "a" },
    { tool: "weather", args: { city: "Oslo" }, id: "b" },
  ],
};

test("a turn is the same, streamed or generated", async () => {
  const deltas: string[] = [];
  const generated = await ask(scriptedModel([weather]), { step: 3 });
  const streamed = await ask(scriptedModel([weather]), {
    step: 3,
    onDelta: async (kind, delta) => void deltas.push(`${kind}:${delta}`),
  });
  expect(streamed).toEqual(generated);
  expect(generated).toEqual({
    parts: [
      { type: "reasoning", text: "They ask for two cities." },
      { type: "text", text: "Let me look." },
      { type: "call", callId: "3.0", providerId: "a", tool: "weather", input: '{"city":"Rome"}' },
      { type: "call", callId: "3.1", providerId: "b", tool: "weather", input: '{"city":"Oslo"}' },
    ],
    text: "Let me look.",
    finish: "stop",
    tokensIn: 10,
    tokensOut: 5,
    costUsd: 0,
    modelId: "scripted",
  });
  expect(deltas.slice(-3)).toEqual(["text:Let ", "text:me ", "text:look."]);
});

test("a stream without its end is an error that has the text", async () => {
  const model = scriptedModel([{ text: "Half of", cut: true }], { loop: true });
  const cut = { code: "MODEL_OUTPUT_CUT", retryable: true, text: "Half of" };
  await expect(ask(model, { onDelta: async () => {} })).rejects.toMatchObject(cut);
  await expect(ask(model)).rejects.toMatchObject(cut);
});
