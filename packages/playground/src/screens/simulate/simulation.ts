import type { SimulationItem } from "../../protocol.ts";

/** A simulation as the page knows it. */
export interface Simulation {
  readonly id?: string;
  readonly file?: string;
  readonly wanted: number;
  readonly first: number;
  /** Seeds that have ended, in order of their end. */
  readonly done: number;
  readonly failures: readonly FailedSeed[];
  /** Number of seeds in which each fault occurred, by its name. */
  readonly faults: ReadonlyMap<string, number>;
  /** Faults that occurred in no seed, once all have ended. */
  readonly never: readonly string[];
  readonly state: "running" | "ended" | "stopped";
  /** Reason of an early end. */
  readonly error?: string;
  /** State of each seed, by its distance from the first. */
  readonly cells: Uint8Array;
}

export type FailedSeed = Extract<SimulationItem, { type: "seed" }>;

/** Values of {@link Simulation.cells}. */
export const CELL = { waiting: 0, good: 1, failed: 2, faulty: 3 } as const;

/** Most failed seeds that are kept with their message. */
const FAILURES = 500;

/** Begins a simulation of so many seeds. */
export function begun(first: number, wanted: number): Simulation {
  return {
    wanted,
    first,
    done: 0,
    failures: [],
    faults: new Map(),
    never: [],
    state: "running",
    cells: new Uint8Array(wanted),
  };
}

/** Takes the items that came since the last drawing: one copy for all of them. */
export function advanced(before: Simulation, items: readonly SimulationItem[]): Simulation {
  let { done, never, state, id, file, error } = before;
  const failures = [...before.failures];
  const faults = new Map(before.faults);
  const cells = before.cells.slice();
  for (const item of items) {
    if (item.type === "start") ({ id, file } = item);
    else if (item.type === "end") {
      state = before.state === "stopped" ? "stopped" : "ended";
      ({ never } = item);
      ({ error } = item);
    } else {
      done++;
      for (const fault of new Set(item.faults)) faults.set(fault, (faults.get(fault) ?? 0) + 1);
      if (!item.isGood && failures.length < FAILURES) failures.push(item);
      const place = item.seed - before.first;
      if (place >= 0 && place < cells.length)
        cells[place] = item.isGood ? (item.faults.length > 0 ? CELL.faulty : CELL.good) : CELL.failed;
    }
  }
  return {
    ...before,
    ...(id !== undefined && { id }),
    ...(file !== undefined && { file }),
    ...(error !== undefined && { error }),
    done,
    never,
    state,
    failures,
    faults,
    cells,
  };
}

/** A grid of cells: as many columns as fit. */
export interface SeedGrid {
  readonly columns: number;
  readonly rows: number;
  /** Side of a cell with the gap behind it, in pixels. */
  readonly pitch: number;
}

/** Lays the seeds out in a width; the more there are, the smaller they get. */
export function gridOf(seeds: number, width: number): SeedGrid {
  const pitch = seeds <= 400 ? 18 : seeds <= 2_000 ? 12 : seeds <= 10_000 ? 8 : 5;
  const columns = Math.max(1, Math.floor(width / pitch));
  return { columns, rows: Math.ceil(seeds / columns), pitch };
}

/** Returns the place of the seed at a point of the grid; `undefined` beside it. */
export function placeAt({ columns, pitch }: SeedGrid, seeds: number, x: number, y: number): number | undefined {
  const column = Math.floor(x / pitch);
  const place = Math.floor(y / pitch) * columns + column;
  return column >= 0 && column < columns && y >= 0 && place < seeds ? place : undefined;
}
