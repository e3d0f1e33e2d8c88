import type { Direction, Point } from "./drawn-graph.ts";

/** A cubic Bézier curve: start, two control points, end. */
type Cubic = readonly [Point, Point, Point, Point];

/** Number of points of a dot's way. */
const STOPS = 25;
/** Steps in which each curve is measured. */
const STEPS = 16;
/** Length of the head of an arrow. */
const HEAD = 6;

/** The drawable form of a line through points. */
export interface Curve {
  /** SVG path data. */
  readonly path: string;
  /** Points at equal distances, first and last included. */
  readonly way: readonly Point[];
}

/** Draws a smooth line through points, which leaves and reaches each of them in the direction of the drawing. */
export function curveThrough(points: readonly Point[], direction: Direction): Curve {
  const cubics = points.slice(1).map((end, index) => cubicBetween(points[index] as Point, end, direction));
  return curveOf(cubics);
}

/** Draws a loop from a node to itself, above its right corner, or beside its lower one. */
export function loopAt(
  { x, y, width, height }: Point & { width: number; height: number },
  direction: Direction,
): Curve & { readonly top: Point } {
  const reach = 26;
  if (direction === "LR") {
    const start = { x: x + width / 4, y: y - height / 2 };
    const end = { x: x - width / 4, y: y - height / 2 };
    const top = { x, y: start.y - reach * 0.75 };
    const curve: Cubic = [start, { x: start.x + 10, y: start.y - reach }, { x: end.x - 10, y: end.y - reach }, end];
    return { ...curveOf([curve]), top };
  }
  const start = { x: x + width / 2, y: y + height / 4 };
  const end = { x: x + width / 2, y: y - height / 4 };
  const top = { x: start.x + reach * 0.75, y };
  const curve: Cubic = [start, { x: start.x + reach, y: start.y + 10 }, { x: end.x + reach, y: end.y - 10 }, end];
  return { ...curveOf([curve]), top };
}

/** Draws the head of an arrow at the end of a way: of two edges between the same nodes it tells which is which. */
export function headAt(way: readonly Point[]): string {
  const tip = way.at(-1);
  // the last stretch of a bend points aside; a longer one points where the edge leads
  const before = way.at(-3);
  if (tip === undefined || before === undefined) return "";
  const length = distance(before, tip) || 1;
  const [x, y] = [(tip.x - before.x) / length, (tip.y - before.y) / length];
  const base = { x: tip.x - x * HEAD, y: tip.y - y * HEAD };
  const half = HEAD * 0.55;
  return `M${at(tip)}L${at({ x: base.x - y * half, y: base.y + x * half })} ${at({ x: base.x + y * half, y: base.y - x * half })}z`;
}

function cubicBetween(from: Point, to: Point, direction: Direction): Cubic {
  if (direction === "LR") {
    const bend = (to.x - from.x) / 2;
    return [from, { x: from.x + bend, y: from.y }, { x: to.x - bend, y: to.y }, to];
  }
  const bend = (to.y - from.y) / 2;
  return [from, { x: from.x, y: from.y + bend }, { x: to.x, y: to.y - bend }, to];
}

function curveOf(cubics: readonly Cubic[]): Curve {
  const [first] = cubics;
  if (first === undefined) return { path: "", way: [] };
  const bends = cubics.map(([, a, b, end]) => `C${at(a)} ${at(b)} ${at(end)}`);
  return { path: `M${at(first[0])}${bends.join("")}`, way: evenly(cubics.flatMap(pointsOn)) };
}

function at({ x, y }: Point): string {
  return `${Number(x.toFixed(1))},${Number(y.toFixed(1))}`;
}

function pointsOn([a, b, c, d]: Cubic, index: number): Point[] {
  // the start of a later curve is the end of the one before it
  return Array.from({ length: STEPS + (index === 0 ? 1 : 0) }, (_, step) => {
    const t = (step + (index === 0 ? 0 : 1)) / STEPS;
    const s = 1 - t;
    const [p, q, r, u] = [s ** 3, 3 * s * s * t, 3 * s * t * t, t ** 3];
    return { x: p * a.x + q * b.x + r * c.x + u * d.x, y: p * a.y + q * b.y + r * c.y + u * d.y };
  });
}

/** Resamples a line to {@link STOPS} points at equal distances, so that a dot keeps its speed in bends. */
function evenly(points: readonly Point[]): Point[] {
  const reached = [0];
  for (let index = 1; index < points.length; index++)
    reached.push((reached[index - 1] as number) + distance(points[index - 1] as Point, points[index] as Point));
  const total = reached.at(-1) ?? 0;
  let index = 0;
  return Array.from({ length: STOPS }, (_, stop) => {
    const wanted = (total * stop) / (STOPS - 1);
    while (index < points.length - 2 && (reached[index + 1] as number) < wanted) index++;
    const from = points[index] as Point;
    const to = points[index + 1] as Point;
    const span = (reached[index + 1] as number) - (reached[index] as number);
    const part = span === 0 ? 0 : Math.min(1, (wanted - (reached[index] as number)) / span);
    return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
  });
}

function distance(a: Point, b: Point): number {
  return Math.hypot(b.x - a.x, b.y - a.y);
}
