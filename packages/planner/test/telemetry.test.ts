import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import type { FlowEvent } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { all, reads, running } from "./fixtures.ts";

test("a run tells what its model and tool calls took, without what was said", async () => {
  const told: FlowEvent[] = [];
  const model = scriptedModel([
    { calls: [{ tool: "look", args: { text: "secret words" } }], tokens: [7, 3] },
    "secret",
  ]);
  const look = reads("look", () => "secret find");
  const flow = {
    middlewares: [(event: FlowEvent) => void (event.type.startsWith("app.planner.") && told.push(event))],
  };
  const planner = running(createPlanner({ name: "helper", model, tools: [look], flow }));

  const result = await planner.run("secret wish", { tenant: "acme", thread: "t-1" });
  await planner.flow.stop();

  const spent = { steps: 2, toolCalls: 1, tokens: 25, costUsd: 0 };
  const ms = expect.any(Number) as unknown;
  const asked = { model: "scripted", provider: model.provider, costUsd: 0, ms };
  expect(result).toMatchObject({ status: "completed", spent });
  expect(told.map((event) => [event.type, (event as { readonly data?: unknown }).data])).toEqual([
    ["app.planner.begin", { planner: "helper", path: [], thread: "t-1" }],
    ["app.planner.step", { step: 1, tokensIn: 7, tokensOut: 3, ...asked }],
    ["app.planner.result", { callId: "1.0", tool: "look", outcome: "text", ms }],
    ["app.planner.step", { step: 2, tokensIn: 10, tokensOut: 5, ...asked }],
    ["app.planner.end", { status: "completed", spent }],
  ]);
  expect(JSON.stringify(told)).not.toContain("secret");
});

test("events name the model that was asked, its tokens and the tool of each result", async () => {
  const model = scriptedModel([{ calls: [{ tool: "look" }], tokens: [7, 3] }, "done"]);
  const planner = running(createPlanner({ name: "helper", model, tools: [reads("look")] }));

  const events = await all(planner.stream("go"));

  expect(events.find(({ type }) => type === "step")).toMatchObject({
    ...{ model: "scripted", provider: model.provider, tokens: 10, tokensIn: 7, tokensOut: 3 },
  });
  expect(events.find(({ type }) => type === "result")).toMatchObject({ callId: "1.0", tool: "look" });
});

test("a read that is told to come back later is tried again no sooner", async () => {
  const clock = new TestClock();
  const at: number[] = [];
  const busy = tool({
    ...{ name: "busy", description: "Is busy", input: z.object({}), effects: "reads" },
    run: () => {
      at.push(clock.now());
      if (at.length === 1) throw Object.assign(new Error("HTTP 429"), { retryAfterMs: 5000 });
      return "free";
    },
  });
  const model = scriptedModel([{ calls: [{ tool: "busy" }] }, "done"]);
  const planner = running(createPlanner({ name: "helper", model, tools: [busy], flow: { clock } }));

  const result = planner.run("go");
  await settle();
  await clock.advance(4999);
  expect(at).toHaveLength(1);
  await clock.advance(1);
  expect(await result).toMatchObject({ status: "completed" });

  expect(at).toHaveLength(2);
});
