import type { EdgeStats } from "../protocol.ts";

/** Words of the legend for how hard an edge is pressed. */
export type Pressure = "quiet" | "flowing" | "filling" | "full";

/** An edge as a pipe: the fuller it is, the wider, and its colour tells its pressure. */
export interface Pipe {
  readonly pressure: Pressure;
  /** Width of the stroke. */
  readonly width: number;
  /** `depth/capacity +waiting`; empty while there is nothing on it. */
  readonly label: string;
}

/** The part of its capacity from which an edge counts as filling. */
const FILLING = 0.6;
const QUIET_WIDTH = 1.25;
const FULL_WIDTH = 6;
/** Depth at which an edge without a bound is drawn half as wide as a full one. */
const HALF_UNBOUNDED = 64;

export const QUIET_PIPE: Pipe = { pressure: "quiet", width: QUIET_WIDTH, label: "" };

/** Draws the figures of an edge. */
export function pipeOf({ size, capacity, waiting }: Pick<EdgeStats, "size" | "capacity" | "waiting">): Pipe {
  if (size === 0 && waiting === 0) return QUIET_PIPE;
  const fill = capacity > 0 ? Math.min(1, size / capacity) : size / (size + HALF_UNBOUNDED);
  // the root makes the first messages visible
  const width = QUIET_WIDTH + (FULL_WIDTH - QUIET_WIDTH) * Math.sqrt(fill);
  return {
    pressure: pressureOf(fill, capacity, waiting),
    width: round(width),
    label: labelOf(size, capacity, waiting),
  };
}

/** Says the figures of an edge in words, for the table beside the picture. */
export function pipeWords({ pressure }: Pipe, waiting: number): string {
  if (pressure === "full") return waiting > 0 ? `full, ${waiting} held back` : "full";
  if (waiting > 0) return `${waiting} held back`;
  return pressure;
}

function pressureOf(fill: number, capacity: number, waiting: number): Pressure {
  if (capacity > 0 && fill >= 1) return "full";
  return waiting > 0 || (capacity > 0 && fill >= FILLING) ? "filling" : "flowing";
}

function labelOf(size: number, capacity: number, waiting: number): string {
  const depth = capacity > 0 ? `${size}/${capacity}` : `${size}`;
  return waiting > 0 ? `${depth} +${waiting}` : depth;
}

function round(width: number): number {
  return Math.round(width * 4) / 4;
}
