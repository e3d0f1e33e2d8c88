import type { GraphJson } from "../protocol.ts";
import { curveThrough, headAt, loopAt } from "./edge-curve.ts";
import {
  type Direction,
  type DrawnEdge,
  type DrawnGraph,
  type DrawnNode,
  edgeId,
  type EdgeJson,
  isEndpoint,
  type NodeJson,
  OPEN_SEA,
  type Point,
  ROOKERY,
} from "./drawn-graph.ts";

/** Sizes of a drawing, in its own units. */
export interface LayoutOptions {
  /** @defaultValue `"LR"` */
  readonly direction?: Direction;
  /** @defaultValue 54 */
  readonly nodeHeight?: number;
  /** Size of a node. @defaultValue `nodeHeight`, and one width for all in which their names fit */
  readonly sizeOf?: (node: NodeJson) => { readonly width: number; readonly height: number };
  /** Room between ranks, in which depth labels stand. @defaultValue 84 */
  readonly rankGap?: number;
  /** Room between nodes of a rank. @defaultValue 28 */
  readonly nodeGap?: number;
}

const ENDPOINT = 18;
const MARGIN = 28;
const SMALLEST_WIDTH = 108;
const LARGEST_WIDTH = 208;
/** Mean width of a character of a node's name. */
const CHARACTER = 7.1;
/** Largest distance between edges at one side of a node. */
const PORT_GAP = 10;

/**
 * Places the nodes of a graph in ranks and draws its edges. The layout library is loaded on first use. The same graph
 * gives the same drawing.
 */
export async function layoutGraph(graph: GraphJson, options: LayoutOptions = {}): Promise<DrawnGraph> {
  const library: unknown = await import("@dagrejs/dagre");
  const { Graph, layout } = library as Dagre;
  const { direction = "LR", nodeHeight = 54, rankGap = 84, nodeGap = 28 } = options;
  const plan = new Graph();
  plan.setGraph({ rankdir: direction, ranksep: rankGap, nodesep: nodeGap, marginx: MARGIN, marginy: MARGIN });
  const usual = { width: widthOf(graph), height: nodeHeight };
  const jsonOf = new Map(graph.nodes.map((node) => [node.name, node]));
  const edges = [...new Map(graph.edges.map((edge) => [edgeId(edge.from, edge.to), edge])).values()];
  const used = new Set(edges.flatMap(({ from, to }) => [from, to]));
  for (const name of [OPEN_SEA, ...jsonOf.keys(), ROOKERY]) {
    if (isEndpoint(name) && !used.has(name)) continue;
    const node = jsonOf.get(name);
    const size = node === undefined ? { width: ENDPOINT, height: ENDPOINT } : (options.sizeOf?.(node) ?? usual);
    plan.setNode(name, { ...size, x: 0, y: 0 });
  }
  // a loop is drawn by hand: it takes no room between ranks
  for (const { from, to, kind } of edges)
    if (from !== to) plan.setEdge(from, to, { weight: kind === "forward" ? 2 : 1 });
  layout(plan);
  const nodes = plan.nodes().map((name): DrawnNode => {
    const { x, y, width, height } = plan.node(name);
    const node = jsonOf.get(name);
    return { name, ...(node && { node }), x, y, width, height };
  });
  const placeOf = new Map(nodes.map((node) => [node.name, node]));
  const bends = new Map(
    edges.map((edge) => [
      edge,
      edge.from === edge.to ? [] : (plan.edge(edge.from, edge.to).points?.slice(1, -1) ?? []),
    ]),
  );
  const ports = portsOf(edges, bends, placeOf, direction);
  const drawn = edges.map((edge): DrawnEdge => {
    const { from, to, kind } = edge;
    const ends = { id: edgeId(from, to), from, to, kind };
    if (from === to) {
      const { path, way, top } = loopAt(placeOf.get(from) as DrawnNode, direction);
      return { ...ends, path, way, head: headAt(way), label: top };
    }
    const { start, end } = ports.get(edge) as Ports;
    const { path, way } = curveThrough([start, ...(bends.get(edge) as Point[]), end], direction);
    return { ...ends, path, way, head: headAt(way), label: labelOf(way, rankGap) };
  });
  return { ...extentOf(nodes, drawn), direction, nodes, edges: drawn };
}

