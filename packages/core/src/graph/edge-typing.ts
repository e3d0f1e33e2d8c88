/**
 * The types by which the compiler checks a graph. A node carries three phantom types: its input, its output and the
 * resources of its handler. The input is contravariant, so that the input of several entries is their intersection.
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
 * A valid target for `Sender`: a node that accepts its output. When the compiler says that a node is not assignable to
 * this, compare `Payload` with the node's input.
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

/** The targets that a node's `to` accepts. In a loop, working memory returns to the node and other output goes on. */
export type Targets<Name extends string, Output, Loops extends boolean> = Loops extends true
  ? NodeAccepting<Exclude<Output, WM>, Name> | Itself<Name>
  : NodeAccepting<Output, Name>;

/** The output a node sends to others: a controller keeps its working memory to itself. */
export type Onward<Output, Loops extends boolean> = Loops extends true ? Exclude<Output, WM> : Output;

/** The payload of a value that a handler returned or resolved with. */
export type PayloadOf<Returned> =
  Returned extends Message<infer Payload> ? Payload : Returned extends undefined | void ? never : Returned;

/**
 * A node and its successors, in types. It holds everything `create` needs as properties of its own: for the compiler,
 * looking them up over many connections is cheap and comparing types is expensive.
 */
export interface Connection<out Source extends string, out From, out Others extends string, out To, in Resources> {
  readonly source: Source;
  readonly from: From;
  /** Names of the successors other than the node itself. */
  readonly targets: Others;
  readonly to: To;
  /** The node's name, present because it has a successor other than itself. */
  readonly sender: Source;
  readonly needs: (resources: Resources) => void;
}

/** A node without successors other than itself. */
export interface Lone<out Source extends string, out From, in Resources> {
  readonly source: Source;
  readonly from: From;
  readonly targets: never;
  readonly to: From;
  readonly sender: never;
  readonly needs: (resources: Resources) => void;
}

/** Any connection. */
export interface AnyConnection {
  readonly source: string;
  readonly from: unknown;
  readonly targets: string;
  readonly to: unknown;
  readonly sender: string;
  readonly needs: (resources: never) => void;
}

/** A node and its successors, or the node alone when `Others` is empty. */
export type ConnectionOf<Source extends string, From, Others extends string, To, Resources> = [Others] extends [never]
  ? Lone<Source, From, Resources>
  : Connection<Source, From, Others, To, Resources>;

/** The names without the node's own: a self-edge makes no predecessor. */
export type OtherNames<Names extends string, Own extends string, Loops extends boolean> = Loops extends true
  ? Exclude<Names, Own>
  : Names;

/** Any edges. */
export interface AnyEdges {
  readonly "~edges": AnyConnection;
  readonly "~is"?: "edges" | undefined;
}

/** Name of a node. */
export type NameOf<Node> = Node extends { readonly name: infer Name extends string } ? Name : never;

/** Whether names are a pattern that the compiler cannot enumerate: `string`, or a template such as `step${number}`. */
export type IsOpen<Names extends string> = [Names] extends [never]
  ? false
  : // oxlint-disable-next-line typescript/no-generated-empty-object-type -- accepts a type without known keys
    Record<never, never> extends { [Name in Names]: unknown }
    ? true
    : false;

/** The nodes with names not in `Taken`; all of them when the compiler does not know the names. */
export type Beside<Node, Names extends string, Taken extends string> =
  IsOpen<Taken> extends true ? Node : Extract<Node, { readonly name: Exclude<Names, Taken> }>;

/** Entry and exit nodes of connections, and the resources of the others. */
export interface Ends<Edge extends AnyConnection> {
  /** Nodes without predecessors: they can only be sources of connections. */
  readonly ingress: Beside<Edge["from"], Edge["source"], Edge["targets"]>;
  /** Nodes without successors: they can only be targets of connections, or a lone node. */
  readonly egress: Beside<Edge["to"], Edge["source"] | Edge["targets"], Edge["sender"]>;
  readonly needs: Edge["needs"];
}

/** Entry and exit nodes of the edges given to `create`, and the resources of the others. */
export type GraphOf<Args extends readonly AnyEdges[]> = Ends<Args[number]["~edges"]>;

/** A node about which only its phantom types are known. */
export interface Typed {
  readonly "~node"?: unknown;
}

/**
 * The type of a graph that the compiler has already refused. It suppresses follow-up errors, so that one mistake is one
 * error.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- the only type that brings no further errors
export type Refused = any;

/** The payload that all of these nodes accept. */
export type InputOf<Node> =
  NonNullable<(Node & Typed)["~node"]> extends { readonly input: (input: infer Input) => void } ? Input : Refused;

/** The payload that any of these nodes sends. */
export type OutputOf<Node> = Node extends { readonly "~node"?: { readonly output: infer Output } | undefined }
  ? Output
  : Refused;

/** The resources that all nodes of a graph need together. */
export type ResourcesOf<Graph extends { readonly needs: unknown; readonly egress: unknown }> =
  | Graph["needs"]
  | NonNullable<(Graph["egress"] & Typed)["~node"]> extends infer Needs
  ? (Needs extends { readonly resources: infer Function } ? Function : Needs) extends (
      resources: infer Resources,
    ) => void
    ? Resources
    : Refused
  : never;
