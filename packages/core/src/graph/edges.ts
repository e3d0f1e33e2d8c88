import { shown } from "../foundation/options.ts";
import type { AnyConnection, AnyNode, ConnectionOf, NameOf, NodeAccepting, NodeRef, OutputOf } from "./edge-typing.ts";

/** A node and one of its successors; no successor for a node that is merely part of the graph. */
export type EdgePair = readonly [from: AnyNode, to: AnyNode | undefined];

/** Connections between nodes, created by `a.to(b)` and passed to `create`. */
export class Edges<out Made extends AnyConnection, out Last> {
  declare readonly "~edges": Made;
  declare readonly "~last"?: Last;
  declare readonly "~is"?: "edges" | undefined;
  readonly pairs: readonly EdgePair[];
  /** The nodes from which a further `.to` continues. */
  readonly last: readonly AnyNode[];

  constructor(pairs: readonly EdgePair[], last: readonly AnyNode[]) {
    this.pairs = pairs;
    this.last = last;
  }

  /** Connects the last nodes of the chain with further ones: `a.to(b).to(c)` is a → b → c. */
  to<const Next extends readonly NodeAccepting<OutputOf<Last>, NameOf<Last>>[]>(
    ...targets: Next
  ): Edges<Made | ConnectionsFrom<Last, Next[number]>, Next[number]> {
    const nodes = targets as unknown as readonly AnyNode[];
    const next = this.last.flatMap((from) => connect(from, nodes));
    return new Edges([...this.pairs, ...next], nodes);
  }
}

/** Pairs `from` with each target. Without targets, the node is merely part of the graph. */
export function connect(from: AnyNode, targets: readonly AnyNode[]): EdgePair[] {
  for (const target of targets) {
    if (typeof target !== "object" || target === null || typeof target.name !== "string") {
      throw new TypeError(`Cannot connect "${from.name}" to ${shown(target)}: it is not a node`);
    }
  }
  return targets.length === 0 ? [[from, undefined]] : targets.map((to) => [from, to] as const);
}

/** The connections from each of several nodes to all of the others. */
export type ConnectionsFrom<From, To extends { readonly name: string }> =
  From extends NodeRef<infer Name, never, unknown, infer Resources>
    ? ConnectionOf<Name, From, Exclude<To["name"], Name>, To, Resources>
    : never;
