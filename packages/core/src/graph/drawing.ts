import { shown } from "../foundation/options.ts";
import { OPEN_SEA, ROOKERY } from "./endpoints.ts";
import { type EdgeJson, graphToJson, type GraphJson, type HasGraph, type NodeJson } from "./graph-json.ts";
import type { NodeKind } from "./node.ts";

/** The contents of a flow's picture, independent of the drawing language. */
export interface Drawing {
  readonly shapes: readonly Shape[];
  /** Edges, including those inside subflows. */
  readonly edges: readonly Line[];
}

/** A node or an endpoint in a picture. */
export interface Shape {
  /** Id made of letters, digits and `_`, whatever the name of the node. */
  readonly id: string;
  /** Printable lines of text; not yet escaped. */
  readonly label: string;
  readonly kind: NodeKind | "endpoint";
  /** Key into {@link COLOURS}. */
  readonly role: Role;
  /** Contents of a subflow: its shape is a frame around these. */
  readonly inside: readonly Shape[] | undefined;
}

/** An edge in a picture: `from` and `to` are ids of shapes that are no frames. */
export interface Line {
  readonly from: string;
  readonly to: string;
  readonly kind: EdgeJson["kind"];
}

/** The role that determines a shape's outline and colours. */
export type Role = Shape["kind"] | "controller";

/** Fill, border and text of each role. All three are set, so that they suit light and dark backgrounds alike. */
export const COLOURS: Readonly<
  Record<Role, { readonly fill: string; readonly stroke: string; readonly text: string }>
> = {
  endpoint: { fill: "#dbeafe", stroke: "#3b82f6", text: "#1e3a8a" },
  node: { fill: "#f1f5f9", stroke: "#64748b", text: "#0f172a" },
  controller: { fill: "#ffedd5", stroke: "#ea580c", text: "#7c2d12" },
  router: { fill: "#fef9c3", stroke: "#ca8a04", text: "#713f12" },
  join: { fill: "#ede9fe", stroke: "#8b5cf6", text: "#4c1d95" },
  subflow: { fill: "#dcfce7", stroke: "#16a34a", text: "#14532d" },
  remote: { fill: "#fce7f3", stroke: "#db2777", text: "#831843" },
};

/** The colour of back edges: loops and cycles. */
export const BACK_COLOUR = COLOURS.controller.stroke;

/** Lays out the picture of a flow, subflows included. */
export function drawFlow(flow: HasGraph): Drawing {
  const edges: Line[] = [];
  return { shapes: drawGraph(graphToJson(flow), "", edges), edges };
}

/** Lays out one graph. `prefix` keeps the ids of several graphs in one picture apart. */
function drawGraph(graph: GraphJson, prefix: string, edges: Line[]): Shape[] {
  const ids = new Map(graph.nodes.map((node, index) => [node.name, { node, id: `${prefix}n${index}` }]));
  // edges of a subflow with a known graph connect to the endpoints inside it
  const end = (name: string, endpointInside: string): string => {
    const known = ids.get(name);
    if (known === undefined) return prefix + name;
    return known.node.inner === undefined ? known.id : `${known.id}_${endpointInside}`;
  };
  for (const { from, to, kind } of graph.edges) edges.push({ from: end(from, ROOKERY), to: end(to, OPEN_SEA), kind });
  return [
    endpoint(OPEN_SEA, prefix),
    ...[...ids.values()].map(({ node, id }): Shape => ({
      id,
      label: labelOf(node),
      kind: node.kind,
      role: node.isController ? "controller" : node.kind,
      inside: node.inner && drawGraph(node.inner, `${id}_`, edges),
    })),
    endpoint(ROOKERY, prefix),
  ];
}

function endpoint(name: string, prefix: string): Shape {
  return { id: prefix + name, label: name, kind: "endpoint", role: "endpoint", inside: undefined };
}

function labelOf({ name, policy, effects, gathering, note }: NodeJson): string {
  const remarks = [
    gathering && (gathering.count === "dynamic" ? "joins a group" : `joins ${gathering.count}`),
    effects === "none" ? undefined : effects,
    policy.maxRetries === undefined ? undefined : `retries ${policy.maxRetries}`,
    policy.timeoutMs === undefined ? undefined : `timeout ${policy.timeoutMs} ms`,
    policy.perMessage === undefined ? undefined : "policy per message",
    policy.onFailed === undefined ? undefined : "failure becomes a value",
    policy.concurrency === undefined ? undefined : `concurrency ${policy.concurrency}`,
    note,
  ].filter((remark) => remark !== undefined && remark.trim() !== "");
  return showable([name, ...remarks].join("\n"));
}

/**
 * Replaces characters that cannot be shown or written in XML. Control characters become their pictures (U+2400 …), lone
 * surrogates and noncharacters U+FFFD. A newline stays.
 */
function showable(text: string): string {
  return text.toWellFormed().replace(/[\p{Cc}\p{Noncharacter_Code_Point}]/gu, (character) => {
    const code = character.charCodeAt(0);
    if (character === "\n") return character;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/**
 * Returns `value`.
 *
 * @throws TypeError when it is none of the allowed directions
 */
export function requireDirection<Direction extends string>(
  option: string,
  value: Direction,
  allowed: readonly Direction[],
): Direction {
  if (allowed.includes(value)) return value;
  const wanted = allowed.map((direction) => `"${direction}"`).join(", ");
  throw new TypeError(`Option "${option}" must be one of ${wanted}: got ${shown(value)}`);
}
