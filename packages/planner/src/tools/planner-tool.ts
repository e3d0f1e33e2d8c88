import type { Schema } from "penguiflow";
import type { PlanBudget } from "../plan/budget.ts";
import type { Json, JsonSchema } from "../plan/json.ts";
import type { BareEnd } from "../plan/plan-end.ts";
import { makeTool, outputOf } from "./define-tool.ts";
import type { Approval, PlannerBelow, Tool } from "./tool.ts";
import type { ToolOutput } from "../plan/tool-output.ts";

/** Options of a planner as a tool of another. */
export interface PlannerToolInit<Name extends string> {
  readonly name: Name;
  readonly description: string;
  /** Schema of its arguments, which become its prompt as JSON. @defaultValue a task as text */
  readonly input?: Schema<unknown, unknown> | undefined;
  readonly jsonSchema?: JsonSchema | undefined;
  /** Limits of each call, besides those of the planner and what is left of the whole. */
  readonly budget?: Partial<PlanBudget> | undefined;
  readonly approval?: Approval<Json> | undefined;
  /** @defaultValue no limit */
  readonly timeoutMs?: number | undefined;
  /** Whether the planner above goes on meanwhile, as in `ToolInit`. @defaultValue false */
  readonly background?: boolean | undefined;
}

const TASK_SCHEMA: JsonSchema = {
  type: "object",
  properties: { task: { type: "string", description: "What to do, with all that it takes to do it" } },
  required: ["task"],
  additionalProperties: false,
};

const TASK: Schema<unknown, unknown> = {
  "~standard": {
    version: 1,
    vendor: "penguiflow",
    validate: (value) =>
      typeof (value as { readonly task?: unknown } | null)?.task === "string"
        ? { value }
        : { issues: [{ message: "expected a text", path: ["task"] }] },
  },
};

/** Makes a tool that runs a planner below the one that calls it. An end that is no success is told as an error. */
export function plannerTool<const Name extends string, Output>(
  planner: PlannerBelow<Output>,
  init: PlannerToolInit<Name>,
): Tool<Name> {
  const { input, jsonSchema, budget, approval, ...rest } = init;
  return makeTool<Name, Schema<unknown, unknown>, BareEnd<Output>, unknown>(
    {
      ...rest,
      approval: approval as Approval<unknown> | undefined,
      input: input ?? TASK,
      jsonSchema: input === undefined ? TASK_SCHEMA : jsonSchema,
      // each of its own calls is repeated or not as its tool says
      effects: "idempotent",
      toModel: resultOf,
      run: async (args, ctx) => {
        const prompt = input === undefined ? (args as { readonly task: string }).task : JSON.stringify(args);
        return await ctx.run(planner, prompt, budget);
      },
    },
    true,
  );
}

function resultOf(end: BareEnd<unknown>): ToolOutput {
  switch (end.status) {
    case "completed":
      return outputOf(end.output);
    case "exhausted": {
      const text = end.text === undefined ? "" : ` It had come so far: ${end.text}`;
      return { kind: "error", code: "BUDGET_EXHAUSTED", text: `Its budget is used up (${end.which}).${text}` };
    }
    case "failed":
      return { kind: "error", code: "TOOL_FAILED", text: end.error.message };
  }
}
