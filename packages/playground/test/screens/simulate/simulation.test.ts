import { describe, expect, it } from "vitest";
import type { SimulationItem } from "../../../src/protocol.ts";
import { advanced, begun, CELL, gridOf, placeAt } from "../../../src/screens/simulate/simulation.ts";

const seed = (number: number, isGood = true, faults: readonly string[] = []): SimulationItem => ({
  type: "seed",
  seed: number,
  isGood,
  faults,
  ...(!isGood && { message: "Law L2 does not hold", run: { flow: "shop", id: `seed-${number}` } }),
});

describe("a simulation", () => {
  const items: SimulationItem[] = [
    { type: "start", id: "s1", file: "src/shop.sim.ts", seeds: 4 },
    seed(11),
    seed(10, true, ["shop is away", "shop is away"]),
    seed(13, false, ["shop is away"]),
  ];

  it("marks each seed where it stands, whatever the order in which they end", () => {
    const { cells, done, failures, id } = advanced(begun(10, 4), items);
    expect([...cells]).toEqual([CELL.faulty, CELL.good, CELL.waiting, CELL.failed]);
    expect({ done, id }).toEqual({ done: 3, id: "s1" });
    expect(failures.map((failure) => failure.seed)).toEqual([13]);
  });

  it("counts in how many seeds each fault occurred", () => {
    expect([...advanced(begun(10, 4), items).faults]).toEqual([["shop is away", 2]]);
  });

  it("is the same in one go or item by item, and leaves the state before as it was", () => {
    const before = begun(10, 4);
    const steps = items.reduce((state, item) => advanced(state, [item]), before);
    expect(steps).toEqual(advanced(before, items));
    expect([...before.cells]).toEqual([0, 0, 0, 0]);
  });

  it("ends with the faults that never occurred, or with the error that ended it", () => {
    const ended = advanced(begun(1, 1), [{ type: "end", failed: 0, never: ["timeout"] }]);
    expect(ended).toMatchObject({ state: "ended", never: ["timeout"] });
    const broken = advanced(begun(1, 1), [{ type: "end", failed: 0, never: [], error: "Cannot load src/shop.sim.ts" }]);
    expect(broken.error).toBe("Cannot load src/shop.sim.ts");
  });

  it("ignores seeds that are out of range", () => {
    expect([...advanced(begun(10, 2), [seed(9), seed(12)]).cells]).toEqual([0, 0]);
  });
});

describe("the grid of seeds", () => {
  it("has room for each of them", () => {
    for (const seeds of [1, 399, 5_000, 100_000]) {
      const { columns, rows } = gridOf(seeds, 700);
      expect(columns * rows).toBeGreaterThanOrEqual(seeds);
    }
  });

  it("finds the seed at a point", () => {
    const grid = gridOf(100, 180);
    expect(grid).toEqual({ columns: 10, rows: 10, pitch: 18 });
    expect(placeAt(grid, 100, 0, 0)).toBe(0);
    expect(placeAt(grid, 100, 19, 37)).toBe(21);
    expect(placeAt(grid, 100, 181, 0)).toBeUndefined();
    expect(placeAt(grid, 15, 100, 20)).toBeUndefined();
  });
});
