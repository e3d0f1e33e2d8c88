import { quoted } from "../finding.ts";
import { namesOf, type Rule } from "../place.ts";

/** Reports nodes that wait for external systems without a time limit. */
export const ioWithoutTimeout: Rule = (place) => {
  if (place.isTimed) return [];
  return place.graph.vertices.flatMap(({ index, node }) => {
    const isOutside = node.kind === "remote" || (node.effects ?? "none") !== "none";
    // a policy function may set a timeout
    if (!isOutside || node.policy.timeoutMs !== undefined || node.policy.perMessage !== undefined) return [];
    const nodes = namesOf(place, [index]);
    return [
      {
        nodes,
        reason: `Node ${quoted(nodes)} ${node.kind === "remote" ? "calls another agent" : `${node.effects === "reads" ? "reads from" : "writes to"} an external system`} and has no timeout: without an answer, it holds its slot and its trace until a deadline, if there is one`,
        fix: "Set policy.timeoutMs and pass ctx.signal to the call",
      },
    ];
  });
};
