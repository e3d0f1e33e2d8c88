import type { LanguageModelV4, LanguageModelV4StreamPart, LanguageModelV4Usage } from "@ai-sdk/provider";
import { describe, expect, test } from "vitest";
import { defaultPrompt } from "../../src/index.ts";
import { ask } from "./request.ts";

const usage: LanguageModelV4Usage = {
  inputTokens: { total: undefined, noCache: 7, cacheRead: 3, cacheWrite: undefined },
  outputTokens: { total: 4, text: undefined, reasoning: undefined },
};
const finish: LanguageModelV4StreamPart = {
  type: "finish",
  usage,
  finishReason: { unified: "stop", raw: "stop" },
};

/** A model that streams parts as they are given, also such as no version of the types knows. */
function streaming(parts: readonly unknown[], onCancel?: () => void): LanguageModelV4 {
  const iterator = parts[Symbol.iterator]();
  const stream = new ReadableStream<LanguageModelV4StreamPart>({
    pull(controller) {
      const next = iterator.next();
      if (next.done === true) controller.close();
      else if (next.value instanceof Error) throw next.value;
      else if (next.value !== "wait") controller.enqueue(next.value as LanguageModelV4StreamPart);
      else return new Promise<void>(() => {});
      return undefined;
    },
    cancel: () => onCancel?.(),
  });
  return {
    specificationVersion: "v4",
    provider: "test",
    modelId: "m",
    supportedUrls: {},
    doGenerate: () => Promise.reject(new Error("not generated")),
    doStream: () => Promise.resolve({ stream }),
  };
}

const hear = async (parts: readonly unknown[]) => await ask(streaming(parts), { onDelta: async () => {} });
const text = (delta: string, id = "t"): LanguageModelV4StreamPart[] => [
  { type: "text-start", id },
  { type: "text-delta", id, delta },
  { type: "text-end", id },
];

