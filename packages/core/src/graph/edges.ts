import type { AnyNode, EdgesTypes, NodeAccepting, NodeRef, OtherNames, OutputOf, SourceName } from "./edge-typing.ts";

/** A node and one of its successors; no successor for a node that only belongs to the graph. */
export type EdgePair = readonly [from: AnyNode, to: AnyNode | undefined];

/** Connections between nodes, as `a.to(b)` makes them and `create` takes them. */
export class Edges<out Nodes, Last, out Sources extends string, out Sinks extends string> {
  declare readonly "~edges"?: EdgesTypes<Nodes, Sources, Sinks> | undefined;
  readonly pairs: readonly EdgePair[];
  /** The nodes that a further `.to` goes on from. */
  readonly last: readonly AnyNode[];
  declare readonly "~last"?: Last;

  constructor(pairs: readonly EdgePair[], last: readonly AnyNode[]) {
    this.pairs = pairs;
    this.last = last;
  }

  /** Connects the last nodes of the chain with further ones: `a.to(b).to(c)` is a → b → c. */
  to<const Next extends readonly NodeAccepting<OutputOf<Last>, NameOf<Last>>[]>(
    ...targets: Next
  ): Edges<
    Nodes | Next[number],
    Next[number],
    Sources | SourceName<NameOf<Last>, OtherNames<NameOf<Last>, Next[number]>>,
    Sinks | OtherNames<NameOf<Last>, Next[number]>
  > {
    const nodes = targets as unknown as readonly AnyNode[];
    const next = this.last.flatMap((from) => connect(from, nodes));
    return new Edges([...this.pairs, ...next], nodes);
  }
}

/** The name of a node, in types. */
export type NameOf<Node> = Node extends { readonly name: infer Name extends string } ? Name : never;

/** Pairs `from` with each target. Without targets the node merely belongs to the graph. */
export function connect(from: AnyNode, targets: readonly AnyNode[]): EdgePair[] {
  for (const target of targets) {
    if (typeof target !== "object" || target === null || typeof target.name !== "string") {
      throw new TypeError(
        `Cannot connect "${from.name}" to ${JSON.stringify(target) ?? String(target)}: it is not a node`,
      );
    }
  }
  return targets.length === 0 ? [[from, undefined]] : targets.map((to) => [from, to] as const);
}

/** What {@link Edges} a node's `to` makes. */
export type EdgesFrom<
  Node extends NodeRef<string, never, unknown, never>,
  Next extends readonly { readonly name: string }[],
> = Edges<
  Node | Next[number],
  Next[number],
  SourceName<Node["name"], OtherNames<Node["name"], Next[number]>>,
  OtherNames<Node["name"], Next[number]>
>;
