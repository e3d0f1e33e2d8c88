import type { Playbook, Schema, SchemaOutput } from "penguiflow";
import { makeTool } from "./define-tool.ts";
import type { Tool, ToolInit } from "./tool.ts";

/** Options of {@link flowTool}: those of a tool that runs a flow. */
export interface FlowToolInit<Name extends string, In extends Schema<unknown, unknown>, Input, Result> extends Omit<
  ToolInit<Name, In, Result, unknown>,
  "run" | "ifUnknown" | "secrets"
> {
  /** Makes the flow's input of the arguments. @defaultValue the arguments */
  readonly toInput?: ((args: SchemaOutput<In>) => Input) | undefined;
}

/**
 * Makes a tool of a flow. It runs with the deadline, budget, cancellation and observers of the run. In a durable planner
 * it goes on after a crash or a question where it was.
 */
export function flowTool<const Name extends string, In extends Schema<unknown, unknown>, Input, Result>(
  flow: Playbook<Input, Result>,
  init: FlowToolInit<Name, In, Input, Result>,
): Tool<Name> {
  const { toInput = (args: SchemaOutput<In>) => args as unknown as Input, ...rest } = init;
  return makeTool<Name, In, Result, unknown>(
    { ...rest, run: async (args: SchemaOutput<In>, ctx) => await ctx.call(flow, toInput(args)) },
    true,
  );
}
