import type { Graph, SomeNode } from "../../graph/graph.ts";
import { quoted } from "../finding.ts";
import { type PlaybookGraphs, retriesOf, type Rule } from "../place.ts";

/** Reports nodes with retries that call a playbook whose nodes have retries: the attempts multiply. */
export const nestedRetries: Rule = (place) => {
  // the outermost node with retries reports all below it
  if (place.repeatedBy !== undefined) return [];
  const worst = new WorstCases(place.playbooks);
  return place.graph.vertices.flatMap(({ node }) => {
    const below = worst.below(node);
    if (retriesOf(node) === 0 || below.attempts === 1) return [];
    const own = 1 + retriesOf(node);
    const caller = place.prefix + node.name;
    const nodes = [caller, ...below.nodes.map((name) => `${caller}/${name}`)];
    return [
      {
        nodes,
        reason: `Retries multiply: ${quoted(nodes.slice(0, 1))} makes ${own} attempts, each of which may make ${below.attempts} at ${quoted(nodes.slice(-1))}, ${own * below.attempts} in all`,
        fix: "Keep the retries at the node that fails and remove them from the nodes around it",
      },
    ];
  });
};

/**
 * The maximum number of attempts at one node, and the nodes with retries on the path to it, by their names below the
 * start.
 */
interface WorstCase {
  readonly attempts: number;
  readonly nodes: readonly string[];
}

const ONE_ATTEMPT: WorstCase = { attempts: 1, nodes: [] };

class WorstCases {
  readonly #playbooks: PlaybookGraphs;
  readonly #known = new Map<Graph, WorstCase>();

  constructor(playbooks: PlaybookGraphs) {
    this.#playbooks = playbooks;
  }

  /** Returns the worst case of the playbooks that a node calls. */
  below(node: SomeNode): WorstCase {
    return this.#playbooks.of(node).reduce((worst, graph) => worse(worst, this.#in(graph)), ONE_ATTEMPT);
  }

  #in(graph: Graph): WorstCase {
    const known = this.#known.get(graph);
    if (known !== undefined) return known;
    // a playbook that calls itself is not followed any further
    this.#known.set(graph, ONE_ATTEMPT);
    let worst = ONE_ATTEMPT;
    for (const { node } of graph.vertices) {
      const below = this.below(node);
      const nodes = below.nodes.map((name) => `${node.name}/${name}`);
      const own = 1 + retriesOf(node);
      worst = worse(worst, { attempts: own * below.attempts, nodes: own > 1 ? [node.name, ...nodes] : nodes });
    }
    this.#known.set(graph, worst);
    return worst;
  }
}

function worse(one: WorstCase, other: WorstCase): WorstCase {
  return other.attempts > one.attempts ? other : one;
}
