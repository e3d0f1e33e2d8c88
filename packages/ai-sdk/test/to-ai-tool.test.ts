import { type CallerOptions, type RunnablePlanner, toAiTool } from "@penguiflow/ai-sdk";
import type { PlanResult } from "@penguiflow/planner";
import { asSchema, generateText, isStepCount, type Tool, type ToolExecutionOptions } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { create, payloadNode } from "penguiflow";
import { expect, test } from "vitest";
import { z } from "zod";

const base = { runId: "r-1", steps: [], spent: { steps: 1, toolCalls: 0, tokens: 5, costUsd: 0 } };

/** A planner that ends as it is told, and keeps what it was asked. */
function planner(result: object): RunnablePlanner<string> & { readonly asked: [unknown, CallerOptions | undefined][] } {
  const asked: [unknown, CallerOptions | undefined][] = [];
  const run = async (prompt: unknown, options?: CallerOptions): Promise<PlanResult> => {
    asked.push([prompt, options]);
    return { ...base, ...result } as unknown as PlanResult;
  };
  return { flow: {}, run, asked };
}

const options = (given: object = {}): ToolExecutionOptions<unknown> => ({
  toolCallId: "c",
  messages: [],
  context: undefined,
  ...given,
});

async function execute(tool: Tool, input: unknown, given?: object): Promise<unknown> {
  return (await tool.execute?.(input, options(given))) as unknown;
}

test("a planner is a tool with a prompt; its caller is named by the program and its run ends with the call", async () => {
  const asked = planner({ status: "completed", output: "42", text: "42" });
  const tool = toAiTool(asked, {
    description: "Knows",
    caller: ({ context }) => ({ tenant: "acme", user: (context as { readonly user: string }).user }),
  });
  const { signal } = new AbortController();

  const answer = await execute(tool, { prompt: "what?" }, { abortSignal: signal, context: { user: "ann" } });

  expect(answer).toEqual({ status: "completed", runId: "r-1", output: "42" });
  expect(asked.asked).toEqual([["what?", { tenant: "acme", user: "ann", signal }]]);
  const schema = asSchema(tool.inputSchema);
  expect(await schema.validate?.({ prompt: 3 })).toMatchObject({ success: false });
  expect(await schema.validate?.(null)).toMatchObject({ success: false });
});

test("a paused planner tells its questions without their tokens", async () => {
  const questions = [{ token: "secret-token", reason: "Book it?" }];
  const tool = toAiTool(planner({ status: "paused", questions }), { description: "Books" });

  const answer = await execute(tool, { prompt: "book" });

  expect(answer).toEqual({ status: "paused", runId: "r-1", questions: ["Book it?"] });
});

test.each([
  [{ status: "exhausted", which: "steps" }, "its budget of steps is used up"],
  [{ status: "failed", code: "MODEL_FAILED", error: new Error("key sk-1 is wrong") }, "MODEL_FAILED"],
  [{ status: "cancelled", reason: "stop" }, "it was cancelled"],
])("an end that is no answer is an error of the tool: %o", async (result, message) => {
  const tool = toAiTool(planner(result), { description: "Fails" });

  await expect(execute(tool, { prompt: "x" })).rejects.toThrow(`The task is not done: ${message}`);
});

test("a model of the AI SDK calls a flow as a tool", async () => {
  await using flow = create(payloadNode("double", ({ n }: { n: number }) => ({ twice: n * 2 })).to());
  flow.run();
  const double = toAiTool(flow, { description: "Doubles", inputSchema: z.object({ n: z.number() }) });
  const usage = {
    inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: 1, text: 1, reasoning: undefined },
  };
  const call = { type: "tool-call", toolCallId: "1", toolName: "double", input: '{"n":21}' } as const;
  const model = new MockLanguageModelV4({
    doGenerate: [
      { content: [call], finishReason: { unified: "tool-calls", raw: "t" }, usage, warnings: [] },
      { content: [{ type: "text", text: "42" }], finishReason: { unified: "stop", raw: "s" }, usage, warnings: [] },
    ],
  });

  const { text, steps } = await generateText({
    model,
    tools: { double },
    stopWhen: isStepCount(3),
    prompt: "21 twice?",
  });

  expect(text).toBe("42");
  expect(steps[0]?.toolResults).toMatchObject([{ toolName: "double", output: { twice: 42 } }]);
});

test("a flow without a schema is refused", () => {
  const flow = create(payloadNode("a", (text: string) => text).to());
  expect(() => toAiTool(flow, { description: "x" } as never)).toThrow('Option "inputSchema" of toAiTool is missing');
});
