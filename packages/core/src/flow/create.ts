import { shown } from "../foundation/options.ts";
import type {
  AnyConnection,
  AnyEdges,
  AnyNode,
  GraphOf,
  InputOf,
  NameOf,
  OutputOf,
  ResourcesOf,
} from "../graph/edge-typing.ts";
import { Edges } from "../graph/edges.ts";
import { FlowNode } from "../graph/node.ts";
import { buildGraph } from "../graph/graph.ts";
import { Flow } from "./flow.ts";
import { type FlowOptions, resolveOptions } from "../engine/flow-options.ts";

/** The flow that `create` makes of these edges: what it takes, what it yields, what it needs. */
export type FlowOf<Edge extends readonly AnyEdges[]> = Flow<
  InputOf<GraphOf<Edge>["ingress"]>,
  OutputOf<GraphOf<Edge>["egress"]>,
  ResourcesOf<GraphOf<Edge>>,
  NameOf<GraphOf<Edge>["ingress"]>
>;

/** A node, which has a name as options do, passed in their place. */
export interface NoNode {
  readonly "~is"?: "options" | undefined;
}

/**
 * Builds a flow from edges, with options last: `create(a.to(b), b.to(c), { queueMaxSize: 16 })`.
 * Payloads along every edge, the input of `call` and its result are checked by the compiler.
 *
 * @throws TypeError for an empty graph, duplicate names, an unknown option; CycleError for a cycle that
 * was not allowed
 */
export function create<const Made extends readonly AnyEdges[]>(...edges: Made): FlowOf<Made>;
/** Builds a flow from edges, with options last. */
export function create<const Made extends readonly AnyEdges[]>(
  ...args: readonly [...Made, FlowOptions & NoNode]
): FlowOf<Made>;
export function create(...args: readonly (AnyEdges | FlowOptions)[]): unknown {
  const last = args.at(-1);
  const options = last === undefined || last instanceof Edges ? {} : (last as FlowOptions);
  const edges = (options === last ? args.slice(0, -1) : args) as readonly AnyEdges[];
  for (const [index, entry] of edges.entries()) {
    if (!(entry instanceof Edges)) {
      throw new TypeError(
        `Argument ${index + 1} of create must be edges such as a.to(b): got ${describe(entry)}; options come last`,
      );
    }
  }
  if (options instanceof FlowNode || Array.isArray(options))
    throw new TypeError(`The last argument of create must be edges or options: got ${describe(options)}`);
  return flowOf(edges, options);
}

/**
 * Builds a flow from edges that are made at run time, such as one node for each tool of a list. The compiler cannot see
 * such a graph, so the call states what the flow takes, returns and needs. The runtime checks the graph, and payloads
 * where nodes have schemas; it does not check the stated types.
 *
 * @example
 * ```ts
 * const flow = createFrom<Question, Answer>([plan.to(...tools), ...tools.map((tool) => tool.to(answer))]);
 * ```
 * @throws TypeError, CycleError as `create` does
 */
export function createFrom<Input = never, Result = unknown, Resources = unknown>(
  edges: readonly AnyEdges[],
  options: FlowOptions & NoNode = {},
): Flow<Input, Result, Resources> {
  if (!Array.isArray(edges))
    throw new TypeError(`The first argument of createFrom must be an array of edges: got ${describe(edges)}`);
  for (const [index, entry] of edges.entries()) {
    if (!(entry instanceof Edges))
      throw new TypeError(`Item ${index} of createFrom's edges must be edges such as a.to(b): got ${describe(entry)}`);
  }
  if (typeof options !== "object" || options === null || options instanceof Edges || options instanceof FlowNode)
    throw new TypeError(`The second argument of createFrom must be options: got ${describe(options)}`);
  return flowOf(edges, options) as Flow<Input, Result, Resources>;
}

function flowOf(edges: readonly AnyEdges[], options: FlowOptions): Flow<unknown, unknown> {
  const resolved = resolveOptions(options);
  const pairs = edges.flatMap((entry) => (entry as unknown as Edges<AnyConnection, AnyNode>).pairs);
  return new Flow(buildGraph(pairs, resolved.allowCycles), resolved);
}

function describe(entry: unknown): string {
  if (entry instanceof FlowNode) {
    const name = String(entry.name);
    return `node "${name}"; write ${name}.to(next), or ${name}.to() for a node alone`;
  }
  if (Array.isArray(entry)) return "an array; write create(...edges)";
  return shown(entry);
}
