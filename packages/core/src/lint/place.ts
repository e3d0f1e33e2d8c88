import { isGraph } from "../graph/graph-json.ts";
import type { Graph, SomeNode, Vertex } from "../graph/graph.ts";
import type { Playbook } from "../graph/handler.ts";
import type { Problem } from "./finding.ts";
import { factsOf, type HandlerFacts } from "./handler-text.ts";

/** A graph that is looked at, and what is known of how a message gets there. */
export interface Place {
  readonly graph: Graph;
  /** What stands before the names of its nodes: those that call it, each with a slash. */
  readonly prefix: string;
  /** The node with retries by which all of it may be repeated. */
  readonly repeatedBy: string | undefined;
  /** Whether a node that calls it limits its time. */
  readonly isTimed: boolean;
  readonly playbooks: PlaybookGraphs;
}

/** Looks for one kind of trouble in one place. */
export type Rule = (place: Place) => readonly Problem[];

export function vertexAt(graph: Graph, index: number): Vertex {
  return graph.vertices[index] as Vertex;
}

/** The names of nodes as findings give them. */
export function namesOf({ graph, prefix }: Place, indexes: Iterable<number>): string[] {
  return Array.from(indexes, (index) => prefix + vertexAt(graph, index).node.name);
}

const facts = new WeakMap<object, HandlerFacts>();

/** What can be seen in the text of a node's handler. */
export function factsAbout(node: SomeNode): HandlerFacts {
  let known = facts.get(node);
  if (known === undefined) facts.set(node, (known = factsOf(node.handler)));
  return known;
}

/** A declared playbook that makes further ones of itself has no end. */
const MOST_PLAYBOOKS = 1000;

/** The graphs of the flows that nodes run: that of a subflow, and of playbooks that are declared. */
export class PlaybookGraphs {
  readonly #graphs = new Map<Playbook, Graph>();

  /** @throws TypeError when a node calls something that is no playbook, or playbooks without end */
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
