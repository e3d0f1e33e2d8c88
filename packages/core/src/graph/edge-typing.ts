/**
 * The types by which the compiler checks a graph. A node carries three phantom types: what it accepts
 * (contravariant, so that the input of several entries is their intersection), what it sends on, and
 * the resources its handler needs.
 */
import type { WM } from "../message/controller.ts";
import type { Message } from "../message/message.ts";

/** The phantom types of a node. */
export interface NodeTypes<in Input, out Output, in Resources> {
  readonly input: (input: Input) => void;
  readonly output: Output;
  readonly resources: (resources: Resources) => void;
}

/** A node as the type checker sees it. */
export interface NodeRef<out Name extends string, in Input, out Output, in Resources> {
  readonly name: Name;
  readonly "~node"?: NodeTypes<Input, Output, Resources> | undefined;
}

/** Any node. */
export type AnyNode = NodeRef<string, never, unknown, never>;

/**
 * What a node may be connected to: a node that accepts what `Sender` sends. When the compiler says that
 * a node is not assignable to this, compare `Payload` with what the node takes.
 */
export interface NodeAccepting<Payload, out Sender extends string> {
  readonly name: string;
  readonly "~node"?: { readonly input: (input: Payload) => void } | undefined;
  readonly "~sender"?: Sender;
}

/** The node itself, as target of its own loop. */
export interface Itself<out Name extends string> {
  readonly name: Name;
}

/** What the node's `to` accepts. In a loop, working memory goes back to the node and the rest goes on. */
export type Targets<Name extends string, Output, Loops extends boolean> = Loops extends true
  ? NodeAccepting<Exclude<Output, WM>, Name> | Itself<Name>
  : NodeAccepting<Output, Name>;

/** What a node sends to others: a controller keeps its working memory to itself. */
export type Onward<Output, Loops extends boolean> = Loops extends true ? Exclude<Output, WM> : Output;

/** The payload in what a handler returned or resolved with. */
export type PayloadOf<Returned> =
  Returned extends Message<infer Payload> ? Payload : Returned extends undefined | void ? never : Returned;

/** The names among `Names` that are not `Own`: an edge to oneself makes no predecessor. */
export type OtherNames<Own extends string, Node extends { readonly name: string }> = Exclude<Node["name"], Own>;

/** `Name` if it has a successor that is not itself. */
export type SourceName<Name extends string, Others> = [Others] extends [never] ? never : Name;

/** Nodes that are not among `Names`. */
type NodesBeside<Node, Names extends string> = string extends Names
  ? Node
  : Node extends { readonly name: Names }
    ? never
    : Node;

/** What {@link Edges} carries for the type checker. */
export interface EdgesTypes<out Nodes, out Sources extends string, out Sinks extends string> {
  readonly nodes: Nodes;
  /** Names of nodes with a successor. */
  readonly sources: Sources;
  /** Names of nodes with a predecessor. */
  readonly sinks: Sinks;
}

/** Any edges. */
export interface AnyEdges {
  readonly "~edges"?: EdgesTypes<unknown, string, string> | undefined;
  readonly pairs: readonly unknown[];
}

type TypesOf<Args extends readonly unknown[]> = Args[number] extends infer Arg
  ? Arg extends { readonly "~edges"?: (infer Types) | undefined }
    ? NonNullable<Types>
    : never
  : never;

type FlowTypes<All> =
  All extends EdgesTypes<unknown, string, string>
    ? {
        ingress: NodesBeside<All["nodes"], All["sinks"]>;
        egress: NodesBeside<All["nodes"], All["sources"]>;
        nodes: All["nodes"];
      }
    : never;

type Merged<All extends EdgesTypes<unknown, string, string>> = EdgesTypes<All["nodes"], All["sources"], All["sinks"]>;

/** Entry nodes, exit nodes and all nodes of the edges given to `create`. */
export type GraphOf<Args extends readonly unknown[]> = FlowTypes<Merged<TypesOf<Args>>>;

/** What all of these nodes accept. */
export type InputOf<Node> = [Node] extends [AnyNode]
  ? NonNullable<Node["~node"]>["input"] extends (input: infer Input) => void
    ? Input
    : never
  : never;

/** What any of these nodes sends. */
export type OutputOf<Node> = Node extends { readonly "~node"?: NodeTypes<never, infer Output, never> | undefined }
  ? Output
  : never;

/** The resources that all of these nodes need together. */
export type ResourcesOf<Node> = [Node] extends [AnyNode]
  ? NonNullable<Node["~node"]>["resources"] extends (resources: infer Resources) => void
    ? Resources
    : never
  : unknown;
