import { ROOKERY } from "../../graph/endpoints.ts";
import type { Graph, Vertex } from "../../graph/graph.ts";
import { WM } from "../../message/controller.ts";
import type { LawShape } from "./record-laws.ts";

/**
 * Returns the facts about a graph that the laws need. `choosers` are attempts that have chosen their messages' targets,
 * `tenants` those with equal weights.
 */
export function lawShapeOf(
  { byName, vertices }: Graph,
  choosers: ReadonlySet<string>,
  tenants: readonly string[],
): LawShape {
  const vertexOf = (name: string): Vertex | undefined => vertices[byName.get(name) ?? -1];
  const entries = vertices.filter(({ isIngress }) => isIngress).map(({ node }) => node.name);
  return {
    entriesWith: () => entries,
    isOrdered: (name) => vertexOf(name)?.node.policy.ordering === "trace",
    groupSize(name) {
      const gathering = vertexOf(name)?.node.gathering;
      return gathering?.whenShort === "fail" && typeof gathering.count === "number" ? gathering.count : undefined;
    },
    targets({ run, node, lineage }, output) {
      const vertex = vertexOf(node);
      if (vertex === undefined || choosers.has(`${run} ${lineage}`)) return undefined;
      const onward = vertex.successors.filter((index) => index !== vertex.index);
      if (output.payload instanceof WM && onward.length < vertex.successors.length) return [node];
      if (vertex.node.route !== undefined) return [vertex.node.route(output.payload as never)];
      return onward.length === 0 ? [ROOKERY] : onward.map((index) => (vertices[index] as Vertex).node.name);
    },
    shareOf(name, tenant) {
      const vertex = vertexOf(name);
      if (vertex === undefined || vertex.ring !== undefined || !tenants.includes(tenant)) return undefined;
      // with more slots, the scheduler influences the order; with a limiter, the tenants of all its nodes
      const { policy, gathering } = vertex.node;
      return policy.concurrency === 1 && policy.limiter === undefined && gathering === undefined ? 1 : undefined;
    },
  };
}

/** The shape of a playbook's runs, whose graph is not known. */
export const UNKNOWN_SHAPE: LawShape = {
  entriesWith: () => undefined,
  isOrdered: () => false,
  groupSize: () => undefined,
  targets: () => undefined,
  shareOf: () => undefined,
  isWithin: true,
};
