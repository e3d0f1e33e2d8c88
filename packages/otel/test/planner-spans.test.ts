import { context, propagation, trace } from "@opentelemetry/api";
import { openTelemetry, type PlannerEvent, plannerSpans } from "@penguiflow/otel";
import { create, node } from "penguiflow";
import { expect, test } from "vitest";
import { type ReceivedSpan, receiver, within } from "./otlp-receiver.ts";

const CLIENT = 3;
const INTERNAL = 1;
/** Epoch milliseconds before the events. */
const BEGAN = Date.UTC(2026, 0);
const UNSET = 0;
const ERROR = 2;
const spent = { steps: 2, toolCalls: 1, tokens: 30, costUsd: 0.5 };

/** Finds the only span of that name. */
function named(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  expect(found, `spans named ${name} among ${spans.map((span) => span.name).join(", ")}`).toHaveLength(1);
  return found[0] as ReceivedSpan;
}

const times = ({ startTimeUnixNano, endTimeUnixNano }: ReceivedSpan): number[] =>
  [startTimeUnixNano, endTimeUnixNano].map((nanoseconds) => Number(BigInt(nanoseconds) / 1_000_000n) - BEGAN);

type Given = { readonly type: string; readonly at: number; readonly path?: readonly string[] } & Record<
  string,
  unknown
>;

async function* run(...events: readonly Given[]): AsyncGenerator<PlannerEvent> {
  for (const event of events) yield { runId: "r-1", step: 1, path: [], ...event, at: BEGAN + event.at };
}

async function drain(events: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const step = { type: "step", text: "secret thought", tokens: 15, costUsd: 0.25, ms: 100, attempt: 1 };
const call = { type: "call", at: 1100, callId: "1.0", tool: "search", args: { q: "secret words" } };
const result = { type: "result", at: 1300, callId: "1.0", ms: 150, attempt: 2 };
const found = { kind: "text", text: "secret find" };
const end = { type: "end", at: 1400, end: { status: "completed", spent } };

test("a run is an invoke_agent span with its model calls and tool calls, at the times of the log, without contents", async () => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;
  const told = { model: "gpt-5", provider: "openai.chat", tokensIn: 10, tokensOut: 5 };

  const events = await drain(
    plannerSpans(run({ ...step, ...told, at: 1100 }, call, { ...result, output: found }, end), {
      ...{ name: "helper", tracerProvider },
    }),
  );

  expect(events).toHaveLength(4);
  const spans = await otlp.spans();
  expect(spans).toHaveLength(3);
  const root = named(spans, "invoke_agent helper");
  const chat = named(spans, "chat gpt-5");
  const tool = named(spans, "execute_tool search");
  expect([root.kind, chat.kind, tool.kind]).toEqual([INTERNAL, CLIENT, INTERNAL]);
  expect([root.parentSpanId, chat.parentSpanId, tool.parentSpanId]).toEqual([undefined, root.spanId, root.spanId]);
  expect([root, chat, tool].map(times)).toEqual([
    [1000, 1400],
    [1000, 1100],
    [1150, 1300],
  ]);
  expect(root.attributes).toEqual({
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "penguiflow",
    "gen_ai.agent.name": "helper",
    "penguiflow.trace.id": "r-1",
    "penguiflow.planner.outcome": "completed",
    "penguiflow.planner.steps": 2,
    "penguiflow.planner.tool_calls": 1,
    "penguiflow.planner.tokens": 30,
    "penguiflow.planner.cost_usd": 0.5,
  });
  expect(chat.attributes).toEqual({
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "penguiflow.planner.step": 1,
    "penguiflow.planner.cost_usd": 0.25,
    "penguiflow.attempt": 1,
  });
  expect(tool.attributes).toEqual({
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "search",
    "gen_ai.tool.type": "function",
    "gen_ai.tool.call.id": "1.0",
    "penguiflow.outcome": "text",
    "penguiflow.attempt": 2,
  });
  expect(JSON.stringify(spans)).not.toContain("secret");
});

test("the span that is active where the events are asked for is the parent", async () => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;
  const request = tracerProvider.getTracer("test").startSpan("GET /chat");

  const events = within(trace.setSpan(context.active(), request), () =>
    plannerSpans(run({ ...step, at: 1 }, end), { name: "helper", tracerProvider }),
  );
  await drain(events);
  request.end();

  const root = named(await otlp.spans(), "invoke_agent helper");
  expect(root.parentSpanId).toBe(request.spanContext().spanId);
});

test("contents are written as the program's function returns them, and its failure changes nothing", async () => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;
  const asked: unknown[] = [];

  await drain(
    plannerSpans(run({ ...step, at: 1100 }, call, { ...result, output: found }, end), {
      ...{ name: "helper", tracerProvider },
      contents: (value, place) => {
        asked.push(place);
        if (place.of === "result") throw new Error("broken");
        return place.of === "answer" ? "shown" : value;
      },
    }),
  );

  const spans = await otlp.spans();
  expect(asked).toEqual([{ of: "answer" }, { of: "arguments", tool: "search" }, { of: "result", tool: "search" }]);
  expect(named(spans, "chat").attributes).toMatchObject({
    "gen_ai.provider.name": "penguiflow",
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"shown"}]}]',
  });
  const { attributes } = named(spans, "execute_tool search");
  expect(attributes["gen_ai.tool.call.arguments"]).toBe('{"q":"secret words"}');
  expect(attributes).not.toHaveProperty(["gen_ai.tool.call.result"]);
});

