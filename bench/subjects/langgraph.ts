import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { Envelope } from "../envelope.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";

export const library = "@langchain/langgraph";

/**
 * A compiled StateGraph of `nodes` nodes, invoked once per request.
 *
 * No checkpointer and no tracing; `Annotation` state with one last-value channel, which validates
 * nothing. The recursion limit (25 by default) is raised so that longer chains may run.
 */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  process.env["LANGSMITH_TRACING"] = "false";
  const State = Annotation.Root({ message: Annotation<Envelope> });
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  // The builder's type grows with every node, which a chain of unknown length cannot spell.
  const builder = new StateGraph(State) as StateGraph<
    typeof State.spec,
    typeof State.State,
    typeof State.Update,
    string
  >;
  for (const name of names) {
    builder.addNode(name, async ({ message }: typeof State.State) => {
      tally.hops += 1;
      return { message };
    });
  }
  for (const [index, name] of [...names, END].entries()) {
    builder.addEdge(index === 0 ? START : names[index - 1]!, name);
  }
  const graph = builder.compile();
  const config = { recursionLimit: nodes + 2 };
  return {
    async request(payload) {
      const state = await graph.invoke({ message: new Envelope(payload) }, config);
      return state.message.payload;
    },
    async close() {},
  };
}
