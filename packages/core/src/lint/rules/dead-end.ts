import { quoted } from "../finding.ts";
import { factsAbout, namesOf, type Rule, vertexAt } from "../place.ts";

/** Reports nodes that trap their messages: a router without choice, a cycle without exit. */
export const deadEnd: Rule = (place) => {
  const { graph } = place;
  const routers = graph.vertices.filter(({ node, isEgress }) => node.kind === "router" && isEgress);
  const cycles = graph.rings.filter(
    (ring) =>
      ring.length > 1 &&
      ring.every((index) => {
        const { node, successors } = vertexAt(graph, index);
        // a router chooses among its successors
        const mayLeave = node.kind !== "router" && factsAbout(node).mayLeave;
        return !mayLeave && successors.every((to) => ring.includes(to));
      }),
  );
  return [
    ...routers.map(({ index }) => {
      const nodes = namesOf(place, [index]);
      return {
        nodes,
        reason: `Router ${quoted(nodes)} has no other node to choose, so its messages are dropped or fail with ROUTE_UNKNOWN`,
        fix: "Connect it to the nodes it chooses",
      };
    }),
    ...cycles.map((ring) => {
      const nodes = namesOf(place, ring);
      return {
        nodes,
        reason: `No edge leads out of the cycle of ${quoted(nodes)}, so no result leaves the flow`,
        fix: "Connect a node of the cycle to one outside, or emit the result to ROOKERY",
      };
    }),
  ];
};
