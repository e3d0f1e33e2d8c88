import type { Graph } from "../../graph/graph.ts";
import type { FlowStats } from "../../engine/flow-stats.ts";

/** Number of messages by which an edge may exceed its capacity while a blocked ring drains. */
const DRAIN_ALLOWANCE = 64;

/**
 * Checks L3: edges and nodes within their bounds. Returns one line per violation. `restored` is the number of messages
 * restored at a node after a restart: they keep their places, regardless of later arrivals.
 */
export function brokenBounds(
  graph: Graph,
  { edges, nodes }: FlowStats,
  restored: ReadonlyMap<string, number> = new Map(),
): string[] {
  const broken: string[] = [];
  for (const { source, target, size, capacity } of edges) {
    if (size === 0) continue;
    // a blocked ring drains over its own edges
    const ring = ringOf(graph, source);
    const drains = ring !== undefined && ring === ringOf(graph, target);
    const allowance = (drains ? Math.max(capacity, DRAIN_ALLOWANCE) : 0) + (restored.get(target) ?? 0);
    const most = capacity === 0 ? Number.POSITIVE_INFINITY : capacity + allowance;
    if (size > most || size < 0) broken.push(`L3: edge "${source}" → "${target}" holds ${size} of ${most}`);
  }
  for (const { node, ring } of graph.vertices) {
    // emitting short groups can release as many groups as were open
    if (node.gathering === undefined || node.gathering.whenShort === "emit") continue;
    const { queued = 0, concurrency = 0 } = nodes.find(({ name }) => name === node.name) ?? {};
    const capacity = edges.find(({ target }) => target === node.name)?.capacity ?? 0;
    const allowance = (ring === undefined ? 0 : Math.max(capacity, DRAIN_ALLOWANCE)) + (restored.get(node.name) ?? 0);
    // a retried message keeps its place
    const most = capacity === 0 ? Number.POSITIVE_INFINITY : capacity + allowance + concurrency;
    if (queued > most) broken.push(`L3: join "${node.name}" holds ${queued} groups of ${most}`);
  }
  for (const { name, running, concurrency, lingering, zombies, queued } of nodes) {
    if (running > concurrency || running < 0 || queued < 0 || lingering < 0 || zombies < 0)
      broken.push(
        `L3: node "${name}" uses ${running} of ${concurrency} slots, ${queued} wait, ${lingering} linger, ${zombies} are zombies`,
      );
  }
  return broken;
}

/**
 * Checks L3: the resources of a trace are released with it. Returns one line per leftover in the tables of a flow
 * without traces.
 */
export function leftBehind({ timers, nodes, edges, limiters }: FlowStats): string[] {
  const left: string[] = [];
  if (timers !== 0) left.push(`L3: ${timers} timers are left`);
  for (const { name, queued, running, blocked, parked, groups, lingering, zombies } of nodes) {
    const held = { queued, running, blocked, parked, groups: groups.length, lingering, zombies };
    for (const [what, number] of Object.entries(held))
      if (number !== 0) left.push(`L3: node "${name}" is left with ${number} ${what}`);
  }
  for (const { source, target, size, waiting } of edges)
    if (size + waiting !== 0)
      left.push(`L3: edge "${source}" → "${target}" is left with ${size} and ${waiting} waiting`);
  for (const { nodes: users, running, waiting } of limiters)
    if (running + waiting !== 0)
      left.push(`L3: the limiter of "${users.join('", "')}" is left with ${running} running and ${waiting} waiting`);
  return left;
}

/** Checks L2 and L3 when no trace is in flight and every result has been read. Returns one line per violation. */
export function brokenEnd(stats: FlowStats): string[] {
  const { traces, waitingTraces, unreadResults, fetchers, outcomes, accepted } = stats;
  const broken = leftBehind(stats);
  if (waitingTraces !== 0) broken.push(`L3: ${waitingTraces} traces wait for their turn`);
  if (traces !== 0) broken.push(`L2: ${traces} traces are left`);
  if (unreadResults + fetchers !== 0)
    broken.push(`L3: ${unreadResults} results are left unread, ${fetchers} fetchers wait`);
  const ended = Object.values(outcomes).reduce((sum, number) => sum + number, 0);
  if (ended !== accepted) broken.push(`L2: ${accepted} traces began and ${ended} ended`);
  return broken;
}

/** Returns the ring of a graph that contains a node. */
function ringOf({ byName, vertices }: Graph, name: string): number | undefined {
  return vertices[byName.get(name) ?? -1]?.ring;
}
