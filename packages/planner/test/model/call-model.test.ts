import type { LanguageModelV4 } from "@ai-sdk/provider";
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

test("settings reach the model, an empty list of tools does not", async () => {
  const model = scriptedModel(["Hi"]);
  await ask(model, { settings: { temperature: 0, seed: 7, providerOptions: { p: { a: 1 } } } });
  expect(model.calls[0]).toMatchObject({ temperature: 0, seed: 7, providerOptions: { p: { a: 1 } } });
  expect(model.calls[0]).not.toHaveProperty("tools");
});

test("a call costs what its model costs, and its cache less", async () => {
  const model = scriptedModel([{ text: "Hi", tokens: [1_000_000, 100_000] }], { loop: true, modelId: "m" });
  const prices = { m: { input: 2, output: 10 } };
  expect((await ask(model, { prices })).costUsd).toBeCloseTo(3);
  expect((await ask(model)).costUsd).toBe(0);
  await expect(ask(model, { prices: { other: prices.m } })).rejects.toThrow(
    new TypeError('Cannot price model "m": "prices" has "other"; add it'),
  );
  expect(model.count).toBe(2);
  const cached: LanguageModelV4 = {
    ...model,
    doGenerate: async () => ({
      content: [{ type: "text", text: "Hi" }],
      finishReason: { unified: "stop", raw: undefined },
      usage: {
        inputTokens: { total: 1_000_000, noCache: 250_000, cacheRead: 750_000, cacheWrite: undefined },
        outputTokens: { total: 0, text: undefined, reasoning: undefined },
      },
      response: { modelId: "m-2026-01-01" },
      warnings: [],
    }),
  };
  const turn = await ask(cached, { prices: { m: { input: 2, output: 10, cachedInput: 0.2 } } });
  expect(turn.costUsd).toBeCloseTo(0.65);
  expect(turn.modelId).toBe("m-2026-01-01");
});

test.each([undefined, async () => {}])("a model that ignores its signal is left (streamed: %s)", async (onDelta) => {
  const abort = new AbortController();
  const model = scriptedModel(() => new Promise<string>(() => {}));
  const call = ask(model, { signal: abort.signal, onDelta });
  const reason = new Error("enough");
  abort.abort(reason);
  await expect(call).rejects.toBe(reason);
  await expect(ask(model, { signal: abort.signal })).rejects.toBe(reason);
  expect(model.count).toBe(1);
});

test("an answer that stopped with an error is one", async () => {
  const error = { code: "MODEL_FAILED", retryable: true, text: "Half" };
  await expect(ask(scriptedModel([{ text: "Half", finish: "error" }]))).rejects.toMatchObject(error);
});
