import { EventType } from "@ag-ui/core";
import { aguiHandler } from "@penguiflow/ag-ui";
import { createPlanner, tool, type ToolSource, type Tool } from "@penguiflow/planner";
import { type ModelScript, scriptedModel } from "@penguiflow/planner/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { requireOrder } from "./order.ts";
import { closed, events, interruptsOf, runInput, serve, textOf, typesOf } from "./serve.ts";

const caller = () => ({ tenant: "acme", user: "ann" });

const search = tool({
  name: "search",
  description: "Searches",
  input: z.object({ q: z.string() }),
  effects: "reads",
  maxRetries: 0,
  run: async ({ q }, ctx) => {
    await ctx.progress({ percent: 50 });
    if (q === "fail") throw new Error("no index");
    return { found: q };
  },
});

async function ran(script: ModelScript, tools: readonly (Tool | ToolSource)[] = [search], more = {}) {
  const planner = closed(createPlanner({ name: "p", model: scriptedModel(script), tools, ...more }).start());
  const url = await serve(aguiHandler(planner, { caller }));
  const all = await events(url, runInput("go"));
  requireOrder(all);
  return { url, all };
}

test("a run of a planner is steps with reasoning, text, calls and results", async () => {
  const { all } = await ran([
    { reasoning: "hm", text: "I look", calls: [{ tool: "search", args: { q: "x" } }] },
    "Found",
  ]);

  expect(typesOf(all).filter((type) => !type.endsWith("_CONTENT"))).toEqual([
    ...["RUN_STARTED", "STEP_STARTED", "REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_END"],
    ...[
      "REASONING_END",
      "TEXT_MESSAGE_START",
      "TEXT_MESSAGE_END",
      "TOOL_CALL_START",
      "TOOL_CALL_ARGS",
      "TOOL_CALL_END",
    ],
    ...["CUSTOM", "TOOL_CALL_RESULT", "STEP_FINISHED", "STEP_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END"],
    ...["STEP_FINISHED", "RUN_FINISHED"],
  ]);
  const start = all.find((event) => event.type === EventType.TOOL_CALL_START);
  const message = all.find((event) => event.type === EventType.TEXT_MESSAGE_START);
  expect(start).toMatchObject({ toolCallName: "search", parentMessageId: message?.messageId });
  expect(all).toContainEqual({
    type: "CUSTOM",
    name: "penguiflow.progress",
    value: { toolCallId: start?.toolCallId, data: { percent: 50 } },
  });
  expect(all.find((event) => event.type === EventType.TOOL_CALL_RESULT)).toMatchObject({
    toolCallId: start?.toolCallId,
    content: '{"found":"x"}',
  });
  expect(textOf(all)).toBe("I lookFound");
});

test("a result that is an error says so in its metadata", async () => {
  const { all } = await ran([{ calls: [{ tool: "search", args: { q: "fail" } }] }, "Sorry"]);

  expect(all.find((event) => event.type === EventType.TOOL_CALL_RESULT)).toMatchObject({
    metadata: { penguiflow: { kind: "error", code: "TOOL_FAILED" } },
  });
});

test("a model call that is repeated takes back what the first has said", async () => {
  const { all } = await ran([{ text: "cut o", cut: true }, "whole"]);

  const [first, second] = all.filter((event) => event.type === EventType.TEXT_MESSAGE_START);
  expect(second).toBeDefined();
  expect(all).toContainEqual({ type: "CUSTOM", name: "penguiflow.retracted", value: { messageId: first?.messageId } });
  const snapshot = all.find((event) => event.type === EventType.MESSAGES_SNAPSHOT);
  expect(snapshot?.messages.map(({ content }) => content)).toEqual(["go", "whole"]);
});

test("output that is no text is the run's result", async () => {
  const { all } = await ran(['{"sum":4}'], [], { output: z.object({ sum: z.number() }) });

  expect(all.at(-1)).toMatchObject({ type: "RUN_FINISHED", result: { sum: 4 } });
});

test("a failed model ends the run with its code and without its words", async () => {
  const { all } = await ran([Object.assign(new Error("key sk-1"), { isRetryable: false })]);

  expect(all.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "MODEL_FAILED" });
  expect(JSON.stringify(all)).not.toContain("sk-1");
});

test("an exhausted run without an answer is an error", async () => {
  const { all } = await ran([{ calls: [{ tool: "search", args: { q: "x" } }] }], [search], { budget: { steps: 1 } });

  expect(all.at(-1)).toMatchObject({ type: "RUN_ERROR", code: "BUDGET_EXHAUSTED" });
});

