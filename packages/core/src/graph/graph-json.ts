import { type JsonSchema, jsonSchemaOf } from "../foundation/json-schema.ts";
import { OPEN_SEA, ROOKERY } from "./endpoints.ts";
import type { Graph, Vertex } from "./graph.ts";
import type { Effects, Gathering, NodeKind } from "./node.ts";
import { Limiter } from "./limiter.ts";
import { type SourcePlace, sourceOf } from "./source-place.ts";
import { type NodePolicy, type ResolvedPolicy, resolvePolicy } from "./node-policy.ts";

/** An object with a graph, such as a flow, running or not. */
export interface HasGraph {
  readonly graph: Graph;
}

/** A graph as plain JSON, returned by {@link graphToJson}. */
export interface GraphJson {
  /** Nodes in the order in which `create` met them, without the two endpoints. */
  readonly nodes: readonly NodeJson[];
  /** Edges in declared order, including those that leave `"OpenSea"` or lead to `"Rookery"`. */
  readonly edges: readonly EdgeJson[];
  /** Groups of nodes that can reach one another, by name. */
  readonly rings: readonly (readonly string[])[];
}

/** A node of {@link GraphJson}. */
export interface NodeJson {
  readonly name: string;
  readonly kind: NodeKind;
  /** Whether it receives messages emitted into the flow. */
  readonly isIngress: boolean;
  /** Whether its output goes to the Rookery. */
  readonly isEgress: boolean;
  /** Whether it has an edge to itself. */
  readonly isController: boolean;
  readonly policy: PolicyJson;
  /** JSON Schema of the payload it receives: present if it has an `input` schema whose library gives one. */
  readonly inputSchema?: JsonSchema;
  /** JSON Schema of the payload it returns: present if it has an `output` schema whose library gives one. */
  readonly outputSchema?: JsonSchema;
  /** Place at which it was made: present if `penguiflow:run` had a subscriber then. */
  readonly source?: SourcePlace;
  /** Declared side effects of the handler, if any. */
  readonly effects?: Effects;
  /** Gathering options of a join. */
  readonly gathering?: GatheringJson;
  readonly note?: string;
  /** The graph inside a subflow, if known. */
  readonly inner?: GraphJson;
}

/** The options of a node's policy that differ from their defaults. */
export interface PolicyJson extends Omit<
  NodePolicy,
  "concurrency" | "limiter" | "retryIf" | "retryAfterMs" | "onFailed" | "perMessage"
> {
  readonly concurrency?: number | "unbounded";
  readonly limiter?: { readonly concurrency: number; readonly by?: "custom" };
  readonly retryIf?: "custom";
  readonly retryAfterMs?: "custom";
  readonly onFailed?: "custom";
  /** Present where the policy depends on the message: the other options are then the node's defaults. */
  readonly perMessage?: "custom";
}

/** A join in {@link NodeJson}. */
export interface GatheringJson {
  /** Messages per group; `"dynamic"` when each group's first message decides. */
  readonly count: number | "dynamic";
  readonly timeoutMs?: number;
  readonly whenShort: Gathering["whenShort"];
  /** Present where late messages are not dropped. */
  readonly late?: "group";
}

/** An edge of {@link GraphJson}. */
export interface EdgeJson {
  readonly from: string;
  readonly to: string;
  /** `"loop"`: from a node to itself. `"cycle"`: part of any other path back to its start. */
  readonly kind: "forward" | "loop" | "cycle";
}

/**
 * Describes the graph of a flow as plain data that survives `JSON.stringify`: for user interfaces, snapshots and custom
 * drawing tools.
 *
 * @example
 * ```ts
 * const { nodes, edges } = graphToJson(flow);
 * ```
 */
export function graphToJson(flow: HasGraph): GraphJson {
  const { vertices, rings } = flow.graph;
  const nameOf = (index: number): string => (vertices[index] as Vertex).node.name;
  return {
    nodes: vertices.map(nodeJson),
    edges: [
      ...vertices.filter((vertex) => vertex.isIngress).map((vertex) => forward(OPEN_SEA, vertex.node.name)),
      ...vertices.flatMap((vertex) => [
        ...vertex.successors.map((to) => edgeJson(vertex, vertices[to] as Vertex)),
        ...(vertex.isEgress ? [forward(vertex.node.name, ROOKERY)] : []),
      ]),
    ],
    rings: rings.map((ring) => ring.map(nameOf)),
  };
}

function nodeJson({ node, index, successors, isIngress, isEgress }: Vertex): NodeJson {
  return {
    name: node.name,
    kind: node.kind,
    isIngress,
    isEgress,
    isController: successors.includes(index),
    policy: policyJson(node.policy),
    ...given("inputSchema", jsonSchemaOf(node.input, "input")),
    ...given("outputSchema", jsonSchemaOf(node.output, "output")),
    ...given("source", sourceOf(node)),
    ...(node.effects !== undefined && { effects: node.effects }),
    ...(node.gathering && { gathering: gatheringJson(node.gathering) }),
    ...(node.note !== undefined && { note: node.note }),
    ...(node.kind === "subflow" && isGraph(node.inner) && { inner: graphToJson({ graph: node.inner }) }),
  };
}

/** Returns a field, unless its value is unknown. */
function given<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]: Value });
}

function edgeJson(from: Vertex, to: Vertex): EdgeJson {
  if (from === to) return { from: from.node.name, to: to.node.name, kind: "loop" };
  const inRing = from.ring !== undefined && from.ring === to.ring;
  return { from: from.node.name, to: to.node.name, kind: inRing ? "cycle" : "forward" };
}

function forward(from: string, to: string): EdgeJson {
  return { from, to, kind: "forward" };
}

const DEFAULTS = Object.entries(resolvePolicy("defaults"));

function policyJson(policy: ResolvedPolicy): PolicyJson {
  const own = policy as unknown as Readonly<Record<string, unknown>>;
  const changed = DEFAULTS.filter(([option, value]) => own[option] !== value);
  return Object.fromEntries(changed.map(([option]) => [option, jsonValue(own[option])]));
}

function jsonValue(value: unknown): unknown {
  if (typeof value === "function") return "custom";
  if (value instanceof Limiter)
    return { concurrency: value.concurrency, ...(value.by !== undefined && { by: "custom" }) };
  return value === Number.POSITIVE_INFINITY ? "unbounded" : value;
}

function gatheringJson({ count, timeoutMs, whenShort, late }: Gathering): GatheringJson {
  return {
    count: typeof count === "number" ? count : "dynamic",
    ...(timeoutMs !== undefined && { timeoutMs }),
    whenShort,
    ...(late === "group" && { late }),
  };
}

/** Whether this is a graph, such as that of a subflow. */
export function isGraph(inner: unknown): inner is Graph {
  return typeof inner === "object" && inner !== null && "vertices" in inner && "rings" in inner;
}
