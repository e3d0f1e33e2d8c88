import { toUiMessageStream, type UiMessageStreamOptions } from "@penguiflow/ai-sdk";
import type { PlanEnd, PlanEvent, Question } from "@penguiflow/planner";
import { readUIMessageStream, type UIMessage, type UIMessageChunk, uiMessageChunkSchema } from "ai";
import { expect, test } from "vitest";

type Init =
  PlanEvent<unknown> extends infer Each
    ? Each extends PlanEvent<unknown>
      ? Omit<Each, "seq" | "at" | "runId" | "step" | "path">
      : never
    : never;

const base = { runId: "r-1", steps: [], spent: { steps: 1, toolCalls: 0, tokens: 5, costUsd: 0 } };
const completed: PlanEnd = { ...base, status: "completed", output: "", text: "" };

const question: Question = {
  ...{ token: "token-1", kind: "approval", reason: "Book it?", callId: "1.0", tool: "book", args: {}, schema: {} },
  path: [],
};

/** Numbers events; a number begins a step, a list of names the events of a planner below. */
function events(...given: (Init | number | readonly string[])[]): PlanEvent<unknown>[] {
  let step = 0;
  let path: readonly string[] = [];
  return given.flatMap((one, seq) => {
    if (typeof one === "number") step = one;
    else if (Array.isArray(one)) path = one as readonly string[];
    else return [{ seq, at: 0, runId: "r-1", step, path, ...(one as Init) }];
    return [];
  });
}

async function* over(given: readonly PlanEvent<unknown>[]): AsyncGenerator<PlanEvent<unknown>> {
  yield* given;
}

/** Reads a stream as the AI SDK does: the chunks, each checked against its schema, and the last message. */
async function read(
  given: readonly PlanEvent<unknown>[],
  options: UiMessageStreamOptions = {},
): Promise<{ readonly chunks: UIMessageChunk[]; readonly message: UIMessage | undefined; readonly errors: string[] }> {
  const [one, other] = toUiMessageStream(over(given), options).tee();
  const chunks: UIMessageChunk[] = [];
  const schema = uiMessageChunkSchema();
  for await (const chunk of one) {
    chunks.push(chunk);
    expect(await schema.validate?.(chunk)).toMatchObject({ success: true });
  }
  const errors: string[] = [];
  let message: UIMessage | undefined;
  const onError = (error: unknown): void => void errors.push((error as Error).message);
  const continued = options.message === undefined ? {} : { message: structuredClone(options.message) };
  for await (const each of readUIMessageStream({
    stream: other,
    onError,
    ...continued,
  }))
    message = each;
  return { chunks, message, errors };
}

const step = (text: string): Init => ({
  ...{
    type: "step",
    text,
    model: "m",
    provider: "p",
    tokens: 5,
    tokensIn: 4,
    tokensOut: 1,
    costUsd: 0,
    ms: 1,
    attempt: 1,
  },
});
const call = (callId: string, tool: string, args = {}): Init => ({ type: "call", callId, tool, args });
const result = (callId: string, output: Extract<Init, { type: "result" }>["output"]): Init => ({
  ...{ type: "result", callId, tool: "t", output, ms: 1, attempt: 1 },
});
const text = (delta: string): Init => ({ type: "text", delta });
const end: Init = { type: "end", end: completed };