test.each([
  [{ kind: "error", code: "TOOL_TIMEOUT", text: "x" }, "TOOL_TIMEOUT", ERROR],
  [{ kind: "unknown", text: "x" }, "unknown", ERROR],
  [{ kind: "denied", reason: "x" }, undefined, UNSET],
])("a call that failed is an error, and one that was denied is none: %o", async (output, type, code) => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;

  await drain(plannerSpans(run(call, { ...result, output }, end), { name: "helper", tracerProvider }));

  const span = named(await otlp.spans(), "execute_tool search");
  expect(span.attributes["error.type"]).toBe(type);
  expect(span.status.code).toBe(code);
  expect(span.attributes["penguiflow.outcome"]).toBe(output.kind);
});

test.each([
  [{ status: "failed", code: "MODEL_FAILED", spent }, "MODEL_FAILED"],
  [{ status: "exhausted", which: "tokens", spent }, "tokens"],
  [{ status: "cancelled", spent }, undefined],
])("an end without an answer is an error, and a cancel is none: %o", async (ending, type) => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;

  await drain(plannerSpans(run({ ...end, end: ending }), { name: "helper", tracerProvider }));

  const { attributes, status } = named(await otlp.spans(), "invoke_agent helper");
  expect(attributes).toMatchObject({ "penguiflow.planner.outcome": ending.status });
  expect([attributes["error.type"], status.code]).toEqual([type, type === undefined ? UNSET : ERROR]);
});

test("a planner below has a span of its own; a pause ends the spans, and so does a reader that leaves", async () => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;
  const below = { path: ["research"] };

  await drain(
    plannerSpans(
      run(
        ...[
          { ...step, at: 1000 },
          { ...step, at: 1100, ...below },
          { ...end, at: 1200, ...below },
        ],
        ...[{ type: "paused", at: 1300, questions: [] }],
      ),
      { name: "helper", tracerProvider },
    ),
  );
  for await (const event of plannerSpans(run({ ...step, at: 2000 }, end), { name: "left", tracerProvider }))
    if (event.type === "step") break;

  const spans = await otlp.spans();
  const root = named(spans, "invoke_agent helper");
  const inner = named(spans, "invoke_agent research");
  expect(inner.parentSpanId).toBe(root.spanId);
  expect(spans.filter(({ name }) => name === "chat").map(({ parentSpanId }) => parentSpanId)).toEqual([
    ...[root.spanId, inner.spanId, named(spans, "invoke_agent left").spanId],
  ]);
  expect(root.attributes["penguiflow.planner.outcome"]).toBe("paused");
  expect(named(spans, "invoke_agent left").attributes["penguiflow.planner.outcome"]).toBe("abandoned");
});

test("a result whose call came earlier has the name that its event tells", async () => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;
  const later = { ...result, output: found };

  await drain(plannerSpans(run({ ...later, tool: "book" }, later, end), { name: "helper", tracerProvider }));

  const names = (await otlp.spans()).map(({ name }) => name);
  expect(names).toEqual(["execute_tool book", "execute_tool unknown", "invoke_agent helper"]);
});

test.each([
  ["openai.responses", "openai"],
  ["anthropic.messages", "anthropic"],
  ["google.generative-ai", "gcp.gemini"],
  ["google.vertex.chat", "gcp.vertex_ai"],
  ["amazon-bedrock", "aws.bedrock"],
  ["my-own", "my-own"],
])("the provider %s of the AI SDK is %s in the conventions", async (provider, name) => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;

  await drain(plannerSpans(run({ ...step, provider, at: 1 }, end), { name: "helper", tracerProvider }));

  expect(named(await otlp.spans(), "chat").attributes["gen_ai.provider.name"]).toBe(name);
});

test("what a planner tells makes its trace an invoke_agent span, with its calls below their attempts", async () => {
  await using otlp = await receiver();
  const usage = { model: "claude", provider: "anthropic.messages", tokensIn: 3, tokensOut: 4, costUsd: 0, ms: 5 };
  const loop = node("model", (message, ctx) => {
    ctx.tell({ type: "app.planner.begin", data: { planner: "helper", path: [], thread: "t-1" } });
    ctx.tell({ type: "app.planner.step", data: { step: 1, ...usage } });
    ctx.tell({ type: "app.planner.result", data: { callId: "1.0", tool: "search", outcome: "json", ms: 2 } });
    ctx.tell({ type: "app.planner.end", data: { status: "exhausted", which: "steps", spent } });
    return message.payload;
  });
  await using flow = create(loop.to(), { name: "helper", instrument: openTelemetry(otlp.providers) });
  flow.run();

  await flow.call("x", { traceId: "r-1" });

  const spans = await otlp.spans();
  const root = named(spans, "invoke_agent helper");
  const attempt = named(spans, "process helper/model");
  const chat = named(spans, "chat claude");
  expect(root.attributes).toMatchObject({
    ...{ "gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "t-1", "penguiflow.outcome": "completed" },
    ...{ "penguiflow.planner.outcome": "exhausted", "error.type": "steps", "penguiflow.planner.tokens": 30 },
  });
  expect(root.status.code).toBe(ERROR);
  expect(attempt.told).toEqual([]);
  expect([chat.parentSpanId, named(spans, "execute_tool search").parentSpanId]).toEqual([
    ...[attempt.spanId, attempt.spanId],
  ]);
  expect(chat.attributes).toMatchObject({ "gen_ai.usage.input_tokens": 3, "penguiflow.attempt": 1 });
});

test("without a registered SDK the events pass", async () => {
  propagation.disable();
  expect(await drain(plannerSpans(run({ ...step, at: 1 }, call, end), { name: "helper" }))).toHaveLength(3);
});

test("wrong options are refused at once", () => {
  expect(() => plannerSpans(run(), { nam: "x" } as never)).toThrow('Unknown option "nam" of plannerSpans');
  expect(() => plannerSpans(run(), { name: "" })).toThrow('Option "name" of plannerSpans must be the name');
});
