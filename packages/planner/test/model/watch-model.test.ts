import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createPlanner, type ObservedModelCall } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import type { FlowEvent } from "penguiflow";
import { afterEach, expect, test } from "vitest";
import { all, reads, running } from "../fixtures.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

function observedCalls(): ObservedModelCall[] {
  const calls: ObservedModelCall[] = [];
  const note = (call: unknown) => void calls.push(structuredClone(call) as ObservedModelCall);
  subscribe("penguiflow:model", note);
  undo.push(() => unsubscribe("penguiflow:model", note));
  return calls;
}

test("each model call is published with the exact request and reply, and the message that makes it", async () => {
  const calls = observedCalls();
  const starts: FlowEvent[] = [];
  const model = scriptedModel([{ calls: [{ tool: "look", args: { text: "it" } }], tokens: [7, 3] }, "There."]);
  const planner = running(
    createPlanner({
      name: "helper",
      model,
      tools: [reads("look")],
      settings: { temperature: 0.5, headers: { authorization: "Bearer secret" } },
      flow: { middlewares: [(event: FlowEvent) => void (event.type === "node_start" && starts.push(event))] },
    }),
  );
  await planner.run("Where is it?", { tenant: "acme" });
  await planner.flow.stop();

  expect(calls.map(({ step, purpose, tenant, tokens }) => [step, purpose, tenant, tokens])).toEqual([
    [1, "step", "acme", { in: 7, out: 3 }],
    [2, "step", "acme", { in: 10, out: 5 }],
  ]);
  const [first, second] = calls as [ObservedModelCall, ObservedModelCall];
  expect(first.request.tools).toMatchObject([{ type: "function", name: "look" }]);
  expect(first.request.temperature).toBe(0.5);
  expect(JSON.stringify(first.request.prompt)).toContain("Where is it?");
  expect(JSON.stringify(second.request.prompt)).toContain("look: it");
  expect(JSON.stringify(calls)).not.toContain("secret");
  expect(first.reply).toMatchObject([{ type: "tool-call", toolName: "look" }]);
  const asking = starts.filter((event) => event.type === "node_start" && event.node === first.node);
  expect(asking.map((event) => "lineage" in event && event.lineage)).toEqual(
    [first, second].map(({ idempotencyKey }) => idempotencyKey.slice(-16)),
  );
});

test("a streamed answer is published as a whole", async () => {
  const calls = observedCalls();
  const planner = running(createPlanner({ name: "helper", model: scriptedModel(["One two three."]), tools: [] }));
  await all(planner.stream("Count", { tenant: "acme" }));
  expect(calls.map(({ reply }) => reply)).toMatchObject([[{ type: "text", text: "One two three." }]]);
});

test("a call that fails is published with its error, each attempt apart", async () => {
  const calls = observedCalls();
  const overloaded = Object.assign(new Error("overloaded"), { isRetryable: true });
  const planner = running(createPlanner({ name: "helper", model: scriptedModel([overloaded, "Well."]), tools: [] }));
  await planner.run("Go", { tenant: "acme" });
  expect(calls.map(({ attempt, step, error }) => [attempt, step, error])).toEqual([
    [1, 1, expect.objectContaining({ message: "overloaded" })],
    [2, 1, undefined],
  ]);
});

test("the calls of a critic are published, too", async () => {
  const calls = observedCalls();
  const judge = scriptedModel([JSON.stringify({ score: 1, feedback: "good" })]);
  const critic = { model: judge, criteria: ["It is short"], threshold: 0.5 };
  const planner = running(createPlanner({ name: "helper", model: scriptedModel(["Yes."]), critic, tools: [] }));
  await planner.run("Go", { tenant: "acme" });
  expect(calls.map(({ purpose, step }) => [purpose, step])).toEqual([
    ["step", 1],
    ["critique", 2],
  ]);
});

test("without a subscriber nothing is published, and a later subscriber sees later calls", async () => {
  const planner = running(createPlanner({ name: "helper", model: scriptedModel(["One.", "Two."]), tools: [] }));
  await planner.run("first", { tenant: "acme" });
  const calls = observedCalls();
  await planner.run("second", { tenant: "acme" });
  expect(calls).toHaveLength(1);
  expect(JSON.stringify(calls[0]?.request.prompt)).toContain("second");
});
