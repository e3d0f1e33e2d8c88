import { findRings } from "../../graph/cycles.ts";
import { quoted } from "../finding.ts";
import { factsAbout, namesOf, type Rule, vertexAt } from "../place.ts";

/** Reports cycles in which messages multiply with every round until their edges are full. */
export const deadlockProneCycle: Rule = (place) => {
  const { graph } = place;
  // a join merges several messages: only cycles without one are sure to grow
  const successors = graph.vertices.map(({ node, successors: all }) =>
    node.gathering === undefined ? all.filter((to) => vertexAt(graph, to).node.gathering === undefined) : [],
  );
  return findRings(successors).flatMap((ring) => {
    const growing = ring.filter((index) => {
      const { node } = vertexAt(graph, index);
      const copies = (successors[index] ?? []).filter((to) => to !== index && ring.includes(to)).length;
      const { mayChoose, sendsAtLeast } = factsAbout(node);
      return node.kind !== "router" && node.route === undefined && !mayChoose && copies * sendsAtLeast > 1;
    });
    if (growing.length === 0) return [];
    const nodes = namesOf(place, ring);
    return [
      {
        nodes,
        reason: `In the cycle of ${quoted(nodes)} ${quoted(namesOf(place, growing))} sends several messages for each one: they multiply with every round, until the edges are full and a trace fails with DEADLOCK`,
        fix: "Merge the branches with joinK before they lead back, or send one message per round",
      },
    ];
  });
};
