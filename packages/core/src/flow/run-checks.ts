import type { Graph } from "../graph/graph.ts";
import { requireInteger, requireKnownKeys, shown } from "../foundation/options.ts";
import { ModelRegistry } from "../graph/model-registry.ts";
import { FlowNode } from "../graph/node.ts";
import { neededResources } from "../graph/needed-resources.ts";
import type { Position } from "../engine/durability.ts";
import { starterOf } from "../engine/durable-host.ts";

/**
 * Checks the options of a run.
 *
 * @throws TypeError that names the option
 */
export function requireRunOptions(method: "run" | "start", graph: Graph, flow: string, options: object): void {
  requireKnownKeys(method, options, ["registry", "resources", "durability", "outbox", "nodes"]);
  const { registry, durability, outbox, nodes } = options as Readonly<Record<string, unknown>>;
  if (registry !== undefined && !(registry instanceof ModelRegistry))
    throw new TypeError(`Option "registry" of ${method} must be a ModelRegistry: got ${shown(registry)}`);
  if ("durability" in options && starterOf(durability) === undefined)
    throw new TypeError(
      `Option "durability" of ${method} must be what durable({ checkpoints }) of penguiflow/durable returns: got ${shown(durability)}`,
    );
  if (outbox !== undefined) requireOutbox(method, outbox);
  if (nodes !== undefined) requireStandIns(method, graph, flow, nodes);
  if (registry !== undefined) requireModels(graph, flow, registry);
  if (!("resources" in options)) requireNoResources(graph, flow);
}

function requireStandIns(method: string, graph: Graph, flow: string, nodes: unknown): void {
  if (!Array.isArray(nodes) || !nodes.every((node) => node instanceof FlowNode))
    throw new TypeError(`Option "nodes" of ${method} must be a list of nodes: got ${shown(nodes)}`);
  for (const { name } of nodes as readonly { readonly name: string }[])
    if (!graph.byName.has(name))
      throw new TypeError(`Option "nodes" of ${method} has "${name}": flow "${flow}" has no node of that name`);
}

function requireOutbox(method: string, outbox: unknown): void {
  const { deliver, withdraw, chunk, pause } = (outbox ?? {}) as Readonly<Record<string, unknown>>;
  const isOutbox =
    typeof deliver === "function" &&
    [withdraw, chunk, pause].every((receive) => receive === undefined || typeof receive === "function");
  if (!isOutbox)
    throw new TypeError(
      `Option "outbox" of ${method} must be { deliver, withdraw?, chunk?, pause? }, all of them functions: got ${shown(outbox)}`,
    );
}

/**
 * Checks a position of an intake.
 *
 * @throws TypeError, RangeError
 */
export function requirePosition(position: Position): Position {
  if (typeof position !== "object" || position === null)
    throw new TypeError(`A position must be { lane, sequence }: got ${shown(position)}`);
  requireInteger("lane", position.lane, 0);
  requireInteger("sequence", position.sequence, 0);
  return position;
}

/**
 * Checks, for programs that no compiler has checked, that no handler reads resources.
 *
 * @throws TypeError that names the readers
 */
function requireNoResources(graph: Graph, flow: string): void {
  const needs = graph.vertices.flatMap(({ node }) =>
    neededResources(node.handler).map((resource) => ({ resource, node: node.name })),
  );
  if (needs.length === 0) return;
  const names = [...new Set(needs.map(({ resource }) => resource))];
  const readers = needs.map(({ resource, node }) => `node "${node}" reads ctx.resources.${resource}`);
  throw new TypeError(
    `Cannot run flow "${flow}" without resources: ${readers.join(", ")}; call run({ resources: { ${names.join(", ")} } })`,
  );
}

/**
 * Checks that every node that validates has schemas of its own or in the registry.
 *
 * @throws TypeError that lists the nodes without
 */
export function requireModels(graph: Graph, flow: string, registry: ModelRegistry): void {
  const missing = graph.vertices
    .map(({ node }) => node)
    .filter(
      (node) =>
        node.policy.validate !== "none" &&
        node.input === undefined &&
        node.output === undefined &&
        registry.get(node.name) === undefined,
    )
    .map((node) => node.name)
    .sort();
  if (missing.length === 0) return;
  throw new TypeError(
    `Cannot run flow "${flow}": these nodes validate but have no schemas and no entry in the registry: ${missing.map((name) => `"${name}"`).join(", ")}`,
  );
}
