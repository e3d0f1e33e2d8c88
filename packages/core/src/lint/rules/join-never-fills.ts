import { quoted } from "../finding.ts";
import { namesOf, type Rule, vertexAt } from "../place.ts";
import { starvingJoins } from "./starving-joins.ts";

/** Reports joins that wait for more messages than a call can bring. */
export const joinNeverFills: Rule = (place) =>
  [...starvingJoins(place.graph)]
    .sort(([one], [other]) => one - other)
    .flatMap(([index, most]) => {
      // a join that nothing reaches is reported as unreachable
      if (most === 0) return [];
      const { gathering } = vertexAt(place.graph, index).node;
      const nodes = namesOf(place, [index]);
      return [
        {
          nodes,
          reason: `One call brings join ${quoted(nodes)} at most ${most} of the ${String(gathering?.count)} messages it waits for, so its messages are never sent on`,
          fix: `Reduce its count to ${most}, connect the missing branches, or emit short groups with whenShort: "emit"`,
        },
      ];
    });
