import type { GraphJson } from "../protocol.ts";

/** A graph with a place for everything: the pages, the canvas of dots and the exported picture draw this. */
export interface DrawnGraph {
  readonly width: number;
  readonly height: number;
  readonly direction: Direction;
  /** Nodes and the two endpoints, in the order in which they are reached. */
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
}

/** From left to right on a wide surface, from top to bottom in a narrow one. */
export type Direction = "LR" | "TB";

export interface DrawnNode {
  readonly name: string;
  /** The node as `create` met it; absent for OpenSea and Rookery. */
  readonly node?: NodeJson;
  /** Centre. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface DrawnEdge {
  /** {@link edgeId} of its ends. */
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly kind: EdgeJson["kind"];
  /** SVG path data. */
  readonly path: string;
  /** SVG path data of the head of its arrow. */
  readonly head: string;
  /** Points at equal distances along the path: the way of a dot. */
  readonly way: readonly Point[];
  /** Place of the depth label. */
  readonly label: Point;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The types of the graph's JSON, which core exports as parts of {@link GraphJson}. */
export type NodeJson = GraphJson["nodes"][number];
export type EdgeJson = GraphJson["edges"][number];

export const OPEN_SEA = "OpenSea";
export const ROOKERY = "Rookery";

/** Whether a name is that of an endpoint. */
export function isEndpoint(name: string): boolean {
  return name === OPEN_SEA || name === ROOKERY;
}

/** Names an edge: `from>to`, as in `RunEvent.edges`. */
export function edgeId(from: string, to: string): string {
  return `${from}>${to}`;
}
