import type { CheckpointStore } from "penguiflow";
import { durable } from "penguiflow/durable";
import { z } from "zod";
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";

/** A planner that two processes run, one after the other: its only write waits for a person. */
export function approvalPlanner(checkpoints: CheckpointStore, write: (text: string) => void) {
  const model = scriptedModel(({ prompt }) =>
    prompt.at(-1)?.role === "tool" ? "Written" : { calls: [{ tool: "write", args: { text: "one" } }] },
  );
  const writing = tool({
    name: "write",
    description: "Writes",
    input: z.object({ text: z.string() }),
    effects: "writes",
    approval: true,
    run: ({ text }, { caller }) => {
      write(`${text} for ${caller.user}`);
      return "done";
    },
  });
  const flow = { durability: durable({ checkpoints, leaseMs: 500 }) };
  return { model, planner: createPlanner({ name: "p", model, tools: [writing], flow }) };
}
