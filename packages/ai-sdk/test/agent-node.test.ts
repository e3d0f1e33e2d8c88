import { type AgentAnswer, agentNode } from "@penguiflow/ai-sdk";
import { isStepCount, Output, tool, ToolLoopAgent } from "ai";
import { convertArrayToReadableStream, MockLanguageModelV4 } from "ai/test";
import { create } from "penguiflow";
import { expect, test } from "vitest";
import { z } from "zod";

type Parts =
  Awaited<ReturnType<MockLanguageModelV4["doStream"]>>["stream"] extends ReadableStream<infer Part> ? Part[] : never;

const usage = {
  inputTokens: { total: 7, noCache: 7, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 3, text: 3, reasoning: undefined },
};

const finish = (
  unified: "stop" | "tool-calls" | "length" | "content-filter" | "other",
  raw?: string,
): Parts[number] => ({
  ...{ type: "finish", usage },
  finishReason: { unified, raw },
});

const text = (...deltas: string[]): Parts => [
  { type: "text-start", id: "t" },
  ...deltas.map((delta) => ({ type: "text-delta", id: "t", delta }) as const),
  { type: "text-end", id: "t" },
];

/** A model that streams the given parts, call by call. */
function model(...calls: Parts[]): MockLanguageModelV4 {
  return new MockLanguageModelV4({
    doStream: calls.map((parts) => ({
      stream: convertArrayToReadableStream<Parts[number]>([{ type: "stream-start", warnings: [] }, ...parts]),
    })),
  });
}

const call = { type: "tool-call", toolCallId: "1", toolName: "look", input: "{}" } as const;

test("an agent runs in a node: its text streams, its tokens are spent, its answer is the result", async () => {
  const look = tool({ inputSchema: z.object({}), execute: () => "seen" });
  const steps = model([call, finish("tool-calls", "t")], [...text("It is ", "fine"), finish("stop", "s")]);
  const agent = new ToolLoopAgent({ model: steps, tools: { look } });
  await using flow = create(agentNode("agent", agent).to());
  flow.run();

  const texts: string[] = [];
  const results: unknown[] = [];
  for await (const item of flow.stream("how?")) {
    if (item.type === "chunk") texts.push(item.chunk.text);
    if (item.type === "result") results.push(item.result);
  }

  expect(texts.filter((chunk) => chunk !== "")).toEqual(["It is ", "fine"]);
  expect(results).toEqual([{ text: "It is fine", output: "It is fine", tokens: 20 }]);
});

test("the tokens of an agent draw on the trace's budget, which ends it between two steps", async () => {
  const look = tool({ inputSchema: z.object({}), execute: () => "seen" });
  const steps = model([call, finish("tool-calls", "t")], [...text("late"), finish("stop", "s")]);
  await using flow = create(agentNode("agent", new ToolLoopAgent({ model: steps, tools: { look } })).to());
  flow.run();

  const outcome = await flow.outcome("how?", { budget: { tokens: 9 } });

  expect(outcome).toMatchObject({ status: "exhausted" });
});

test("messages and a typed output go through", async () => {
  const output = Output.object({ schema: z.object({ city: z.string() }) });
  const typed = new ToolLoopAgent({ model: model([...text('{"city":"Oslo"}'), finish("stop", "s")]), output });
  await using flow = create(agentNode("agent", typed).to());
  flow.run();

  const answer: AgentAnswer<{ city: string }> = await flow.call([{ role: "user", content: "where?" }]);

  expect(answer.output).toEqual({ city: "Oslo" });
});

test.each<[string, Parts, string]>([
  ["cut by its length", [...text("hal"), finish("length", "max")], 'it finished with "length"'],
  ["filtered", [...text(""), finish("content-filter", "f")], 'it finished with "content-filter"'],
  ["cut without a finish", text("hal"), "its stream ended without a finish"],
  ["out of steps", [call, finish("tool-calls", "t")], "its last step asks for tools"],
  ["broken", [...text("hal"), { type: "error", error: new Error("overloaded") }], "overloaded"],
])("an answer that was %s is no answer", async (_, parts, message) => {
  const look = tool({ inputSchema: z.object({}), execute: () => "seen" });
  const agent = new ToolLoopAgent({ model: model(parts), tools: { look }, stopWhen: isStepCount(1), maxRetries: 0 });
  await using flow = create(agentNode("agent", agent).to());
  flow.run();

  const outcome = await flow.outcome("how?");

  expect(outcome.status).toBe("failed");
  expect(JSON.stringify(outcome)).toContain(message.replaceAll('"', String.raw`\"`));
});

test("a reason of the model's own to stop is an answer", async () => {
  const agent = new ToolLoopAgent({ model: model([...text("ok"), finish("other", "pause_turn")]) });
  await using flow = create(agentNode({ name: "agent", policy: { timeoutMs: 10_000 } }, agent).to());
  flow.run();

  expect(await flow.call("how?")).toMatchObject({ text: "ok" });
});

test("cancel reaches the model", async () => {
  const started = Promise.withResolvers<AbortSignal | undefined>();
  const slow = new MockLanguageModelV4({
    doStream: async ({ abortSignal }) => {
      started.resolve(abortSignal);
      return await new Promise((_, reject) => {
        abortSignal?.addEventListener("abort", () => reject(abortSignal.reason as Error));
      });
    },
  });
  await using flow = create(agentNode("agent", new ToolLoopAgent({ model: slow })).to());
  flow.run();
  const cancelling = new AbortController();

  const outcome = flow.outcome("how?", { signal: cancelling.signal });
  const heard = await started.promise;
  cancelling.abort();

  expect(await outcome).toMatchObject({ status: "cancelled" });
  expect(heard?.aborted).toBe(true);
});
