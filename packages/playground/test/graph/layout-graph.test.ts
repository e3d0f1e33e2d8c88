import { describe, expect, it } from "vitest";
import { edgeId, OPEN_SEA, ROOKERY } from "../../src/graph/drawn-graph.ts";
import { layoutGraph } from "../../src/graph/layout-graph.ts";
import type { GraphJson } from "../../src/protocol.ts";
import { wideGraph } from "../load/lifelike-flow.ts";

function graphOf(...pairs: readonly (readonly [string, string])[]): GraphJson {
  const names = [...new Set(pairs.flat())].filter((name) => name !== OPEN_SEA && name !== ROOKERY);
  const node = (name: string) => ({
    name,
    kind: "node" as const,
    isIngress: false,
    isEgress: false,
    isController: pairs.some(([from, to]) => from === name && to === name),
    policy: {},
  });
  const kindOf = (from: string, to: string) => (from === to ? ("loop" as const) : ("forward" as const));
  return {
    nodes: names.map(node),
    edges: pairs.map(([from, to]) => ({ from, to, kind: kindOf(from, to) })),
    rings: [],
  };
}

describe("the layout of a graph", () => {
  it("draws 50 nodes and 67 edges without two nodes on one another", async () => {
    const drawn = await layoutGraph(wideGraph());
    expect(drawn.nodes).toHaveLength(52);
    expect(drawn.edges).toHaveLength(67);
    for (const [index, a] of drawn.nodes.entries())
      for (const b of drawn.nodes.slice(index + 1)) {
        const isApart =
          Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;
        expect(isApart, `${a.name} and ${b.name}`).toBe(true);
      }
    const inside = ({ x, y }: { x: number; y: number }) => x >= 0 && y >= 0 && x <= drawn.width && y <= drawn.height;
    expect(drawn.edges.flatMap(({ way }) => way).every(inside)).toBe(true);
  });

  it("is the same for the same graph", async () => {
    expect(await layoutGraph(wideGraph())).toEqual(await layoutGraph(wideGraph()));
  });

  it("lets each edge begin and end at the sides of its nodes", async () => {
    const { nodes, edges } = await layoutGraph(
      graphOf([OPEN_SEA, "a"], ["a", "b"], ["a", "c"], ["b", ROOKERY], ["c", ROOKERY]),
    );
    const place = new Map(nodes.map((node) => [node.name, node]));
    const { way } = edges.find(({ id }) => id === edgeId("a", "b"))!;
    const [a, b] = [place.get("a")!, place.get("b")!];
    expect(way[0]!.x).toBe(a.x + a.width / 2);
    expect(way.at(-1)!.x).toBeCloseTo(b.x - b.width / 2);
    const other = edges.find(({ id }) => id === edgeId("a", "c"))!.way;
    expect(other[0]!.y).not.toBe(way[0]!.y);
  });

  it("draws from top to bottom where it is asked to", async () => {
    const graph = graphOf([OPEN_SEA, "a"], ["a", ROOKERY]);
    const wide = await layoutGraph(graph);
    const narrow = await layoutGraph(graph, { direction: "TB" });
    expect(wide.width).toBeGreaterThan(wide.height);
    expect(narrow.height).toBeGreaterThan(narrow.width);
  });

  it("draws a loop above its node, and a cycle back", async () => {
    const graph = graphOf([OPEN_SEA, "plan"], ["plan", "plan"], ["plan", "act"], ["act", "plan"], ["act", ROOKERY]);
    const { nodes, edges } = await layoutGraph(graph);
    const plan = nodes.find(({ name }) => name === "plan")!;
    const loop = edges.find(({ id }) => id === "plan>plan")!;
    expect(Math.min(...loop.way.map(({ y }) => y))).toBeLessThan(plan.y - plan.height / 2);
    const back = edges.find(({ id }) => id === "act>plan")!;
    expect(back.way[0]!.x).toBeGreaterThan(back.way.at(-1)!.x);
  });

  it("puts the head of an arrow at the end of each edge, which points at its node", async () => {
    const { edges } = await layoutGraph(graphOf(["a", "b"], ["b", "a"]));
    for (const { way, head } of edges) {
      const [tip, left, right] = [...head.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => ({
        x: Number(x),
        y: Number(y),
      }));
      expect(tip!.x).toBeCloseTo(way.at(-1)!.x, 0);
      const isForward = way[0]!.x < way.at(-1)!.x;
      expect((left!.x + right!.x) / 2 < tip!.x).toBe(isForward);
    }
  });

  it("draws an edge that is declared twice once, and no endpoint that no edge leads to", async () => {
    const { nodes, edges } = await layoutGraph(graphOf(["a", "b"], ["a", "b"]));
    expect(edges.map(({ id }) => id)).toEqual(["a>b"]);
    expect(nodes.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("gives a dot the same distance for each part of its way", async () => {
    const { edges } = await layoutGraph(wideGraph());
    for (const { way, id } of edges) {
      const steps = way.slice(1).map((point, index) => Math.hypot(point.x - way[index]!.x, point.y - way[index]!.y));
      // chords of a bend are a little shorter than its arc
      expect(Math.min(...steps), id).toBeGreaterThan(Math.max(...steps) * 0.85);
    }
  });
});
