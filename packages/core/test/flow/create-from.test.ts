import { describe, expect, test } from "vitest";
import { type AnyEdges, create, createFrom, payloadNode, predicateRouter } from "penguiflow";
import { tidy } from "../fixtures/watched-flow.ts";

const plan = payloadNode("plan", (question: string) => ({ tool: question }));
const answer = payloadNode("answer", (found: string) => ({ found }));

/** Builds a flow with one node for each tool of a list. */
const agentWith = (tools: readonly string[]) => {
  const nodes = tools.map((name) => payloadNode(name, (call: { tool: string }) => `${name} of ${call.tool}`));
  const pick = predicateRouter("pick", () => tools.at(-1) ?? null);
  const edges: AnyEdges[] = [plan.to(pick), pick.to(...(nodes as never[])), ...nodes.map((each) => each.to(answer))];
  return createFrom<string, { found: string }>(edges, { name: "agent", queueMaxSize: 2 });
};

describe("createFrom", () => {
  test("runs a graph made at run time with the types its caller states", async () => {
    const flow = tidy(agentWith(["search", "read"]).run());
    const { found } = await flow.call("penguins");
    expect(found.toUpperCase()).toBe("READ OF PENGUINS");
    expect(flow.name).toBe("agent");
    expect(flow.graph.vertices.map(({ node }) => node.name)).toEqual(["plan", "pick", "search", "read", "answer"]);
  });

  test("makes the graph that create makes of the same edges", () => {
    const edges = [plan.to(payloadNode("tool", (call: { tool: string }) => call.tool))] as const;
    expect(createFrom<string, string>(edges).graph).toEqual(create(...edges).graph);
  });

  test("refuses anything that is no array of edges, or no options, and says which", () => {
    const make = (...args: unknown[]): unknown => Reflect.apply(createFrom, undefined, args);
    expect(() => make(plan.to(answer as never))).toThrow("The first argument of createFrom must be an array of edges");
    expect(() => make([plan])).toThrow(
      `Item 0 of createFrom's edges must be edges such as a.to(b): got node "plan"; write plan.to(next)`,
    );
    expect(() => make([plan.to()], plan.to())).toThrow("The second argument of createFrom must be options");
    expect(() => make([plan.to()], null)).toThrow("The second argument of createFrom must be options: got null");
    expect(() => make([plan.to()], { queueSize: 1 })).toThrow('Unknown option "queueSize"');
    expect(() => make([])).toThrow("without nodes");
  });
});
