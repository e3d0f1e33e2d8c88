import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { LLMock } from "@copilotkit/aimock";
import { createPlanner, type Memory } from "@penguiflow/planner";
import { assertTrajectory, record, replay, scriptedModel } from "@penguiflow/planner/testing";
import { MemoryLog } from "penguiflow";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { all, reads, running } from "./fixtures.ts";

/** A model of another make, that speaks over HTTP: it looks up two places side by side, and then answers. */
async function served(): Promise<LanguageModelV4> {
  const mock = new LLMock({ port: 0 });
  const json = (text: string) => JSON.stringify({ text });
  mock.on(
    { hasToolResult: false },
    {
      content: "Let me look.",
      toolCalls: [
        { name: "look", arguments: json("Rome"), id: "call_a" },
        { name: "look", arguments: json("Oslo"), id: "call_b" },
      ],
    },
  );
  mock.on({ hasToolResult: true }, { content: "Both are sunny." });
  const url = await mock.start();
  onTestFinished(() => mock.stop());
  return createOpenAICompatible({ name: "mock", baseURL: `${url}/v1`, includeUsage: true })("mock-1");
}

test("a run over the wire is recorded once, and replayed without the server", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "run-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "run.json");
  const eventsOf = async (model: LanguageModelV4) => {
    const planner = running(createPlanner({ name: "p", model, tools: [reads("look")] }));
    return await all(planner.stream("Weather?", { runId: "r" }));
  };
  const recorded = await eventsOf(record(await served(), file));
  const replayed = await eventsOf(replay(file));
  assertTrajectory(replayed, [
    "step",
    [
      { type: "call", args: { text: "Rome" } },
      { type: "call", args: { text: "Oslo" } },
      { type: "result", callId: "1.0", output: { text: "look: Rome" } },
      { type: "result", callId: "1.1", output: { text: "look: Oslo" } },
    ],
    "step",
    { type: "end", end: { status: "completed", output: "Both are sunny." } },
  ]);
  const timeless = (events: typeof recorded) => events.map((event) => ({ ...event, at: 0, ms: 0 }));
  expect(timeless(replayed)).toEqual(timeless(recorded));
});

test("a model without tools goes the same way, with repairs, a typed answer, and a signature that comes back", async () => {
  const model = scriptedModel([
    "Let me think about it.",
    {
      content: [
        {
          type: "text",
          text: '{"calls":[{"tool":"look","args":{"text":"up"}}]}',
          providerMetadata: { p: { signature: "s" } },
        },
      ],
    },
    '{"answer":{"n":"two"}}',
    '{"answer":{"n":2}}',
  ]);
  const planner = running(
    createPlanner({ name: "p", model, mode: "json", tools: [reads("look")], output: z.object({ n: z.number() }) }),
  );
  const events = await all(planner.stream("How many?"));
  assertTrajectory(events, [
    "repair",
    { type: "call", tool: "look", args: { text: "up" } },
    { type: "result", output: { text: "look: up" } },
    "repair",
    { type: "end", end: { status: "completed", output: { n: 2 } } },
  ]);
  const last = model.calls.at(-1)?.prompt ?? [];
  expect(last.map(({ role }) => role).join()).toBe("system,user,assistant,user,assistant,user,assistant,user");
  expect(JSON.stringify(last)).toContain('{"p":{"signature":"s"}}');
  expect(last.at(-1)?.content).toMatchObject([{ text: expect.stringContaining("Answer again") as string }]);
});

test("a prompt that is too long is compacted once", async () => {
  const tooLong = Object.assign(new Error("prompt is too long"), { statusCode: 400, isRetryable: false });
  const look = { calls: [{ tool: "look", args: { text: "x".repeat(500) } }] };
  const model = scriptedModel([look, look, look, tooLong, "Done"]);
  const planner = running(createPlanner({ name: "p", model, tools: [reads("look")] }));
  const events = await all(planner.stream("Go"));
  assertTrajectory(events, ["compacted", { type: "end", end: { status: "completed", text: "Done" } }]);
  const [before, after] = [model.calls[3], model.calls[4]].map((call) => JSON.stringify(call?.prompt).length);
  expect(after).toBeLessThan(before ?? 0);
});

test("a thread is summarised in a later run, which is charged for it", async () => {
  const memory: Memory = { store: new MemoryLog(), turns: 1, summary: { over: 2 } };
  const model = scriptedModel(({ prompt }) => {
    const [first] = prompt;
    return first?.role === "system" && first.content.startsWith("Write the summary") ? "They count." : "Yes";
  });
  const planner = running(createPlanner({ name: "p", model, memory }));
  const thread = { user: "ada", thread: "t" };
  for (const text of ["one", "two", "three"]) await planner.run(text, thread);
  const { spent } = await planner.run("four", thread);
  const last = JSON.stringify(model.calls.at(-1)?.prompt);
  expect(last).toContain("They count.");
  expect(last).toContain("three");
  expect(last).not.toContain("two");
  expect(model.count).toBe(5);
  expect(spent.tokens).toBe(30);
});
