import {
  nameOfNode,
  requireKnownKeys,
  requireNumber,
  requireSignal,
  requireTenant,
  requireText,
} from "../foundation/options.ts";
import type { Graph } from "../graph/graph.ts";
import type { NodeOrName } from "../graph/handler.ts";
import type { FetchWish } from "../engine/results/rookery.ts";
import type { FetchOptions } from "./call-options.ts";

/** Checks the options of `fetch`. */
export function wishOf(graph: Graph, flow: string, options: FetchOptions): FetchWish {
  requireKnownKeys("fetch", options, ["traceId", "tenant", "from", "timeoutMs", "signal"]);
  if (options.timeoutMs !== undefined) requireNumber("timeoutMs", options.timeoutMs, 0);
  if (options.traceId !== undefined) requireText("traceId", options.traceId);
  requireTenant(options.tenant);
  if (options.signal !== undefined) requireSignal("signal", options.signal);
  const { from, ...rest } = options;
  if (from === undefined) return rest;
  const names = ((Array.isArray(from) ? from : [from]) as readonly NodeOrName[]).map((node) =>
    nameOfNode("from", node),
  );
  for (const name of names) {
    const index = graph.byName.get(name);
    if (index !== undefined && graph.vertices[index]?.isEgress) continue;
    throw new TypeError(`Cannot fetch from "${name}": it is not an exit node of flow "${flow}"`);
  }
  return { ...rest, from: new Set(names) };
}
