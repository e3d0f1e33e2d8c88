import { createFlow, FlowRuntime, type ISerializer, type NodeContext } from "flowcraft";
import { Envelope } from "../envelope.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";

export const library = "flowcraft";

// A run ends by serialising its whole context, for a resume that never comes here: spared.
const noSerializer: ISerializer = { serialize: () => "", deserialize: () => ({}) };

/** One flow of `nodes` function nodes in the default in-memory runtime, run once per request. */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  const flow = createFlow("linear");
  for (const [index, name] of names.entries()) {
    const first = index === 0;
    flow.node(name, async ({ input, context }: NodeContext) => {
      tally.hops += 1;
      return { output: first ? await context.get("message") : input };
    });
    if (!first) flow.edge(names[index - 1]!, name);
  }
  const runtime = new FlowRuntime({ serializer: noSerializer });
  const blueprint = flow.toBlueprint();
  const functionRegistry = flow.getFunctionRegistry();
  const last = names.at(-1)!;
  return {
    async request(payload) {
      const initial = { message: new Envelope(payload) };
      const result = await runtime.run(blueprint, initial, { functionRegistry });
      return (result.context as Record<string, Envelope>)[last]!.payload;
    },
    async close() {},
  };
}
