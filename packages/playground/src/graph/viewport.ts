import type { Point } from "./drawn-graph.ts";

/** The part of a drawing that is seen: a point of it is shown at `point × scale + shift`. */
export interface Viewport {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Below this scale, labels between nodes would lie on one another. */
export const FAR_AWAY = 0.62;
const SMALLEST = 0.1;
const LARGEST = 3;
/** A small graph is not blown up beyond this. */
const LARGEST_FIT = 1.25;
const PADDING = 16;

/** Shows a whole drawing, in the middle. */
export function fit(drawing: Size, frame: Size): Viewport {
  if (drawing.width <= 0 || drawing.height <= 0 || frame.width <= 0 || frame.height <= 0)
    return { scale: 1, x: 0, y: 0 };
  const wanted = Math.min(
    (frame.width - 2 * PADDING) / drawing.width,
    (frame.height - 2 * PADDING) / drawing.height,
    LARGEST_FIT,
  );
  const scale = clamp(wanted);
  return { scale, x: (frame.width - drawing.width * scale) / 2, y: (frame.height - drawing.height * scale) / 2 };
}

/** Zooms by a factor, around a point of the frame that stays where it is. */
export function zoomAt({ scale, x, y }: Viewport, factor: number, around: Point): Viewport {
  const next = clamp(scale * factor);
  const ratio = next / scale;
  return { scale: next, x: around.x - (around.x - x) * ratio, y: around.y - (around.y - y) * ratio };
}

/** Moves the drawing by pixels of the frame; a part of it always stays in sight. */
export function pan(view: Viewport, by: Point, drawing: Size, frame: Size): Viewport {
  const keep = 48;
  const within = (value: number, drawn: number, framed: number): number =>
    Math.min(framed - keep, Math.max(keep - drawn, value));
  return {
    scale: view.scale,
    x: within(view.x + by.x, drawing.width * view.scale, frame.width),
    y: within(view.y + by.y, drawing.height * view.scale, frame.height),
  };
}

/** Moves as little as needed to have a rectangle in sight: what gets the focus is seen. */
export function reveal(view: Viewport, box: Point & Size, frame: Size): Viewport {
  const shift = (start: number, length: number, framed: number): number => {
    if (start < PADDING) return PADDING - start;
    const over = start + length - (framed - PADDING);
    return over > 0 ? -Math.min(over, start - PADDING) : 0;
  };
  const left = (box.x - box.width / 2) * view.scale + view.x;
  const top = (box.y - box.height / 2) * view.scale + view.y;
  return {
    scale: view.scale,
    x: view.x + shift(left, box.width * view.scale, frame.width),
    y: view.y + shift(top, box.height * view.scale, frame.height),
  };
}

function clamp(scale: number): number {
  return Math.min(LARGEST, Math.max(SMALLEST, scale));
}
