import { quoted } from "../finding.ts";
import { factsAbout, namesOf, type Rule } from "../place.ts";

/** Reports handlers that emit to all successors and also return a value: the successors receive both. */
export const returnsAndEmits: Rule = (place) =>
  place.graph.vertices.flatMap(({ index, node, successors, isEgress }) => {
    // a controller may emit to others and return its memory to itself
    if (node.kind !== "node" || successors.includes(index) || !factsAbout(node).returnsAndEmits) return [];
    const nodes = namesOf(place, [index]);
    return [
      {
        nodes,
        reason: `Node ${quoted(nodes)} emits and returns a value: ${isEgress ? "the caller" : "each successor"} receives both, the emitted messages first`,
        fix: "Return nothing, or emit the last message too; if both are intended, address the emitted messages with { to }",
      },
    ];
  });
