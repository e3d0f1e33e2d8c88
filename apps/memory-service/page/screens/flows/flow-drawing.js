/** @import { DrawnFlow } from "../../../src/index.ts" */
import { s } from "../../dom.js";
import { counted, numberWord, spanWord } from "../../words.js";
import { layersOf } from "./layers.js";

const NODE = { width: 188, height: 58 };
const GAP = { along: 44, across: 18 };

/** @typedef {{ x: number, y: number }} Point */

/**
 * Draws a flow from left to right, or downwards where there is little room. `update` writes the counts, and lets nodes
 * glow that have done something since.
 *
 * @param {DrawnFlow} flow
 * @param {boolean} isNarrow
 */
export function drawFlow({ name, nodes, edges }, isNarrow) {
  const places = placesOf(
    nodes.map((node) => node.name),
    edges,
    isNarrow,
  );
  const all = [...places.values()];
  const width = Math.max(...all.map(({ x }) => x)) + NODE.width + 2;
  const height = Math.max(...all.map(({ y }) => y)) + NODE.height + 2;
  const boxes = nodes.map((node) => box(node, places.get(node.name) ?? { x: 0, y: 0 }));
  const element = s(
    "svg",
    {
      class: "flow-drawing",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `${name}: ${nodes.map((node) => node.name).join(", then ")}`,
    },
    edges.map(({ from, to }) => edge(places.get(from), places.get(to), isNarrow)),
    boxes.map((drawn) => drawn.element),
  );
  const update = (/** @type {DrawnFlow} */ now) =>
    now.nodes.forEach((node, at) => boxes[at]?.update(node, now.isBackground));
  return { element, update };
}

/**
 * @param {readonly string[]} names
 * @param {DrawnFlow["edges"]} edges
 * @param {boolean} isNarrow
 * @returns {ReadonlyMap<string, Point>}
 */
function placesOf(names, edges, isNarrow) {
  const layers = layersOf(names, edges);
  return new Map(
    names.map((name, at) => {
      const layer = layers.get(name) ?? 0;
      const beside = names.slice(0, at).filter((other) => layers.get(other) === layer).length;
      return [
        name,
        isNarrow
          ? { x: 1 + beside * (NODE.width + GAP.across), y: 1 + layer * (NODE.height + GAP.along / 2) }
          : { x: 1 + layer * (NODE.width + GAP.along), y: 1 + beside * (NODE.height + GAP.across) },
      ];
    }),
  );
}

/**
 * @param {DrawnFlow["nodes"][number]} node
 * @param {Point} place
 */
function box({ name, effects, retries, timeoutMs, hasFallback }, { x, y }) {
  const policy = [
    effects === "none" ? undefined : effects,
    retries > 0 ? counted(retries, "retry", "retries") : undefined,
  ];
  const words = [
    ...policy,
    hasFallback ? "a second way when it fails" : undefined,
    timeoutMs === undefined ? undefined : `at most ${spanWord(timeoutMs)} an attempt`,
  ];
  const count = s("text", { class: "node-count", x: NODE.width - 12, y: 24 });
  const speed = s("text", { class: "node-note", x: NODE.width - 12, y: 44 });
  const element = s(
    "g",
    { class: "flow-node", "data-node": name, transform: `translate(${x} ${y})` },
    s("title", {}, [name, ...words].filter((part) => part !== undefined).join(", ")),
    s("rect", { width: NODE.width, height: NODE.height, rx: 8 }),
    s("text", { class: "node-name", x: 12, y: 24 }, name),
    s("text", { class: "node-policy", x: 12, y: 44 }, policy.filter((part) => part !== undefined).join(" · ")),
    count,
    speed,
  );
  let before = -1;
  const update = (/** @type {DrawnFlow["nodes"][number]} */ now, /** @type {boolean} */ isBackground) => {
    if (isBackground) return;
    const { done, failed, fellBack, meanMs } = now;
    count.textContent = numberWord(done);
    speed.textContent = meanMs === undefined ? "" : spanWord(meanMs);
    element.dataset["look"] = failed > 0 ? "failed" : fellBack > 0 ? "second" : done > 0 ? "done" : "idle";
    if (before >= 0 && done > before) glow(element);
    before = done;
  };
  return { element, update };
}

/**
 * Lets a node glow once; the style sheet knows how long.
 *
 * @param {SVGElement} element
 */
function glow(element) {
  element.classList.remove("glow");
  // the animation begins anew once the class is gone from a computed style
  void element.getBoundingClientRect();
  element.classList.add("glow");
}

/**
 * @param {Point | undefined} from
 * @param {Point | undefined} to
 * @param {boolean} isNarrow
 */
function edge(from, to, isNarrow) {
  if (from === undefined || to === undefined) return s("g");
  const start = isNarrow
    ? { x: from.x + NODE.width / 2, y: from.y + NODE.height }
    : { x: from.x + NODE.width, y: from.y + NODE.height / 2 };
  const end = isNarrow ? { x: to.x + NODE.width / 2, y: to.y - 5 } : { x: to.x - 5, y: to.y + NODE.height / 2 };
  const turn = isNarrow ? { x: 0, y: (end.y - start.y) / 2 } : { x: (end.x - start.x) / 2, y: 0 };
  const curve = `M${start.x} ${start.y}C${start.x + turn.x} ${start.y + turn.y} ${end.x - turn.x} ${end.y - turn.y} ${end.x} ${end.y}`;
  const head = isNarrow ? `M${end.x - 4} ${end.y - 3}l4 6 4-6` : `M${end.x - 3} ${end.y - 4}l6 4-6 4`;
  return s("g", { class: "flow-edge" }, s("path", { d: curve }), s("path", { d: head }));
}
