import { quoted } from "../finding.ts";
import { namesOf, type Rule, vertexAt } from "../place.ts";

/** Reports cycles in which nothing counts the rounds. A controller is exempt: its working memory has a budget. */
export const loopWithoutBudget: Rule = (place) => {
  const { graph } = place;
  const unbounded = graph.rings.filter((ring) => {
    const nodes = ring.map((index) => vertexAt(graph, index).node);
    return (nodes.length > 1 || nodes[0]?.kind === "router") && !nodes.some(({ boundsLoop }) => boundsLoop);
  });
  return unbounded.map((ring) => {
    const nodes = namesOf(place, ring);
    return {
      nodes,
      reason: `Nothing bounds the rounds of a message in the cycle of ${quoted(nodes)}: working memory budgets apply only to a node's own loop`,
      fix: "Count the rounds in the payload and leave after the last; declare it with boundsLoop: true at the node that counts",
    };
  });
};
