import { describe, expect, test } from "vitest";
import { createPlanner } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { all, outputs, reads, running } from "./fixtures.ts";

describe("the loop", () => {
  test("case 1: one tool, then an answer: two steps in order", async () => {
    const model = scriptedModel([{ text: "I look", calls: [{ tool: "look", args: { text: "up" } }] }, "Found it"]);
    const planner = running(createPlanner({ name: "p", model, tools: [reads("look")] }));
    expect(await planner.run("Where?", { runId: "r" })).toEqual({
      runId: "r",
      status: "completed",
      output: "Found it",
      text: "Found it",
      steps: [
        {
          index: 0,
          text: "I look",
          calls: [{ callId: "1.0", tool: "look", args: { text: "up" }, output: { kind: "text", text: "look: up" } }],
          tokens: 15,
          costUsd: 0,
        },
        { index: 1, text: "Found it", calls: [], tokens: 15, costUsd: 0 },
      ],
      spent: { steps: 2, toolCalls: 1, tokens: 30, costUsd: 0 },
    });
  });

  test("a stream tells it as it happens, and its last event is the end", async () => {
    const model = scriptedModel([{ calls: [{ tool: "look", args: { text: "up" } }] }, "Found it"]);
    const planner = running(createPlanner({ name: "p", model, tools: [reads("look")] }));
    const events = await all(planner.stream("Where?", { runId: "r" }));
    expect(events.map(({ seq, step, type }) => [seq, step, type])).toEqual([
      [1, 1, "step"],
      [2, 1, "call"],
      [3, 1, "result"],
      [3, 2, "text"],
      [3, 2, "text"],
      [4, 2, "step"],
      [5, 2, "end"],
    ]);
    const stored = events.filter(({ type }) => type !== "text");
    expect(await all(planner.trajectory("r", "default"))).toEqual(stored);
    expect(outputs((events.at(-1) as { end: never }).end)).toEqual([{ kind: "text", text: "look: up" }]);
  });
});
