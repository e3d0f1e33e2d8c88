import { shown } from "../foundation/options.ts";
import { findCycleThrough, findRings } from "./cycles.ts";
import type { EdgePair } from "./edges.ts";
import { OPEN_SEA, ROOKERY } from "./endpoints.ts";
import { FlowNode } from "./node.ts";

/** A node of any type, as the runtime handles it. */
export type SomeNode = FlowNode<string, never, unknown, never, boolean>;

/** A cycle that was not allowed. `path` is the cycle: first and last are the same node. */
export class CycleError extends TypeError {
  /** Distinguishes the error in logs. */
  override readonly name = "CycleError";
  readonly path: readonly string[];

  constructor(path: readonly string[], hint: string) {
    super(`Cannot build a flow with the cycle ${path.map((name) => `"${name}"`).join(" → ")}: ${hint}`);
    this.path = path;
  }
}

/** One node of a {@link Graph} and its neighbours. */
export interface Vertex {
  readonly index: number;
  readonly node: SomeNode;
  /** Indexes of the successors, in declared order. */
  readonly successors: readonly number[];
  readonly predecessors: readonly number[];
  readonly isIngress: boolean;
  readonly isEgress: boolean;
  /** Index of the node's ring in `graph.rings`, if it is in one. */
  readonly ring: number | undefined;
}

/** Nodes and their connections: plain data, built and checked once by `create`. */
export interface Graph {
  /** Nodes in the order in which `create` met them. */
  readonly vertices: readonly Vertex[];
  readonly byName: ReadonlyMap<string, number>;
  /** Groups of nodes that can reach one another. */
  readonly rings: readonly (readonly number[])[];
}

/** Returns a graph in which nodes take the places of those with their names. */
export function withNodes(graph: Graph, nodes: readonly SomeNode[]): Graph {
  if (nodes.length === 0) return graph;
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return {
    ...graph,
    vertices: graph.vertices.map((vertex) => ({ ...vertex, node: byName.get(vertex.node.name) ?? vertex.node })),
  };
}

/**
 * Builds and checks a graph.
 *
 * @throws TypeError for an empty graph, a duplicate or reserved name, or a graph without entry; CycleError for a cycle
 *   that was not allowed
 */
export function buildGraph(pairs: readonly EdgePair[], allowCycles: boolean): Graph {
  const nodes: SomeNode[] = [];
  const indexes = new Map<unknown, number>();
  const byName = new Map<string, number>();

  const add = (value: unknown): number => {
    const known = indexes.get(value);
    if (known !== undefined) return known;
    if (!(value instanceof FlowNode)) throw new TypeError(`Cannot build a flow from ${shown(value)}: it is not a node`);
    const added = value as unknown as SomeNode;
    if (byName.has(added.name))
      throw new TypeError(`Cannot build a flow with two nodes named "${added.name}": names must be unique`);
    if (added.name === OPEN_SEA || added.name === ROOKERY) {
      throw new TypeError(`Cannot name a node "${added.name}": the name belongs to an endpoint of every flow`);
    }
    indexes.set(value, nodes.length);
    byName.set(added.name, nodes.length);
    return nodes.push(added) - 1;
  };

  const successors: number[][] = [];
  const predecessors: number[][] = [];
  for (const [from, to] of pairs) {
    const source = add(from);
    successors[source] ??= [];
    predecessors[source] ??= [];
    if (to === undefined) continue;
    const target = add(to);
    successors[target] ??= [];
    predecessors[target] ??= [];
    if (successors[source].includes(target)) continue;
    successors[source].push(target);
    predecessors[target].push(source);
  }
  if (nodes.length === 0) throw new TypeError("Cannot build a flow without nodes: pass at least one a.to(b)");

  const rings = findRings(successors);
  const name = (index: number): string => (nodes[index] as SomeNode).name;
  for (const [index, targets] of successors.entries()) {
    if (targets.includes(index) && !(nodes[index] as SomeNode).allowCycle && !allowCycles) {
      throw new CycleError([name(index), name(index)], `pass allowCycle: true to node "${name(index)}"`);
    }
  }
  const onward = successors.map((targets, index) => targets.filter((target) => target !== index));
  for (const ring of rings) {
    if (ring.length === 1 || allowCycles) continue;
    const path = findCycleThrough(onward, ring[0] as number) as number[];
    throw new CycleError(path.map(name), "pass allowCycles: true to create, or remove an edge");
  }

  const ringOf = new Map(rings.flatMap((ring, ringIndex) => ring.map((index) => [index, ringIndex] as const)));
  const vertices = nodes.map((node, index): Vertex => {
    const others = (list: readonly number[] | undefined) => (list ?? []).filter((other) => other !== index);
    return Object.freeze({
      index,
      node,
      successors: Object.freeze(successors[index] ?? []),
      predecessors: Object.freeze(predecessors[index] ?? []),
      isIngress: others(predecessors[index]).length === 0,
      isEgress: others(successors[index]).length === 0,
      ring: ringOf.get(index),
    });
  });
  const inner = ringWithoutEntry(rings, vertices);
  if (inner !== undefined) {
    throw new TypeError(
      `Cannot enter the cycle of ${inner.map((index) => `"${name(index)}"`).join(", ")}: every node of it has a predecessor, so no message can get in; add a node that leads into it`,
    );
  }
  return Object.freeze({ vertices: Object.freeze(vertices), byName, rings: Object.freeze(rings) });
}

function ringWithoutEntry(
  rings: readonly (readonly number[])[],
  vertices: readonly Vertex[],
): readonly number[] | undefined {
  return rings.find((ring) =>
    ring.every((index) => {
      const vertex = vertices[index] as Vertex;
      return !vertex.isIngress && vertex.predecessors.every((other) => ring.includes(other));
    }),
  );
}