describe("a stream", () => {
  test("is read past pings, raw chunks, sources and kinds that no version knows", async () => {
    const turn = await hear([
      { type: "stream-start", warnings: [] },
      { type: "ping" },
      { type: "raw", rawValue: { any: 1 } },
      { type: "response-metadata", id: "r", modelId: "m-2026" },
      { type: "from-the-future", id: "t" },
      ...text("Hi"),
      { type: "source", sourceType: "url", id: "s", url: "https://example.com" },
      finish,
    ]);
    expect(turn).toMatchObject({ text: "Hi", modelId: "m-2026", tokensIn: 10, tokensOut: 4 });
    expect(turn.parts).toEqual([{ type: "text", text: "Hi" }]);
  });

  test("keeps two blocks apart that have one id after another", async () => {
    const turn = await hear([...text("one"), { type: "reasoning-start", id: "t" }, ...text("two"), finish]);
    expect(turn.parts.map((part) => "text" in part && part.text)).toEqual(["one", "two"]);
  });

  test("takes blocks that are spoken in turns, and keeps the last signature of each", async () => {
    const signed = (signature: string) => ({ providerMetadata: { p: { signature } } });
    const turn = await hear([
      { type: "reasoning-start", id: "a", ...signed("early") },
      { type: "text-start", id: "b" },
      { type: "reasoning-delta", id: "a", delta: "think" },
      { type: "text-delta", id: "b", delta: "say" },
      { type: "reasoning-delta", id: "a", delta: "", ...signed("late") },
      { type: "reasoning-end", id: "a" },
      { type: "reasoning-start", id: "c", ...signed("redacted") },
      finish,
    ]);
    expect(turn.parts).toEqual([
      { type: "reasoning", text: "think", metadata: { p: { signature: "late" } } },
      { type: "text", text: "say" },
      { type: "reasoning", text: "", metadata: { p: { signature: "redacted" } } },
    ]);
  });

  test("fails at an error part, whatever follows, with what was said", async () => {
    const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    await expect(hear([...text("Half"), error, ...text("more"), finish])).rejects.toMatchObject({
      code: "MODEL_FAILED",
      retryable: true,
      text: "Half",
      message: 'Cannot call model "m": Overloaded',
    });
  });

  test("fails when it throws, and when it ends without its finish", async () => {
    await expect(hear([...text("Half"), new TypeError("terminated")])).rejects.toMatchObject({ retryable: true });
    await expect(hear(text("Half"))).rejects.toMatchObject({ code: "MODEL_OUTPUT_CUT", text: "Half" });
    await expect(hear([])).rejects.toMatchObject({ code: "MODEL_OUTPUT_CUT" });
  });

  test("gives calls with any reason to finish, and no usage", async () => {
    const call = { type: "tool-call", toolCallId: "x", toolName: "look", input: "" };
    for (const unified of ["stop", "other", "tool-calls", "error"] as const) {
      const turn = await hear([call, { ...finish, finishReason: { unified, raw: undefined }, usage: undefined }]);
      expect(turn).toMatchObject({ finish: "stop", parts: [{ type: "call", callId: "1.0", input: "" }] });
      expect(turn.tokensIn).toBeGreaterThan(0);
    }
  });

  test("gives calls ids of their own when the provider's are empty or alike", async () => {
    const call = (toolCallId: string) => ({ type: "tool-call", toolCallId, toolName: "look", input: "{}" });
    const turn = await hear([call("a"), call("a"), call(""), finish]);
    expect(turn.parts).toMatchObject([
      { callId: "1.0", providerId: "a" },
      { callId: "1.1", providerId: "1.1" },
      { callId: "1.2", providerId: "1.2" },
    ]);
  });

  test("with nothing in it says so to the model", async () => {
    expect(await hear([...text("  "), finish])).toMatchObject({
      problem: "Your last answer was empty: answer with text, or call a tool",
    });
    expect(await hear([...text("Hi"), finish])).not.toHaveProperty("problem");
  });

  test("waits for its reader", async () => {
    const order: string[] = [];
    const model = streaming([...text("one"), ...text("two"), finish]);
    await ask(model, {
      onDelta: async (_, delta) => {
        order.push(`begin ${delta}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
        order.push(`end ${delta}`);
      },
    });
    expect(order).toEqual(["begin one", "end one", "begin two", "end two"]);
  });

  test("is cancelled when its reader fails, with the reader's own error", async () => {
    let cancelled = 0;
    const model = streaming([...text("one"), "wait"], () => (cancelled += 1));
    const gone = new Error("gone");
    await expect(ask(model, { onDelta: () => Promise.reject(gone) })).rejects.toBe(gone);
    expect(cancelled).toBe(1);
  });

  test("is cancelled by its signal while the model says nothing", async () => {
    let cancelled = 0;
    const abort = new AbortController();
    const model = streaming([...text("one"), "wait"], () => (cancelled += 1));
    const call = ask(model, {
      signal: abort.signal,
      onDelta: async () => queueMicrotask(() => abort.abort(new Error("enough"))),
    });
    await expect(call).rejects.toThrow("enough");
    expect(cancelled).toBe(1);
  });

  test("brings what only its provider understands through the log and back", async () => {
    const providerMetadata = { p: { id: "srv", list: [1, { deep: null }] } };
    const turn = await hear([
      {
        type: "tool-call",
        toolCallId: "s",
        toolName: "web",
        input: '{"q":1}',
        providerExecuted: true,
        providerMetadata,
      },
      { type: "tool-result", toolCallId: "s", toolName: "web", result: "early", preliminary: true },
      { type: "tool-result", toolCallId: "s", toolName: "web", result: { hits: 2 }, providerMetadata },
      { type: "file", mediaType: "image/png", data: { type: "data", data: new Uint8Array([1, 2, 255]) } },
      { type: "file", mediaType: "image/png", data: { type: "url", url: new URL("https://example.com/a.png") } },
      { type: "custom", kind: "p.block", providerMetadata },
      finish,
    ]);
    const stored = JSON.parse(JSON.stringify(turn.parts)) as typeof turn.parts;
    expect(stored).toEqual(turn.parts);
    const prompt = defaultPrompt({
      instructions: "",
      tools: [],
      memory: { turns: [] },
      turns: [{ role: "model", parts: stored }],
    });
    const providerOptions = providerMetadata;
    expect(prompt).toEqual([
      {
        role: "assistant",
        content: [
          {
            type: "tool-call",
            toolCallId: "s",
            toolName: "web",
            input: { q: 1 },
            providerExecuted: true,
            providerOptions,
          },
          {
            type: "tool-result",
            toolCallId: "s",
            toolName: "web",
            output: { type: "json", value: { hits: 2 } },
            providerOptions,
          },
          { type: "file", mediaType: "image/png", data: { type: "data", data: "AQL/" } },
          {
            type: "file",
            mediaType: "image/png",
            data: { type: "url", url: new URL("https://example.com/a.png"), originalUrl: "https://example.com/a.png" },
          },
          { type: "custom", kind: "p.block", providerOptions },
        ],
      },
    ]);
  });
});
