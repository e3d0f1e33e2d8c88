/**
 * Pictures of flows, for programs that have no page.
 *
 * @packageDocumentation
 */

import type { Direction, DrawnGraph, NodeJson } from "./graph/drawn-graph.ts";
import { contentsOf, FRAME_HEAD, graphToSvg, LINE, NAME_LINE } from "./graph/graph-to-svg.ts";
import type { GraphPaint } from "./graph/graph-paint.ts";
import { layoutGraph } from "./graph/layout-graph.ts";
import type { GraphJson } from "./protocol.ts";

/** Widest picture from left to right that is no strip. */
const WIDEST = 1_600;
/** Mean width of a character of a node's remarks, and of its name. */
const REMARK = 6.1;
const NAME = 7.4;

/** A graph with a place for everything, and what is drawn inside its subflows. */
interface Picture {
  readonly drawn: DrawnGraph;
  readonly paint: GraphPaint;
  readonly frames: ReadonlyMap<string, string>;
}

/**
 * Draws a graph as an SVG file that needs nothing else: subflows with what is inside them, nodes with the options that
 * are not the default. It suits light and dark surroundings, as the viewer prefers. The same graph gives the same file.
 */
export async function drawGraph(graph: GraphJson): Promise<string> {
  const wide = await pictureOf(graph, "LR");
  const { width, height } = wide.drawn;
  const { drawn, paint, frames } = width > WIDEST && width > 2 * height ? await pictureOf(graph, "TB") : wide;
  return graphToSvg(drawn, paint, frames);
}

async function pictureOf(graph: GraphJson, direction: Direction): Promise<Picture> {
  const inner = new Map<string, Picture>();
  for (const { name, inner: within } of graph.nodes)
    if (within !== undefined) inner.set(name, await pictureOf(within, direction));
  const remarks = new Map(graph.nodes.map((node) => [node.name, remarksOf(node)]));
  const width = Math.max(96, ...[...remarks].map(([name, parts]) => widthOf(name, parts)));
  const sizeOf = ({ name }: NodeJson): { readonly width: number; readonly height: number } => {
    const inside = inner.get(name)?.drawn;
    const lines = remarks.get(name)?.length ?? 0;
    if (inside === undefined) return { width, height: lines === 0 ? 40 : NAME_LINE + lines * LINE };
    return { width: Math.max(width, inside.width), height: inside.height + FRAME_HEAD };
  };
  const drawn = await layoutGraph(graph, { direction, sizeOf, rankGap: 48 });
  return {
    drawn,
    paint: {
      nodes: new Map(
        [...remarks].map(([name, parts]) => [name, { look: "idle", parts: inner.has(name) ? [] : parts }]),
      ),
      edges: new Map(),
    },
    frames: new Map([...inner].map(([name, { drawn: of, paint, frames }]) => [name, contentsOf(of, paint, frames)])),
  };
}

function widthOf(name: string, remarks: readonly string[]): number {
  return Math.round(Math.max(name.length * NAME + 38, ...remarks.map((remark) => remark.length * REMARK + 20)));
}

/** Lists what a node does besides the default, as the drawings in text do. */
function remarksOf({ policy, effects, gathering, note }: NodeJson): string[] {
  return [
    gathering && (gathering.count === "dynamic" ? "joins a group" : `joins ${gathering.count}`),
    effects === "none" ? undefined : effects,
    policy.maxRetries === undefined ? undefined : `retries ${policy.maxRetries}`,
    policy.timeoutMs === undefined ? undefined : `timeout ${policy.timeoutMs} ms`,
    policy.concurrency === undefined ? undefined : `concurrency ${policy.concurrency}`,
    policy.onFailed === undefined ? undefined : "failure becomes a value",
    policy.perMessage === undefined ? undefined : "policy per message",
    note?.replaceAll(/\s+/g, " ").trim(),
  ].filter((remark): remark is string => remark !== undefined && remark !== "");
}
