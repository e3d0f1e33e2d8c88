import { quoted } from "../finding.ts";
import { namesOf, retriesOf, type Rule } from "../place.ts";

/** Reports handlers with retries that write: a failed attempt may have written already, and the next writes again. */
export const retriedWrites: Rule = (place) =>
  place.graph.vertices.flatMap(({ index, node }) => {
    const repeater = retriesOf(node) > 0 ? place.prefix + node.name : place.repeatedBy;
    if (node.effects !== "writes" || repeater === undefined) return [];
    const nodes = namesOf(place, [index]);
    const isOwn = repeater === nodes[0];
    return [
      {
        nodes: isOwn ? nodes : [repeater, ...nodes],
        reason: isOwn
          ? `Node ${quoted(nodes)} writes and has retries: an attempt that fails after its write is followed by one that writes again`
          : `Node ${quoted(nodes)} writes, and ${quoted([repeater])} has retries: each retry runs it again, even when it had succeeded`,
        fix: `Pass ctx.idempotencyKey to the written system and declare effects: "idempotent", or set maxRetries: 0 at ${quoted([repeater])}`,
      },
    ];
  });