/** Returns one width for all nodes, in which their names fit: ranks of equal boxes are easier to read. */
function widthOf({ nodes }: GraphJson): number {
  const longest = Math.max(0, ...nodes.map(({ name }) => name.length));
  return Math.min(LARGEST_WIDTH, Math.max(SMALLEST_WIDTH, Math.round(longest * CHARACTER + 34)));
}

/** The part of the library that is used; its own declarations are `any`. */
interface Dagre {
  readonly Graph: new () => Plan;
  readonly layout: (plan: Plan) => unknown;
}

interface Plan {
  setGraph(label: object): unknown;
  setNode(name: string, size: Placed): unknown;
  setEdge(from: string, to: string, label: object): unknown;
  nodes(): string[];
  node(name: string): Placed;
  edge(from: string, to: string): { readonly points?: readonly Point[] };
}

interface Placed extends Point {
  width: number;
  height: number;
}
interface Ports {
  readonly start: Point;
  readonly end: Point;
}

/** Spreads the edges at each side of a node in the order of their other ends, so that no two lie on one another. */
function portsOf(
  edges: readonly EdgeJson[],
  bends: ReadonlyMap<EdgeJson, readonly Point[]>,
  placeOf: ReadonlyMap<string, DrawnNode>,
  direction: Direction,
): Map<EdgeJson, Ports> {
  const across = (point: Point): number => (direction === "LR" ? point.y : point.x);
  const along = (point: Point): number => (direction === "LR" ? point.x : point.y);
  const sides = new Map<string, { edge: EdgeJson; isStart: boolean; isAfter: boolean; next: number }[]>();
  for (const edge of edges) {
    if (edge.from === edge.to) continue;
    const from = placeOf.get(edge.from) as DrawnNode;
    const to = placeOf.get(edge.to) as DrawnNode;
    const via = bends.get(edge) as readonly Point[];
    for (const isStart of [true, false]) {
      const here = isStart ? from : to;
      const next = isStart ? (via[0] ?? to) : (via.at(-1) ?? from);
      const isAfter = along(next) > along(here);
      const key = `${isAfter}${here.name}`;
      sides.set(key, [...(sides.get(key) ?? []), { edge, isStart, isAfter, next: across(next) }]);
    }
  }
  const ports = new Map<EdgeJson, { start: Point; end: Point }>();
  for (const side of sides.values()) {
    side.sort((a, b) => a.next - b.next);
    for (const [index, { edge, isStart, isAfter }] of side.entries()) {
      const node = placeOf.get(isStart ? edge.from : edge.to) as DrawnNode;
      const room = (direction === "LR" ? node.height : node.width) - 16;
      const gap = Math.max(0, Math.min(PORT_GAP, room / side.length));
      const shift = (index - (side.length - 1) / 2) * gap;
      const reach = isAfter ? 0.5 : -0.5;
      const port =
        direction === "LR"
          ? { x: node.x + node.width * reach, y: node.y + shift }
          : { x: node.x + shift, y: node.y + node.height * reach };
      const known = ports.get(edge) ?? { start: port, end: port };
      ports.set(edge, isStart ? { ...known, start: port } : { ...known, end: port });
    }
  }
  return ports;
}

/** Puts the label into the room behind the sender's rank, or into the middle of a short edge: there are no nodes. */
function labelOf(way: readonly Point[], rankGap: number): Point {
  let passed = 0;
  let total = 0;
  for (let index = 1; index < way.length; index++) total += stretch(way, index);
  const wanted = Math.min(total, rankGap) / 2;
  for (let index = 1; index < way.length; index++) {
    passed += stretch(way, index);
    if (passed >= wanted) return way[index] as Point;
  }
  return way[0] ?? { x: 0, y: 0 };
}

function stretch(way: readonly Point[], index: number): number {
  const [a, b] = [way[index - 1] as Point, way[index] as Point];
  return Math.hypot(b.x - a.x, b.y - a.y);
}

function extentOf(nodes: readonly DrawnNode[], edges: readonly DrawnEdge[]): { width: number; height: number } {
  const points = edges.flatMap(({ way }) => way);
  return {
    width: Math.ceil(Math.max(0, ...nodes.map(({ x, width }) => x + width / 2), ...points.map(({ x }) => x)) + MARGIN),
    height: Math.ceil(
      Math.max(0, ...nodes.map(({ y, height }) => y + height / 2), ...points.map(({ y }) => y)) + MARGIN,
    ),
  };
}
