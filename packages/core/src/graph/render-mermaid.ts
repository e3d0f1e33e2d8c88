import { requireKnownKeys } from "../foundation/options.ts";
import { BACK_COLOUR, COLOURS, drawFlow, type Line, requireDirection, type Role, type Shape } from "./drawing.ts";
import type { HasGraph } from "./graph-json.ts";

/** Options of {@link flowToMermaid}. */
export interface MermaidOptions {
  /**
   * Direction of the drawing: top down, left to right, …
   *
   * @defaultValue `"TD"`
   */
  readonly direction?: "TD" | "TB" | "LR" | "RL" | "BT";
}

/**
 * Draws a flow as a Mermaid flowchart, which GitHub, GitLab and many editors render as a picture.
 *
 * OpenSea and Rookery are ovals, routers diamonds, joins funnels, remote nodes slanted. Subflows are frames around
 * their own graph, or have double sides when it is not known. Back edges are labelled "loop" or "cycle"; non-default
 * policies are shown below a node's name. Names may contain anything: they are escaped, and control characters are
 * shown as pictures like ␀.
 *
 * Mermaid refuses more than 500 edges or 50 000 characters unless its `maxEdges` and `maxTextSize` are raised.
 *
 * @throws TypeError for a direction that Mermaid does not know, or an unknown option
 */
export function flowToMermaid(flow: HasGraph, options: MermaidOptions = {}): string {
  requireKnownKeys("flowToMermaid", options, ["direction"]);
  const direction = requireDirection("direction", options.direction ?? "TD", ["TD", "TB", "LR", "RL", "BT"]);
  const { shapes, edges } = drawFlow(flow);
  const back = edges.flatMap((edge, index) => (edge.kind === "forward" ? [] : [index]));
  const lines = [
    `flowchart ${direction}`,
    ...[
      ...shapes.flatMap(shapeLines),
      ...edges.map(edgeLine),
      ...rolesOf(shapes).map(classLine),
      ...(back.length === 0 ? [] : [`linkStyle ${back.join(",")} stroke:${BACK_COLOUR}`]),
    ].map((line) => `  ${line}`),
  ];
  return `${lines.join("\n")}\n`;
}

const OUTLINES: Readonly<Record<Shape["kind"], readonly [open: string, close: string]>> = {
  endpoint: ["([", "])"],
  node: ["[", "]"],
  router: ["{", "}"],
  join: ["[\\", "/]"],
  subflow: ["[[", "]]"],
  remote: ["[/", "/]"],
};

function shapeLines({ id, label, kind, role, inside }: Shape): string[] {
  const text = `"${escapeLabel(label)}"`;
  if (inside !== undefined) {
    return [
      `subgraph ${id} [${text}]`,
      ...inside.flatMap(shapeLines).map((line) => `  ${line}`),
      "end",
      `class ${id} ${FRAME}`,
    ];
  }
  const [open, close] = OUTLINES[kind];
  return [`${id}${open}${text}${close}:::${role}`];
}

function edgeLine({ from, to, kind }: Line): string {
  return kind === "forward" ? `${from} --> ${to}` : `${from} -. ${kind} .-> ${to}`;
}

const FRAME = "frame";

function rolesOf(shapes: readonly Shape[]): (Role | typeof FRAME)[] {
  const roles = shapes.flatMap(({ role, inside }) =>
    inside === undefined ? [role] : ([FRAME, ...rolesOf(inside)] as const),
  );
  return [...new Set(roles)];
}

function classLine(role: Role | typeof FRAME): string {
  if (role === FRAME) return `classDef ${FRAME} fill:none,stroke:${COLOURS.subflow.stroke}`;
  const { fill, stroke, text } = COLOURS[role];
  return `classDef ${role} fill:${fill},stroke:${stroke},color:${text}`;
}

/**
 * Characters that Mermaid would interpret: a quote, comment, entity or tag; in a line that mentions style, the end of a
 * colour; white space that would be trimmed or end the line. The space in "direction LR" is coded too, because Mermaid
 * finds that statement even between quotes.
 */
const CODED = /["#%&<>\\`]|(?<=(?:style|classDef).*):|[^\S ]|^ | $|(?<=direction) /;

/**
 * Positions at which Mermaid, after decoding all codes, would still find a line break, an icon, a formula or one of its
 * own placeholders. An invisible element keeps the two sides apart.
 */
const SPLIT = /(?<=\\)(?=n)|(?<=:)(?=fa-)|(?<=\$)(?=\$)|(?<=ﬂ)(?=°)|(?<=¶)(?=ß)/;

const SPECIAL = new RegExp(`${CODED.source}|${SPLIT.source}`, "gmsu");

function escapeLabel(label: string): string {
  return label.replace(SPECIAL, (found) => {
    if (found === "") return "<wbr/>";
    return found === "\n" ? "<br/>" : `#${found.codePointAt(0)};`;
  });
}