test("a run with a call is a message with its steps, texts, reasoning and tool parts", async () => {
  const { chunks, message, errors } = await read(
    events(
      ...[1, { type: "reasoning", delta: "hm" } as const, text("I "), text("look"), step("I look")],
      ...[call("1.0", "search", { q: "x" }), { type: "progress", callId: "1.0", data: 50 } as const],
      ...[result("1.0", { kind: "json", value: [1] }), 2, text("Found"), step("Found"), end],
    ),
  );

  expect(errors).toEqual([]);
  expect(message).toMatchObject({
    id: "r-1",
    role: "assistant",
    parts: [
      { type: "step-start" },
      { type: "reasoning", text: "hm", state: "done" },
      { type: "text", text: "I look", state: "done" },
      { type: "dynamic-tool", toolName: "search", toolCallId: "1.0", state: "output-available", output: [1] },
      { type: "step-start" },
      { type: "text", text: "Found", state: "done" },
    ],
  });
  expect(chunks.map(({ type }) => type)).toEqual([
    ...["start", "start-step", "reasoning-start", "reasoning-delta", "reasoning-end"],
    ...["text-start", "text-delta", "text-delta", "text-end"],
    ...["tool-input-available", "tool-output-available", "tool-output-available", "finish-step"],
    ...["start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"],
  ]);
  expect(chunks[10]).toMatchObject({ output: 50, preliminary: true });
  expect(chunks.at(-1)).toEqual({ type: "finish", finishReason: "stop" });
});

test("a step that was not streamed comes whole, and one that was repeated replaces what was told", async () => {
  const { message } = await read(events(1, text("cut o"), step("whole"), 2, step("then"), end));

  expect(message?.parts).toMatchObject([
    { type: "step-start" },
    { type: "text", text: "whole" },
    { type: "step-start" },
    { type: "text", text: "then" },
  ]);
});

test("every kind of result has its state", async () => {
  const ids = ["1.0", "1.1", "1.2", "1.3", "1.4"];
  const { message } = await read(
    events(
      ...[1, step(""), ...ids.map((id) => call(id, "t"))],
      result("1.0", { kind: "text", text: "t" }),
      result("1.1", { kind: "content", parts: [{ type: "text", text: "a" }] }),
      result("1.2", { kind: "error", code: "TOOL_FAILED", text: "no" }),
      result("1.3", { kind: "denied", reason: "policy" }),
      result("1.4", { kind: "unknown", text: "who knows" }),
      end,
    ),
  );

  expect(message?.parts.slice(1)).toMatchObject([
    { state: "output-available", output: "t" },
    { state: "output-available", output: [{ type: "text", text: "a" }] },
    { state: "output-error", errorText: "no" },
    { state: "output-denied" },
    { state: "output-error", errorText: "who knows" },
  ]);
});

test("an approval is asked for with the token of its question, in a stream that ends with the pause", async () => {
  const asked: Init[] = [
    { type: "question", question },
    { type: "paused", questions: [question] },
  ];
  const { message, chunks } = await read(events(1, step(""), call("1.0", "book"), ...asked));

  expect(message?.parts[1]).toMatchObject({
    state: "approval-requested",
    approval: { id: "token-1", requestReason: "Book it?" },
  });
  expect(chunks.slice(-2)).toEqual([{ type: "finish-step" }, { type: "finish", finishReason: "tool-calls" }]);
});

test("a resumed run continues the message: decision, edited arguments, result", async () => {
  const asked: Init[] = [
    { type: "question", question },
    { type: "paused", questions: [question] },
  ];
  const { message } = await read(events(1, step(""), call("1.0", "book", { day: 1 }), ...asked));
  const decision = { approved: true, args: { day: 2 } } as const;

  const { message: resumed, errors } = await read(
    events(
      ...[1, { type: "decision", callId: "1.0", by: "ann", decision } as const],
      ...[result("1.0", { kind: "text", text: "booked" }), 2, step("Done"), end],
    ),
    { message },
  );

  expect(errors).toEqual([]);
  expect(resumed?.id).toBe("r-1");
  expect(resumed?.parts.filter(({ type }) => type === "dynamic-tool")).toMatchObject([
    { input: { day: 2 }, state: "output-available", output: "booked", approval: { id: "token-1", approved: true } },
  ]);
  expect(resumed?.parts.at(-1)).toMatchObject({ type: "text", text: "Done" });
});

