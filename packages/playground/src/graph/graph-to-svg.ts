import { type DrawnEdge, type DrawnGraph, type DrawnNode, isEndpoint, OPEN_SEA } from "./drawn-graph.ts";
import type { GraphPaint, NodeLook } from "./graph-paint.ts";
import { KIND_SIGNS } from "./node-signs.ts";
import { type Pressure, QUIET_PIPE } from "./pipe.ts";

/** A colour on light and on dark surroundings. */
type Colour = readonly [light: string, dark: string];

const PRESSURE: Readonly<Record<Pressure, Colour>> = {
  quiet: ["#aab4bf", "#5d6b79"],
  flowing: ["#0b62a8", "#62b0f2"],
  filling: ["#9a6200", "#ffb02e"],
  full: ["#a01322", "#ff6655"],
};
const LOOK: Readonly<Record<NodeLook, Colour>> = {
  idle: ["#b6c0ca", "#465463"],
  running: ["#0b62a8", "#62b0f2"],
  held: ["#9a6200", "#ffb02e"],
  backoff: ["#9a6200", "#ffb02e"],
  done: ["#00735a", "#3cc9a0"],
  failed: ["#a01322", "#ff6655"],
  paused: ["#7a1d78", "#f0a8dc"],
  cancelled: ["#566370", "#8a99a8"],
};
const NOTHING: GraphPaint = { nodes: new Map(), edges: new Map() };

/** Height of the line with a frame's name. */
export const FRAME_HEAD = 30;

/** Height of a node's name with the space around it, and of each line below. */
export const NAME_LINE = 32;
export const LINE = 14;

/**
 * Colours of the dark theme. The light ones are attributes, which programs understand that know no media queries, and
 * which style sheets override.
 */
const DARK = [
  ".ground,.halo{fill:#0c1117}.halo{stroke:#0c1117}.box{fill:#131a22}.frame{fill:#0f151c}",
  ".name{fill:#e8eef4}.words,.full{fill:#a3b1bf}.sign{stroke:#a3b1bf}.end{fill:#0a0e13;stroke:#8494a3}",
  ...Object.entries(PRESSURE).map(
    ([name, [, dark]]) => `.${name}{stroke:${dark}}.head.${name}{fill:${dark};stroke:none}`,
  ),
  ...Object.entries(LOOK).map(([name, [, dark]]) => `.${name}{stroke:${dark}}`),
].join("");

/**
 * Draws a graph, with its state if there is one, as an SVG file that needs nothing else and suits light and dark
 * surroundings.
 *
 * @param frames - drawings inside nodes, by node: each node is a frame around its drawing
 */
export function graphToSvg(
  drawn: DrawnGraph,
  paint = NOTHING,
  frames: ReadonlyMap<string, string> = new Map(),
): string {
  const { width, height } = drawn;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="Inter, system-ui, sans-serif">`,
    `<style>@media (prefers-color-scheme:dark){${DARK}}</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="10" fill="#ffffff"/>`,
    contentsOf(drawn, paint, frames),
    "</svg>",
    "",
  ].join("\n");
}

/** Draws the nodes and edges of a graph, without the file around them. */
export function contentsOf(drawn: DrawnGraph, paint: GraphPaint, frames: ReadonlyMap<string, string>): string {
  return [
    // a frame would cover the edges that end at it
    ...drawn.nodes.map((node) => nodeText(node, paint, frames.get(node.name))),
    ...drawn.edges.map((edge) => edgeText(edge, paint)),
  ].join("\n");
}

function edgeText({ id, path, head, label, kind }: DrawnEdge, paint: GraphPaint): string {
  const pipe = paint.edges.get(id) ?? QUIET_PIPE;
  const [colour] = PRESSURE[pipe.pressure];
  const dash = kind === "forward" ? "" : ' stroke-dasharray="5 4"';
  const line = `<path class="${pipe.pressure}" d="${path}" fill="none" stroke="${colour}" stroke-width="${pipe.width}" stroke-linecap="round"${dash}/><path class="head ${pipe.pressure}" d="${head}" fill="${colour}"/>`;
  if (pipe.label === "") return line;
  const place = `x="${at(label.x)}" y="${at(label.y - 7)}" text-anchor="middle" font-size="10.5" font-family="monospace"`;
  const words = escaped(pipe.label);
  return `${line}<text class="halo" ${place} fill="#ffffff" stroke="#ffffff" stroke-width="4">${words}</text><text class="head ${pipe.pressure}" ${place} fill="${colour}">${words}</text>`;
}

function nodeText(drawn: DrawnNode, paint: GraphPaint, frame: string | undefined): string {
  const { name, x, y, width, height, node } = drawn;
  const title = `<title>${escaped(name)}</title>`;
  if (isEndpoint(name))
    return `<g transform="translate(${at(x)} ${at(y)})">${title}<circle class="end" r="${width / 2}" fill="#eef1f5" stroke="#566370"/>${name === OPEN_SEA ? '<path class="sign full" d="M-3-4 3 0-3 4z" fill="#4a5866" stroke="#4a5866"/>' : '<path class="sign" d="M-3.5 0-1 2.5 4-3" fill="none" stroke="#4a5866"/>'}</g>`;
  const state = paint.nodes.get(name);
  const look = state?.look ?? "idle";
  const parts = state?.parts ?? [];
  // a part each line where there is room
  const lines = parts.length * LINE + NAME_LINE <= height ? parts : [parts.join(" · ")].filter((line) => line !== "");
  const sign = KIND_SIGNS[node?.kind ?? "node"];
  return [
    `<g transform="translate(${at(x - width / 2)} ${at(y - height / 2)})">${title}`,
    `<rect class="${frame === undefined ? "box" : "frame"} ${look}" width="${width}" height="${height}" rx="7" fill="${frame === undefined ? "#ffffff" : "#f8fafb"}" stroke="${LOOK[look][0]}" stroke-width="1.25"/>`,
    `<text class="name" x="10" y="${lines.length === 0 && frame === undefined ? at(height / 2 + 4.5) : 21}" font-size="12.5" font-weight="600" fill="#101820">${escaped(name)}</text>`,
    ...lines.map(
      (line, index) =>
        `<text class="words" x="10" y="${38 + index * LINE}" font-size="10" font-family="monospace" fill="#4a5866">${escaped(line)}</text>`,
    ),
    sign === undefined
      ? ""
      : `<path class="sign" transform="translate(${width - 20} 12)" d="${sign}" fill="none" stroke="#4a5866"/>`,
    frame === undefined ? "" : `<g transform="translate(0 ${FRAME_HEAD})">${frame}</g>`,
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
