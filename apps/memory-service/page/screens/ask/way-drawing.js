/** @import { ExplainedCandidate } from "../../../src/index.ts" */
/** @import { WayStage } from "./stages.js" */
import { s } from "../../dom.js";

/** Height of a place, in pixels. */
export const ROW = 34;
/** Width of a stage, in pixels, where there is room and where there is little. */
const COLUMN = { wide: 84, narrow: 43 };
const TOP = 34;
const RADIUS = 11;

/**
 * Draws a line for each candidate, from its place in one stage to that in the next. A place below those drawn is at the
 * bottom, with its number.
 *
 * @param {readonly ExplainedCandidate[]} candidates
 * @param {readonly WayStage[]} stages
 * @param {number} taken - candidates of the answer
 * @returns {{ element: SVGElement, mark: (id: string) => void }}
 */
export function drawWays(candidates, stages, taken) {
  const pace = matchMedia("(max-width: 720px)").matches ? COLUMN.narrow : COLUMN.wide;
  const isBelow = stages.some(({ placeOf }) => candidates.some((one) => (placeOf(one) ?? 0) > candidates.length));
  const rows = candidates.length + (isBelow ? 1 : 0);
  const [width, height] = [stages.length * pace, TOP + rows * ROW];
  const yOf = (/** @type {number} */ place) => TOP + (Math.min(place, rows) - 0.5) * ROW;
  const xOf = (/** @type {number} */ at) => (at + 0.5) * pace;
  const lines = candidates.map((candidate) => line(candidate, stages, xOf, yOf));
  const element = s(
    "svg",
    {
      class: "ways-drawing",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": sentenceOf(candidates, stages),
    },
    stages.map(({ name }, column) => s("text", { class: "ways-stage", x: xOf(column), y: 18 }, name)),
    taken < candidates.length && s("path", { class: "ways-cut", d: `M0 ${TOP + taken * ROW}H${width}` }),
    lines,
  );
  const mark = (/** @type {string} */ id) => {
    for (const each of lines) each.classList.toggle("marked", each.dataset["id"] === id);
    const marked = lines.find((each) => each.dataset["id"] === id);
    // the last one drawn is above the others
    if (marked !== undefined) element.append(marked);
  };
  return { element, mark };
}

/**
 * @param {ExplainedCandidate} candidate
 * @param {readonly WayStage[]} stages
 * @param {(column: number) => number} xOf
 * @param {(place: number) => number} yOf
 */
function line(candidate, stages, xOf, yOf) {
  const stops = stages.flatMap(({ placeOf }, column) => {
    const place = placeOf(candidate);
    return place === undefined ? [] : [{ x: xOf(column), y: yOf(place), place }];
  });
  const curve = stops.map(({ x, y }, at) => {
    const before = stops[at - 1];
    if (before === undefined) return `M${x} ${y}`;
    const middle = (before.x + x) / 2;
    return `C${middle} ${before.y} ${middle} ${y} ${x} ${y}`;
  });
  return s(
    "g",
    { class: "way", "data-id": candidate.id, "data-cut": candidate.cut ?? false },
    s("path", { d: curve.join("") }),
    stops.map(({ x, y, place }) => [s("circle", { cx: x, cy: y, r: RADIUS }), s("text", { x, y: y + 4 }, place)]),
  );
}

/**
 * @param {readonly ExplainedCandidate[]} candidates
 * @param {readonly WayStage[]} stages
 */
function sentenceOf(candidates, stages) {
  return `The places of ${candidates.length} candidates after ${stages.map(({ name }) => name).join(", ")}. The table below has them in numbers.`;
}
