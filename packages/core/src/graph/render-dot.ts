import { requireKnownKeys } from "../foundation/options.ts";
import { BACK_COLOUR, COLOURS, drawFlow, type Line, requireDirection, type Shape } from "./drawing.ts";
import type { HasGraph } from "./graph-json.ts";

/** Options of {@link flowToDot}. */
export interface DotOptions {
  /**
   * Direction of the drawing: top to bottom, left to right, …
   *
   * @defaultValue `"TB"`
   */
  readonly rankdir?: "TB" | "LR" | "RL" | "BT";
}

/**
 * Draws a flow in DOT, the language of Graphviz: `dot -Tsvg flow.dot > flow.svg`. The picture has the same shapes,
 * frames and remarks as that of {@link flowToMermaid}.
 *
 * @throws TypeError for a direction that Graphviz does not know, or an unknown option
 */
export function flowToDot(flow: HasGraph, options: DotOptions = {}): string {
  requireKnownKeys("flowToDot", options, ["rankdir"]);
  const rankdir = requireDirection("rankdir", options.rankdir ?? "TB", ["TB", "LR", "RL", "BT"]);
  const { shapes, edges } = drawFlow(flow);
  const grey = COLOURS.node.stroke;
  const lines = [
    "digraph flow {",
    ...[
      `graph [${attributes({ rankdir, bgcolor: "transparent", fontname: FONT })}]`,
      `node [${attributes({ style: "filled", fontname: FONT, margin: "0.2,0.1" })}]`,
      `edge [${attributes({ color: grey, fontcolor: grey, fontname: FONT, fontsize: "11" })}]`,
      ...shapes.flatMap(shapeLines),
      ...edges.map(edgeLine),
    ].map((line) => `  ${line}`),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

const FONT = "Helvetica,Arial,sans-serif";

const OUTLINES: Readonly<Record<Shape["kind"], Readonly<Record<string, string>>>> = {
  endpoint: { shape: "oval" },
  node: { shape: "box", style: "filled,rounded" },
  router: { shape: "diamond" },
  join: { shape: "invtrapezium" },
  subflow: { shape: "box", peripheries: "2" },
  remote: { shape: "parallelogram" },
};

function shapeLines({ id, label, kind, role, inside }: Shape): string[] {
  const { fill, stroke, text } = COLOURS[role];
  if (inside !== undefined) {
    return [
      `subgraph cluster_${id} {`,
      // the title is drawn on the background, so it needs the colour that suits both light and dark
      `  graph [${attributes({ label, class: role, color: stroke, fontcolor: stroke, style: "rounded" })}]`,
      ...inside.flatMap(shapeLines).map((line) => `  ${line}`),
      "}",
    ];
  }
  return [
    `${id} [${attributes({ label, class: role, ...OUTLINES[kind], fillcolor: fill, color: stroke, fontcolor: text })}]`,
  ];
}

function edgeLine({ from, to, kind }: Line): string {
  const marks = { label: kind, class: kind, style: "dashed", color: BACK_COLOUR, fontcolor: BACK_COLOUR };
  return `${from} -> ${to}${kind === "forward" ? "" : ` [${attributes(marks)}]`}`;
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escapeValue(value)}"`)
    .join(" ");
}

/**
 * Escapes a quoted value: Graphviz interprets escapes such as `\N` and entities such as `&amp;` between quotes, and
 * some versions crash on an empty line.
 */
function escapeValue(value: string): string {
  return value
    .replace(/(?<=^|\n)(?=\n|$)/g, " ")
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("&", "&amp;")
    .replaceAll("\n", "\\n");
}
