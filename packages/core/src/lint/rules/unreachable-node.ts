import { quoted } from "../finding.ts";
import { namesOf, type Rule, vertexAt } from "../place.ts";
import { starvingJoins } from "./starving-joins.ts";

/** Reports nodes that no message can reach, because all paths to them lead through joins that never fill. */
export const unreachableNode: Rule = (place) => {
  const { graph } = place;
  const starving = starvingJoins(graph);
  const reached = new Set(graph.vertices.filter(({ isIngress }) => isIngress).map(({ index }) => index));
  const blocking = new Set<number>();
  for (const index of reached) {
    const { successors } = vertexAt(graph, index);
    if (starving.has(index)) blocking.add(index);
    else for (const to of successors) reached.add(to);
  }
  const unreached = graph.vertices.map(({ index }) => index).filter((index) => !reached.has(index));
  if (unreached.length === 0) return [];
  const nodes = namesOf(place, unreached);
  const joins = quoted(namesOf(place, blocking));
  return [
    {
      nodes,
      reason: `No message reaches ${quoted(nodes)}: every path leads through ${blocking.size === 1 ? `join ${joins}, which never fills` : `joins that never fill, ${joins}`}`,
      fix: `Fix the preceding join${blocking.size === 1 ? "" : "s"}, or add an edge that bypasses ${blocking.size === 1 ? "it" : "them"}`,
    },
  ];
};
