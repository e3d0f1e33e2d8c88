import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { LLMock } from "@copilotkit/aimock";
import { describe, expect, onTestFinished, test } from "vitest";
import { defaultPrompt } from "../../src/index.ts";
import { ask } from "./request.ts";
import { toolOf } from "./tool-of.ts";

/** Serves answers over HTTP, and returns a model of another make that speaks to it. */
async function served(prepare: (mock: LLMock) => void, includeUsage = true): Promise<[LanguageModelV4, LLMock]> {
  const mock = new LLMock({ port: 0 });
  prepare(mock);
  const url = await mock.start();
  onTestFinished(() => mock.stop());
  const provider = createOpenAICompatible({ name: "mock", baseURL: `${url}/v1`, apiKey: "none", includeUsage });
  return [provider("mock-1"), mock];
}

const tools = [toolOf("weather", { city: { type: "string" } })];
const listen = async (): Promise<void> => {};

describe("over the wire", () => {
  test("calls side by side and reasoning come alike, streamed or not", async () => {
    const [model] = await served((mock) =>
      mock.onMessage("Hello", {
        content: "Looking.",
        reasoning: "Two cities.",
        toolCalls: [
          { name: "weather", arguments: '{"city":"Rome"}', id: "call_a" },
          { name: "weather", arguments: '{"city":"Oslo"}', id: "call_b" },
        ],
      }),
    );
    const generated = await ask(model, { tools });
    const heard: string[] = [];
    const streamed = await ask(model, { tools, onDelta: async (kind, delta) => void heard.push(`${kind} ${delta}`) });
    expect(streamed.parts).toEqual(generated.parts);
    expect(generated.parts).toMatchObject([
      { type: "reasoning", text: "Two cities." },
      { type: "text", text: "Looking." },
      { type: "call", callId: "1.0", providerId: "call_a", input: '{"city":"Rome"}' },
      { type: "call", callId: "1.1", providerId: "call_b", input: '{"city":"Oslo"}' },
    ]);
    expect(heard.join("")).toContain("reasoning Two");
    expect(streamed.tokensIn).toBeGreaterThan(0);
  });

  test("arguments that are no JSON arrive as they were written, and go back as an object", async () => {
    const [model, mock] = await served((server) =>
      server.onMessage("Hello", { toolCalls: [{ name: "weather", arguments: '{"city":', id: "call_a" }] }),
    );
    const turn = await ask(model, { tools, onDelta: listen });
    expect(turn.parts).toMatchObject([{ type: "call", input: '{"city":' }]);
    const prompt = defaultPrompt({
      instructions: "",
      tools,
      memory: { turns: [] },
      turns: [
        { role: "user", parts: [{ type: "text", text: "Hello" }] },
        { role: "model", parts: turn.parts },
        {
          role: "tool",
          callId: "1.0",
          providerId: "call_a",
          tool: "weather",
          output: { kind: "error", code: "ARGUMENTS_INVALID", text: "no JSON" },
        },
      ],
    });
    await ask(model, { tools, prompt });
    expect(mock.getLastRequest()?.body).toMatchObject({
      messages: [
        { role: "system" },
        { role: "user" },
        { role: "assistant", tool_calls: [{ id: "call_a", function: { arguments: '{"unreadable":"{\\"city\\":"}' } }] },
        { role: "tool", tool_call_id: "call_a", content: "ARGUMENTS_INVALID: no JSON" },
      ],
    });
  });

  test("a connection that breaks in a call fails, may be tried again, and tells what was said", async () => {
    const call = { name: "weather", arguments: '{"city":"Rome"}', id: "call_a" };
    const [model] = await served((mock) =>
      mock.onMessage(
        "Hello",
        { content: "Let me look.", toolCalls: [call] },
        // with time between them, as what has not been read is lost with the connection
        { chunkSize: 4, truncateAfterChunks: 5, latency: 20 },
      ),
    );
    const broken = await ask(model, { tools, onDelta: listen }).catch((thrown: unknown) => thrown);
    expect(broken).toMatchObject({
      name: "ModelError",
      retryable: true,
      text: expect.stringMatching(/^Let/) as string,
    });
  });

  test.each(["", '{"city":"Ro', "{}"])("a response that breaks off in a call behind %o is no turn", async (written) => {
    const chunk = (delta: object) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`;
    const call = { index: 0, id: "call_a", function: { name: "weather", arguments: written } };
    const server = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(chunk({ content: "Let me look." }) + chunk({ tool_calls: [call] }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const model = createOpenAICompatible({ name: "mock", baseURL: `http://127.0.0.1:${port}` })("mock-1");
    await expect(ask(model, { tools, onDelta: listen })).rejects.toMatchObject({
      name: "ModelError",
      retryable: true,
      text: "Let me look.",
    });
  });

  test.each([undefined, listen])("a limit of requests tells when to come back (streamed: %s)", async (onDelta) => {
    const [model] = await served((mock) =>
      mock.onMessage("Hello", { error: { message: "slow down" }, status: 429, retryAfter: 7 }),
    );
    await expect(ask(model, { onDelta })).rejects.toMatchObject({
      code: "MODEL_FAILED",
      retryable: true,
      retryAfterMs: 7_000,
      message: 'Cannot call model "mock-1": 429 slow down',
    });
  });

  test("a prompt that is too long is told apart, and not tried again", async () => {
    const [model] = await served((mock) =>
      mock.onMessage("Hello", {
        error: { message: "This model's maximum context length is 8192 tokens.", code: "context_length_exceeded" },
        status: 400,
      }),
    );
    await expect(ask(model)).rejects.toMatchObject({ code: "CONTEXT_TOO_LONG", retryable: false });
  });

  test("a server that tells no usage gets an estimate", async () => {
    const [model] = await served((mock) => mock.onMessage("Hello", { content: "x".repeat(400) }), false);
    const turn = await ask(model, { onDelta: listen });
    expect(turn.tokensOut).toBeGreaterThan(100);
    expect(turn.tokensIn).toBeGreaterThan(10);
  });

  test("a filtered answer and one cut by its length are told apart", async () => {
    const [model] = await served((mock) => {
      mock.onMessage("Hello", { content: "Half", finishReason: "length" });
    });
    expect(await ask(model)).toMatchObject({ finish: "cut", text: "Half" });
    const [filtered] = await served((mock) => {
      mock.onMessage("Hello", { content: "", finishReason: "content_filter" });
    });
    expect(await ask(filtered, { onDelta: listen })).toMatchObject({ finish: "filtered" });
  });

  test("an abort ends a slow stream at once", async () => {
    const [model] = await served((mock) =>
      mock.onMessage("Hello", { content: "word ".repeat(1_000) }, { latency: 1_000 }),
    );
    const abort = new AbortController();
    const call = ask(model, { signal: abort.signal, onDelta: listen });
    abort.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
  });
});