test("a denial has its reason, and a resumed run without its message leaves out what the reader does not know", async () => {
  const decision = { approved: false, reason: "too dear" } as const;
  const answered = { type: "decision", callId: "1.0", by: "ann", decision } as const;
  const denied = result("1.0", { kind: "denied", reason: "too dear" });
  const asked: Init = { type: "question", question };

  const whole = await read(events(1, step(""), call("1.0", "book"), asked, answered, denied, end));
  const later = await read(events(1, answered, denied, 2, step("Well"), end));

  expect(whole.message?.parts[1]).toMatchObject({
    ...{ state: "output-denied", approval: { approved: false, reason: "too dear" } },
  });
  expect(later.errors).toEqual([]);
  expect(later.message?.parts.map(({ type }) => type)).toEqual(["step-start", "text"]);
});

test("a question that is no approval is a data part with its token and schema", async () => {
  const input: Question = {
    ...question,
    kind: "input",
    payload: { free: [1] },
    schema: { type: "number" },
    expiresAt: 9,
  };
  const { message } = await read(events(1, step(""), call("1.0", "book"), { type: "question", question: input }, end));

  expect(message?.parts[2]).toEqual({
    ...{ type: "data-question", id: "1.0" },
    data: {
      ...{ token: "token-1", kind: "input", reason: "Book it?", tool: "book", path: [], expiresAt: 9 },
      ...{ payload: { free: [1] }, schema: { type: "number" } },
    },
  });
});

test("calls of planners below have their own ids, and their texts are left out", async () => {
  const { message, errors } = await read(
    events(
      ...[1, step(""), call("1.0", "research"), ["research"], 1, text("inner"), step("inner"), call("1.0", "search")],
      ...[{ type: "question", question } as const, result("1.0", { kind: "text", text: "found" }), end],
      ...[[], 1, result("1.0", { kind: "text", text: "researched" }), 2, step("All"), end],
    ),
  );

  expect(errors).toEqual([]);
  expect(message?.parts).toMatchObject([
    { type: "step-start" },
    { type: "dynamic-tool", toolCallId: "1.0", output: "researched" },
    { type: "dynamic-tool", toolCallId: "research/r-1/1.0", output: "found", approval: { id: "token-1" } },
    { type: "step-start" },
    { type: "text", text: "All" },
  ]);
});

test("an end without an answer is an error that says no more than its code, unless it is described", async () => {
  const error = new Error("key sk-1 is wrong") as never;
  const failed: Init = { type: "end", end: { ...base, status: "failed", code: "MODEL_FAILED", error } };
  const exhausted: Init = { type: "end", end: { ...base, status: "exhausted", which: "steps" } };
  const cancelled: Init = { type: "end", end: { ...base, status: "cancelled", reason: "x" } };

  const broken = await read(events(1, text("hal"), failed));
  expect(broken.errors).toEqual(["The run has failed with MODEL_FAILED"]);
  expect(broken.message?.parts.at(-1)).toMatchObject({ text: "hal", state: "done" });
  expect(broken.chunks.at(-1)).toEqual({ type: "finish", finishReason: "error" });
  expect((await read(events(1, exhausted))).chunks.slice(-2)).toEqual([
    { type: "error", errorText: "The budget of steps is used up" },
    { type: "finish", finishReason: "length" },
  ]);
  expect((await read(events(1, exhausted), { describe: ({ status }) => status })).errors).toEqual(["exhausted"]);
  expect((await read(events(1, cancelled))).chunks.at(-1)).toEqual({ type: "abort" });
});

test("a reader that leaves ends the events, and none is read ahead of it", async () => {
  let given = 0;
  let isOver = false;
  async function* endless(): AsyncGenerator<PlanEvent<unknown>> {
    try {
      for (const event of events(1, text("a"), text("b"), text("c"), end)) {
        given += 1;
        yield event;
      }
    } finally {
      isOver = true;
    }
  }
  const reader = toUiMessageStream(endless()).getReader();

  expect((await reader.read()).value).toEqual({ type: "start", messageId: "r-1" });
  expect(given).toBe(1);
  await reader.cancel();
  expect(isOver).toBe(true);
  expect(given).toBe(1);
});
