import { isGraph } from "../graph/graph-json.ts";
import type { Graph, SomeNode, Vertex } from "../graph/graph.ts";
import type { Playbook } from "../graph/handler.ts";
import type { Problem } from "./finding.ts";
import { factsOf, type HandlerFacts } from "./handler-text.ts";

/** A graph under inspection, and the path by which messages reach it. */
export interface Place {
  readonly graph: Graph;
  /** Prefix of its nodes' names: the calling nodes, each followed by a slash. */
  readonly prefix: string;
  /** The node whose retries may repeat the whole graph. */
  readonly repeatedBy: string | undefined;
  /** Whether a calling node limits its time. */
  readonly isTimed: boolean;
  readonly playbooks: PlaybookGraphs;
}

/** Checks one place for one kind of problem. */
export type Rule = (place: Place) => readonly Problem[];

export function vertexAt(graph: Graph, index: number): Vertex {
  return graph.vertices[index] as Vertex;
}

/** Returns the names of nodes as used in findings. */
export function namesOf({ graph, prefix }: Place, indexes: Iterable<number>): string[] {
  return Array.from(indexes, (index) => prefix + vertexAt(graph, index).node.name);
}

/**
 * Returns the retries that a node is known to make. A policy that depends on the message says nothing for sure.
 */
export function retriesOf({ policy }: SomeNode): number {
  return policy.perMessage === undefined ? policy.maxRetries : 0;
}

const facts = new WeakMap<object, HandlerFacts>();

/** Returns the facts derived from the text of a node's handler. */
export function factsAbout(node: SomeNode): HandlerFacts {
  let known = facts.get(node);
  if (known === undefined) facts.set(node, (known = factsOf(node.handler)));
  return known;
}

/** Limit on nested playbooks: one that declares further ones of itself has no end. */
const MOST_PLAYBOOKS = 1000;

/** The graphs of the flows that nodes run: subflows and declared playbooks. */
export class PlaybookGraphs {
  readonly #graphs = new Map<Playbook, Graph>();

  /**
   * Returns the graphs that a node runs.
   *
   * @throws TypeError when a node calls something that is no playbook, or playbooks without end
   */
  of(node: SomeNode): Graph[] {
    const graphs = node.calls.map((playbook) => this.#graphOf(playbook, node.name));
    return isGraph(node.inner) ? [node.inner, ...graphs] : graphs;
  }

  #graphOf(playbook: Playbook, caller: string): Graph {
    const known = this.#graphs.get(playbook);
    if (known !== undefined) return known;
    const made: unknown = typeof playbook === "function" ? playbook() : playbook;
    const flow: unknown = Array.isArray(made) ? made[0] : made;
    const graph = (flow as { graph?: unknown } | null | undefined)?.graph;
    if (!isGraph(graph))
      throw new TypeError(`Cannot look into a playbook that node "${caller}" calls: it makes no flow`);
    if (this.#graphs.size >= MOST_PLAYBOOKS) {
      throw new TypeError(
        `Cannot look into all playbooks: node "${caller}" calls number ${MOST_PLAYBOOKS + 1}; declare a playbook once, outside of the function that makes the flow calling it`,
      );
    }
    this.#graphs.set(playbook, graph);
    return graph;
  }
}
