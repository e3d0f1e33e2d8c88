import { openTelemetry, plannerSpans } from "@penguiflow/otel";
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { type ReceivedSpan, receiver } from "./otlp-receiver.ts";

const look = tool({
  ...{ name: "look", description: "Looks", input: z.object({ q: z.string() }), effects: "reads" },
  run: ({ q }) => `secret ${q}`,
});
const turns = [{ calls: [{ tool: "look", args: { q: "secret" } }], tokens: [7, 3] as const }, "secret answer"];

const tree = (spans: readonly ReceivedSpan[]): string[] =>
  spans.map(({ name, parentSpanId }) => {
    const parent = spans.find(({ spanId }) => spanId === parentSpanId);
    return `${parent?.name ?? "-"} > ${name}`;
  });

test("a planner's run is traced as it happens, each call below its attempt, without contents", async () => {
  await using otlp = await receiver();
  const flow = { instrument: openTelemetry(otlp.providers) };
  await using planner = createPlanner({ name: "helper", model: scriptedModel(turns), tools: [look], flow }).start();

  await planner.run("secret wish", { tenant: "acme", thread: "t-1" });

  const spans = await otlp.spans();
  expect(tree(spans)).toEqual(
    expect.arrayContaining([
      "- > invoke_agent helper",
      "process helper/model > chat scripted",
      "process helper/tools > execute_tool look",
    ]),
  );
  const root = spans.find(({ name }) => name === "invoke_agent helper");
  expect(root?.attributes).toMatchObject({
    ...{ "gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "t-1" },
    ...{ "penguiflow.planner.outcome": "completed", "penguiflow.planner.tokens": 25 },
  });
  expect(spans.filter(({ name }) => name === "chat scripted").map(({ attributes }) => attributes)).toMatchObject([
    { "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3 },
    { "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5 },
  ]);
  expect(JSON.stringify(spans)).not.toContain("secret");
});

test("the spans of a run can be written from its log", async () => {
  await using otlp = await receiver();
  const { tracerProvider } = otlp;
  await using planner = createPlanner({ name: "helper", model: scriptedModel(turns), tools: [look] }).start();
  const { runId } = await planner.run("secret wish", { tenant: "acme" });

  const log = planner.trajectory(runId, "acme");
  for await (const event of plannerSpans(log, { name: "helper", tracerProvider })) expect(event.runId).toBe(runId);

  expect(tree(await otlp.spans()).toSorted()).toEqual([
    "- > invoke_agent helper",
    "invoke_agent helper > chat scripted",
    "invoke_agent helper > chat scripted",
    "invoke_agent helper > execute_tool look",
  ]);
});
