import type { Graph, Vertex } from "../../graph/graph.ts";
import { factsAbout, vertexAt } from "../place.ts";

/** Tolerance for rounding: a sum of thirds may fall short of 1. */
const ROUNDING = 1e-9;

/**
 * Finds joins that wait for more messages than one incoming message can bring, with the maximum that it can bring. A
 * join that never fills sends nothing, so others may starve because of it.
 */
export function starvingJoins(graph: Graph): Map<number, number> {
  const starving = new Map<number, number>();
  const joins = graph.vertices.flatMap(({ index, node: { gathering } }) =>
    typeof gathering?.count === "number" && gathering.whenShort === "fail" ? [{ index, count: gathering.count }] : [],
  );
  let before: number;
  do {
    before = starving.size;
    for (const { index, count } of joins) {
      if (starving.has(index)) continue;
      const most = mostArrivals(graph, index, starving);
      if (most < count) starving.set(index, most);
    }
  } while (starving.size > before);
  return starving;
}

/**
 * Computes the maximum number of messages that one incoming message can bring to a node before the node itself sends
 * any. It works backwards from the node: a message is worth as much as its copies. Messages on a cycle may be copied
 * without end, so their worth is unlimited.
 */
function mostArrivals(graph: Graph, target: number, silent: ReadonlyMap<number, number>): number {
  const behind = new Set([target]);
  const sendersTo = (index: number): number[] =>
    vertexAt(graph, index).predecessors.filter((from) => from !== target && from !== index && !silent.has(from));
  for (const index of behind) for (const from of sendersTo(index)) behind.add(from);

  const worth = new Map([[target, 1]]);
  const unfinished = new Map(
    Array.from(behind, (index) => [index, onwardOf(vertexAt(graph, index)).filter((to) => behind.has(to)).length]),
  );
  const finished = [target];
  for (const index of finished) {
    for (const from of sendersTo(index)) {
      const left = (unfinished.get(from) as number) - 1;
      unfinished.set(from, left);
      if (left > 0) continue;
      const vertex = vertexAt(graph, from);
      const copies = onwardOf(vertex).map((to) => worth.get(to) ?? 0);
      const sum = vertex.node.choosesOne ? Math.max(...copies) : copies.reduce((total, copy) => total + copy, 0);
      worth.set(from, sum * messagesSentFor(vertex));
      finished.push(from);
    }
  }
  let most = 0;
  for (const index of behind)
    if (vertexAt(graph, index).isIngress) most += worth.get(index) ?? Number.POSITIVE_INFINITY;
  return Math.floor(most + ROUNDING);
}

/** Returns the maximum number of messages a node sends per input. */
function messagesSentFor({ node }: Vertex): number {
  if (node.gathering !== undefined) {
    const { count, whenShort } = node.gathering;
    return typeof count === "number" && whenShort === "fail" ? 1 / count : 1;
  }
  if (node.kind === "router" || node.kind === "subflow") return 1;
  return factsAbout(node).mayEmit ? Number.POSITIVE_INFINITY : 1;
}

/** Whether a message to the node itself may come together with one to others. */
function sendsToItself({ node }: Vertex): boolean {
  return node.kind !== "node" || factsAbout(node).mayEmit;
}

/** Returns the successors among which a message counts. A controller's message goes either back or on. */
function onwardOf(vertex: Vertex): readonly number[] {
  return sendsToItself(vertex) ? vertex.successors : vertex.successors.filter((to) => to !== vertex.index);
}