test("a planner below is a subagent whose events name it, closed when its call has its result", async () => {
  const below = createPlanner({
    name: "reader",
    model: scriptedModel([{ text: "mine", calls: [{ tool: "search", args: { q: "y" } }] }, "done", "again"]),
    tools: [search],
  });
  const ask = below.tool({ name: "ask", description: "Asks the reader" });
  const call = { calls: [{ tool: "ask", args: { task: "t" } }] };
  const { all } = await ran([call, call, "Well"], [ask]);

  const started = all.filter((event) => event.type === EventType.SUBAGENT_STARTED);
  expect(started).toMatchObject([{ name: "reader" }, { name: "reader" }]);
  const [first, second] = started.map(({ subagentRunId }) => subagentRunId);
  expect(second).not.toBe(first);
  const own = all.filter((event) => "subagentRunId" in event && event.subagentRunId === first);
  expect(textOf(own)).toBe("minedone");
  expect(typesOf(own)).toContain("TOOL_CALL_START");
  expect(typesOf(own).at(-1)).toBe("SUBAGENT_FINISHED");
});

test("an approval is an interrupt on its call, with a schema that offers to edit the arguments", async () => {
  const pay = tool({
    name: "pay",
    description: "Pays",
    input: z.object({ eur: z.number() }),
    effects: "writes",
    approval: true,
    run: ({ eur }) => `paid ${eur}`,
  });
  const script: ModelScript = ({ prompt }) =>
    prompt.at(-1)?.role === "tool" ? "Done" : { calls: [{ tool: "pay", args: { eur: 5 } }] };
  const { url, all } = await ran(script, [pay]);

  const [interrupt] = interruptsOf(all);
  const call = all.find((event) => event.type === EventType.TOOL_CALL_START);
  expect(interrupt).toMatchObject({
    reason: "tool_call",
    toolCallId: call?.toolCallId,
    responseSchema: { properties: { approved: { type: "boolean" }, editedArgs: { type: "object" } } },
    metadata: { penguiflow: { tool: "pay", args: { eur: 5 } } },
  });
  const messages = all.find((event) => event.type === EventType.MESSAGES_SNAPSHOT)?.messages;
  expect(messages).toMatchObject([{ role: "user" }, { role: "assistant", toolCalls: [{ id: call?.toolCallId }] }]);

  const answer = { interruptId: interrupt?.id as string, status: "resolved" as const };
  const resume = [{ ...answer, payload: { approved: true, editedArgs: { eur: 3 } } }];
  const next = await events(url, runInput("", { messages: messages ?? [], resume }));

  requireOrder(next);
  expect(next.find((event) => event.type === EventType.TOOL_CALL_RESULT)).toMatchObject({
    toolCallId: call?.toolCallId,
    content: "paid 3",
  });
  expect(typesOf(next)).not.toContain("TOOL_CALL_START");
  expect(next.at(-1)).toMatchObject({ outcome: { type: "success" } });
});

test("an approval in a planner below suspends its subagent, and the resume gives its call a result", async () => {
  const pay = tool({
    name: "pay",
    description: "Pays",
    input: z.object({ eur: z.number() }),
    effects: "writes",
    approval: true,
    run: ({ eur }) => `paid ${eur}`,
  });
  const below = createPlanner({
    name: "clerk",
    model: scriptedModel([{ calls: [{ tool: "pay", args: { eur: 5 } }] }, "Paid it"]),
    tools: [pay],
  });
  const ask = below.tool({ name: "ask", description: "Asks the clerk" });
  const { url, all } = await ran([{ calls: [{ tool: "ask", args: { task: "t" } }] }, "All done"], [ask]);

  const [interrupt] = interruptsOf(all);
  const subagentRunId = interrupt?.subagentRunId;
  expect(all.find((event) => event.type === EventType.SUBAGENT_STARTED)).toMatchObject({ subagentRunId });
  expect(all.find((event) => event.type === EventType.SUBAGENT_FINISHED)).toMatchObject({
    subagentRunId,
    outcome: { type: "suspended", interruptIds: [interrupt?.id] },
  });

  const answer = { interruptId: interrupt?.id ?? "", status: "resolved" as const, payload: { approved: true } };
  const next = await events(url, runInput("", { messages: [], resume: [answer] }));

  requireOrder(next);
  expect(next.find((event) => event.type === EventType.TOOL_CALL_RESULT)).toMatchObject({
    toolCallId: interrupt?.toolCallId,
    content: "paid 5",
  });
  expect(textOf(next)).toBe("Paid itAll done");
});
