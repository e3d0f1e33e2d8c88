import { fromAiTools, toAiTool, toUiMessageStream } from "@penguiflow/ai-sdk";
import { createPlanner, type PlanEvent } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { readUIMessageStream, tool, type ToolExecutionOptions, type UIMessage } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";

const search = tool({
  description: "Searches",
  inputSchema: z.object({ q: z.string() }),
  async *execute({ q }) {
    yield { found: 0 };
    yield { found: 1 };
    yield [`about ${q}`];
  },
});
const book = tool({
  description: "Books",
  inputSchema: z.object({ day: z.number() }),
  execute: ({ day }) => `booked day ${day}`,
});

async function shown(
  events: AsyncIterable<PlanEvent<unknown>>,
  message?: UIMessage,
): Promise<{ readonly message: UIMessage; readonly errors: unknown[] }> {
  const errors: unknown[] = [];
  let last = message;
  const stream = toUiMessageStream(events, { message });
  const given = message === undefined ? {} : { message: structuredClone(message) };
  for await (const each of readUIMessageStream({ stream, onError: (error) => void errors.push(error), ...given }))
    last = each;
  if (last === undefined) throw new Error("There was no message");
  return { message: last, errors };
}

test("a planner with tools of the AI SDK asks in a UI, and goes on in the same message with the answer", async () => {
  const model = scriptedModel([
    {
      text: "I look",
      calls: [
        { tool: "web_search", args: { q: "fish" } },
        { tool: "web_search", args: { q: 3 } },
      ],
    },
    { calls: [{ tool: "web_book", args: { day: 1 } }] },
    "It is booked",
  ]);
  const web = fromAiTools(
    "web",
    { search, book },
    { effects: "reads", settings: { book: { effects: "writes", approval: true } } },
  );
  await using planner = createPlanner({ name: "helper", model, tools: [web] }).start();

  const asked = await shown(planner.stream("book a fish", { tenant: "acme" }));
  const waiting = asked.message.parts.find(
    (part) => part.type === "dynamic-tool" && part.state === "approval-requested",
  );
  const token = (waiting as { readonly approval: { readonly id: string } }).approval.id;
  const decision = { approved: true, args: { day: 2 } } as const;
  const going = planner.resumeStream(token, decision, { tenant: "acme", by: "ann" });
  const done = await shown(going, asked.message);

  expect([asked.errors, done.errors]).toEqual([[], []]);
  expect(done.message.id).toBe(asked.message.id);
  expect(done.message.parts).toMatchObject([
    { type: "step-start" },
    { type: "text", text: "I look" },
    { toolName: "web_search", state: "output-available", output: ["about fish"] },
    { toolName: "web_search", state: "output-error" },
    { type: "step-start" },
    { toolName: "web_book", state: "output-available", input: { day: 2 }, output: "booked day 2" },
    { type: "step-start" },
    { type: "text", text: "It is booked" },
  ]);
});

test("a planner is a tool of the AI SDK, which ends with the call", async () => {
  const model = scriptedModel(["42"]);
  await using planner = createPlanner({ name: "helper", model }).start();
  const ask = toAiTool(planner, { description: "Knows", caller: () => ({ tenant: "acme" }) });
  const options: ToolExecutionOptions<unknown> = { toolCallId: "c", messages: [], context: undefined };

  expect(await ask.execute?.({ prompt: "what?" }, options as never)).toMatchObject({
    status: "completed",
    output: "42",
  });
  await expect(
    ask.execute?.({ prompt: "again?" }, { ...options, abortSignal: AbortSignal.abort() } as never),
  ).rejects.toThrow("The task is not done: it was cancelled");
});
