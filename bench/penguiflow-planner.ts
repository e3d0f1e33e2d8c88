// Planners whose checkpoints and memory are measured, rather than their speed.
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { createPlanner, tool } from "@penguiflow/planner";
import { type CheckpointStore, MemoryCheckpointStore, shape } from "penguiflow";
import { durable } from "penguiflow/durable";
import { toolName, toolText } from "./agent-model.ts";
import { countedCheckpoints } from "./counted-checkpoints.ts";
import type { PlannerRig } from "./workloads/planner.ts";

const usage = {
  inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 5, text: 5, reasoning: 0 },
};

/** Returns a model that calls the tool until `limit` calls have been made, each after some milliseconds. */
function callingModel(limit: number, delayMs: number, onCall: () => void): LanguageModelV4 {
  let calls = 0;
  return {
    specificationVersion: "v4",
    provider: "bench",
    modelId: "scripted",
    supportedUrls: {},
    async doGenerate() {
      onCall();
      if (delayMs > 0) await new Promise<void>((resolve) => void setTimeout(resolve, delayMs));
      calls += 1;
      const id = `call-${1_000 + calls}`;
      return calls > limit
        ? {
            content: [{ type: "text", text: "done" }],
            usage,
            finishReason: { unified: "stop", raw: "stop" },
            warnings: [],
          }
        : {
            content: [{ type: "tool-call", toolCallId: id, toolName, input: `{"n":${1_000 + calls}}` }],
            usage,
            finishReason: { unified: "tool-calls", raw: "tool_calls" },
            warnings: [],
          };
    },
    doStream: () => Promise.reject(new Error("It does not stream")),
  };
}

function planner(model: LanguageModelV4, approval: boolean, checkpoints?: CheckpointStore) {
  const addOne = tool({
    name: toolName,
    description: toolText,
    input: shape<{ n: number }>(),
    jsonSchema: { type: "object", properties: { n: { type: "number" } } },
    effects: "reads",
    approval,
    run: ({ n }) => n + 1,
  });
  return createPlanner({
    name: "counting",
    model,
    tools: [addOne],
    budget: { steps: 1_000, toolCalls: 1_000 },
    ...(checkpoints === undefined ? {} : { flow: { durability: durable({ checkpoints }) } }),
  }).start();
}

/** Builds a planner that waits for approvals, and one for each run of steps. */
export function plannerRig(): PlannerRig {
  const waiting = planner(
    callingModel(Number.POSITIVE_INFINITY, 0, () => {}),
    true,
  );
  return {
    async steps(count) {
      const counted = countedCheckpoints(new MemoryCheckpointStore());
      const marks: number[] = [];
      const model = callingModel(count, 3, () => void marks.push(counted.written));
      await using running = planner(model, false, counted);
      const end = await running.run("Count");
      if (end.status !== "completed") throw new Error(`Wrong end: expected completed, got ${end.status}`);
      return marks.slice(1).map((written, index) => written - marks[index]!);
    },
    async pause() {
      const { status } = await waiting.run("Count");
      if (status !== "paused") throw new Error(`Wrong end: expected paused, got ${status}`);
    },
    async close() {
      await waiting[Symbol.asyncDispose]();
    },
  };
}
