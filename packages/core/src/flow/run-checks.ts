import type { Graph } from "../graph/graph.ts";
import { requireKnownKeys, shown } from "../foundation/options.ts";
import { ModelRegistry } from "../graph/model-registry.ts";
import { neededResources } from "../graph/needed-resources.ts";
import { starterOf } from "../engine/durable-host.ts";

/**
 * Checks the options of a run.
 *
 * @throws TypeError that names the option
 */
export function requireRunOptions(method: "run" | "start", graph: Graph, flow: string, options: object): void {
  requireKnownKeys(method, options, ["registry", "resources", "durability"]);
  const { registry, durability } = options as { readonly registry?: unknown; readonly durability?: unknown };
  if (registry !== undefined && !(registry instanceof ModelRegistry))
    throw new TypeError(`Option "registry" of ${method} must be a ModelRegistry: got ${shown(registry)}`);
  if ("durability" in options && starterOf(durability) === undefined)
    throw new TypeError(
      `Option "durability" of ${method} must be what durable({ checkpoints }) of penguiflow/durable returns: got ${shown(durability)}`,
    );
  if (registry !== undefined) requireModels(graph, flow, registry);
  if (!("resources" in options)) requireNoResources(graph, flow);
}

/**
 * Checks, for programs that no compiler has checked, that no handler reads resources.
 *
 * @throws TypeError that names the readers
 */
export function requireNoResources(graph: Graph, flow: string): void {
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
