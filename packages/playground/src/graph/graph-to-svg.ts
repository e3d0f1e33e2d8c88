import { type DrawnEdge, type DrawnGraph, type DrawnNode, isEndpoint } from "./drawn-graph.ts";
import type { GraphPaint, NodeLook } from "./graph-paint.ts";
import { type Pressure, QUIET_PIPE } from "./pipe.ts";

/** Colours of the light theme: a picture is looked at on paper and in documents. */
const PRESSURE: Readonly<Record<Pressure, string>> = {
  quiet: "#aab4bf",
  flowing: "#0b62a8",
  filling: "#9a6200",
  full: "#a01322",
};
const LOOK: Readonly<Record<NodeLook, string>> = {
  idle: "#b6c0ca",
  running: "#0b62a8",
  held: "#9a6200",
  backoff: "#9a6200",
  done: "#00735a",
  failed: "#a01322",
  paused: "#7a1d78",
  cancelled: "#566370",
};
const NOTHING: GraphPaint = { nodes: new Map(), edges: new Map() };

/** Draws a graph, with its state if there is one, as an SVG file that needs nothing else. */
export function graphToSvg(drawn: DrawnGraph, paint: GraphPaint = NOTHING): string {
  const { width, height, nodes, edges } = drawn;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Inter, system-ui, sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...edges.map((edge) => edgeText(edge, paint)),
    ...nodes.map((node) => nodeText(node, paint)),
    "</svg>",
    "",
  ].join("\n");
}

function edgeText({ id, path, head, label, kind }: DrawnEdge, paint: GraphPaint): string {
  const pipe = paint.edges.get(id) ?? QUIET_PIPE;
  const colour = PRESSURE[pipe.pressure];
  const dash = kind === "forward" ? "" : ' stroke-dasharray="5 4"';
  const line = `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${pipe.width}" stroke-linecap="round"${dash}/><path d="${head}" fill="${colour}"/>`;
  if (pipe.label === "") return line;
  const halo = 'stroke="#ffffff" stroke-width="4" paint-order="stroke"';
  return `${line}<text x="${at(label.x)}" y="${at(label.y - 7)}" text-anchor="middle" font-size="10.5" font-family="monospace" fill="${colour}" ${halo}>${escaped(pipe.label)}</text>`;
}

function nodeText({ name, x, y, width, height }: DrawnNode, paint: GraphPaint): string {
  const title = `<title>${escaped(name)}</title>`;
  if (isEndpoint(name))
    return `<circle cx="${at(x)}" cy="${at(y)}" r="${width / 2}" fill="#eef1f5" stroke="#566370">${title}</circle>`;
  const state = paint.nodes.get(name);
  const left = at(x - width / 2);
  const top = y - height / 2;
  const words = state === undefined ? "" : state.parts.join(" · ");
  return [
    `<g>${title}<rect x="${left}" y="${at(top)}" width="${width}" height="${height}" rx="7" fill="#ffffff" stroke="${LOOK[state?.look ?? "idle"]}" stroke-width="1.25"/>`,
    `<text x="${at(x - width / 2 + 10)}" y="${at(top + 21)}" font-size="12.5" font-weight="600" fill="#101820">${escaped(name)}</text>`,
    words === ""
      ? ""
      : `<text x="${at(x - width / 2 + 10)}" y="${at(top + 40)}" font-size="10" font-family="monospace" fill="#4a5866">${escaped(words)}</text>`,
    "</g>",
  ].join("");
}

function at(value: number): number {
  return Number(value.toFixed(1));
}

/** Escapes text for XML; characters that XML does not allow become U+FFFD. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\P{Cc}\t\n]|[\p{Noncharacter_Code_Point}]/gu, "\ufffd")
    .replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
