// The agent of PenguiFlow, for the subjects that differ only in their checkpoint store.
import { createPlanner, tool } from "@penguiflow/planner";
import { type CheckpointStore, shape } from "penguiflow";
import { durable } from "penguiflow/durable";
import { languageModel, toolCalls, toolName, toolText } from "./agent-model.ts";
import type { AgentRig, AgentSetup } from "./workloads/agent.ts";

const jsonSchema = {
  type: "object",
  properties: { n: { type: "number" } },
  required: ["n"],
  additionalProperties: false,
};

/** Builds a planner with its defaults. Its tool has a plain JSON Schema. */
export function agentOn(
  { tally, delayMs, streamed }: AgentSetup,
  checkpoints?: CheckpointStore,
  close: () => Promise<void> = async () => {},
): AgentRig {
  const addOne = tool({
    name: toolName,
    description: toolText,
    input: shape<{ n: number }>(),
    jsonSchema,
    effects: "reads",
    run: async ({ n }) => {
      tally.hops += 1;
      return n + 1;
    },
  });
  const planner = createPlanner({
    name: "counting",
    model: languageModel(delayMs),
    tools: [addOne],
    budget: { steps: toolCalls + 2 },
    ...(checkpoints === undefined ? {} : { flow: { durability: durable({ checkpoints }) } }),
  }).start();
  return {
    async request({ text: prompt }) {
      if (!streamed) {
        const end = await planner.run(prompt);
        return end.status === "completed" ? end.text : `${end.status}`;
      }
      let text = "";
      for await (const event of planner.stream(prompt)) if (event.type === "text") text += event.delta;
      return text;
    },
    async close() {
      await planner[Symbol.asyncDispose]();
      await close();
    },
  };
}
