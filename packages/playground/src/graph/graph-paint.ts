import type { FlowStats, NodeStats } from "../protocol.ts";
import { formatMs } from "../timeline/time-scale.ts";
import type { Moment, NodeThen } from "../timeline/time-travel.ts";
import { edgeId } from "./drawn-graph.ts";
import { type Pipe, pipeOf } from "./pipe.ts";
import { lookOf, nodeParts, type Slots, slotsOf } from "./slots.ts";

/** State of a node, as its outline and sign. */
export type NodeLook = "idle" | "running" | "held" | "backoff" | "done" | "failed" | "paused" | "cancelled";

/** State that is drawn onto a graph, live or at an instant of a run. */
export interface GraphPaint {
  readonly nodes: ReadonlyMap<string, NodePaint>;
  readonly edges: ReadonlyMap<string, Pipe>;
}

export interface NodePaint {
  readonly look: NodeLook;
  /** Absent where slots are not known. */
  readonly slots?: Slots;
  /** Line below the name, in parts of which the first ones that fit are shown. */
  readonly parts: readonly string[];
}

/** Words of the looks, for all who do not see the colours. */
export const LOOK_WORDS: Readonly<Record<NodeLook, string>> = {
  idle: "idle",
  running: "running",
  held: "held back",
  backoff: "in backoff",
  done: "completed",
  failed: "failed",
  paused: "paused",
  cancelled: "cancelled",
};

/** p50 and p95 of a node. */
export type LatencyOf = (node: string) => { readonly p50: number; readonly p95: number } | undefined;

/** Draws the figures of a running flow. */
export function paintOfStats({ nodes, edges }: FlowStats, latencyOf: LatencyOf): GraphPaint {
  return {
    nodes: new Map(nodes.map((node) => [node.name, nodePaint(node, latencyOf)])),
    edges: new Map(edges.map((edge) => [edgeId(edge.source, edge.target), pipeOf(edge)])),
  };
}

/** Draws a run as it was at an instant. Nodes of a playbook count at the node that calls it, if that has its name. */
export function paintOfMoment({ nodes, edges, moved }: Moment): GraphPaint {
  const pipes = new Map([...edges].map(([edge, depth]) => [edge, pipeOf({ size: depth, capacity: 0, waiting: 0 })]));
  for (const edge of moved) pipes.set(edge, { ...(pipes.get(edge) ?? { label: "" }), pressure: "flowing", width: 3 });
  return { nodes: new Map([...nodes].map(([name, node]) => [name, thenPaint(node)])), edges: pipes };
}

function nodePaint(node: NodeStats, latencyOf: LatencyOf): NodePaint {
  const parts = nodeParts(node);
  const latency = parts.length === 0 ? latencyOf(node.name) : undefined;
  const line = latency === undefined ? parts : [`p50 ${formatMs(latency.p50)}`, `p95 ${formatMs(latency.p95)}`];
  return { look: lookOf(node), slots: slotsOf(node), parts: line };
}

function thenPaint({ state, running, done, retries }: NodeThen): NodePaint {
  const count = running > 1 ? ` ${running}` : state === "done" && done > 1 ? ` ${done}` : "";
  const parts = [`${LOOK_WORDS[state]}${count}`, ...(retries > 0 ? [`↻${retries}`] : [])];
  return { look: state, parts: state === "idle" ? [] : parts };
}
