import type { DrawnGraph } from "./drawn-graph.ts";
import { type GraphPaint, LOOK_WORDS, type NodePaint } from "./graph-paint.ts";
import { type Pipe, QUIET_PIPE } from "./pipe.ts";
import { fitting, type Slots } from "./slots.ts";

/** Room between the marks of slots. */
const GAP = 3;
/** Room at each side of a node's bar of slots. */
export const INSET = 10;
/** Width of a character of a node's second line. */
const CHARACTER = 6.1;

const IDLE: NodePaint = { look: "idle", parts: [] };

interface NodeParts {
  readonly node: Element;
  readonly idle: Element;
  readonly running: Element;
  readonly held: Element;
  readonly words: Element;
  readonly width: number;
}
interface EdgeParts {
  readonly edge: Element;
  readonly pipe: Element;
  readonly label: Element;
}

/**
 * Paints onto the elements of a drawing: ten times a second, and only attributes that differ. A rendering of components
 * for 50 nodes and 67 edges would cost more than the rest of the page.
 */
export class GraphPainter {
  readonly #nodes = new Map<string, NodeParts>();
  readonly #edges = new Map<string, EdgeParts>();
  #painted: GraphPaint = { nodes: new Map(), edges: new Map() };

  constructor(root: Element, drawn: DrawnGraph) {
    const nodes = byName(root, "data-node");
    const edges = byName(root, "data-edge");
    const labels = byName(root, "data-label");
    for (const { name, width } of drawn.nodes) {
      const node = nodes.get(name);
      const part = (kind: string): Element | null | undefined => node?.querySelector(`.${kind}`);
      const [idle, running, held, words] = ["slots-idle", "slots-running", "slots-held", "node-words"].map(part);
      if (node && idle && running && held && words) this.#nodes.set(name, { node, idle, running, held, words, width });
    }
    for (const { id } of drawn.edges) {
      const edge = edges.get(id);
      const pipe = edge?.querySelector(".pipe");
      const label = labels.get(id);
      if (edge && pipe && label) this.#edges.set(id, { edge, pipe, label });
    }
  }

  /** Paints a state over the one before. Nodes and edges that it does not name are idle and quiet. */
  paint(next: GraphPaint): void {
    for (const [name, parts] of this.#nodes)
      paintNode(parts, this.#painted.nodes.get(name), next.nodes.get(name) ?? IDLE, name);
    for (const [id, parts] of this.#edges)
      paintEdge(parts, this.#painted.edges.get(id), next.edges.get(id) ?? QUIET_PIPE);
    this.#painted = next;
  }
}

function paintNode(parts: NodeParts, before: NodePaint | undefined, after: NodePaint, name: string): void {
  const line = after.parts.join(" · ");
  if (before?.look !== after.look || before.parts.join(" · ") !== line) {
    parts.node.setAttribute("data-look", after.look);
    parts.words.textContent = fitting(after.parts, Math.floor((parts.width - 2 * INSET) / CHARACTER));
    // the text that is seen comes first and unbroken, so that a person who speaks it reaches the node
    const word = LOOK_WORDS[after.look];
    const label = [name, line, line.startsWith(word) ? "" : word].filter((part) => part !== "").join(", ");
    parts.node.setAttribute("aria-label", label);
  }
  const { slots } = after;
  if ((before?.slots === undefined) !== (slots === undefined))
    parts.node.toggleAttribute("data-slots", slots !== undefined);
  if (slots === undefined || isSame(before?.slots, slots)) return;
  const room = parts.width - 2 * INSET;
  const left = -parts.width / 2 + INSET;
  const mark = (room - GAP * (slots.marks - 1)) / slots.marks;
  const dashes = slots.marks > 1 ? `${mark} ${GAP}` : "none";
  const place = (element: Element, from: number, length: number): void => {
    // a part of marks ends with a mark, not with the gap behind it
    const gaps = slots.marks > 1 ? GAP : 0;
    const start = left + from * (room + gaps);
    const end = start + length * (room + gaps) - gaps;
    element.setAttribute("x1", start.toFixed(1));
    element.setAttribute("x2", Math.max(start, end).toFixed(1));
    element.setAttribute("stroke-dasharray", dashes);
    element.setAttribute("visibility", length > 0 ? "visible" : "hidden");
  };
  place(parts.idle, 0, 1);
  place(parts.running, 0, slots.running);
  place(parts.held, slots.running, slots.held);
}

function paintEdge({ edge, pipe, label }: EdgeParts, before: Pipe | undefined, after: Pipe): void {
  if (before?.pressure !== after.pressure)
    for (const element of [edge, label]) element.setAttribute("data-pressure", after.pressure);
  if (before?.width !== after.width) pipe.setAttribute("stroke-width", String(after.width));
  if (before?.label !== after.label) label.textContent = after.label;
}

function isSame(before: Slots | undefined, { marks, running, held }: Slots): boolean {
  return before?.marks === marks && before.running === running && before.held === held;
}

function byName(root: Element, attribute: string): Map<string, Element> {
  return new Map(
    [...root.querySelectorAll(`[${attribute}]`)].map((element) => [element.getAttribute(attribute) ?? "", element]),
  );
}
