import { describe, expect, it } from "vitest";
import { rowsInSight } from "../../src/parts/rows-in-sight.ts";

describe("the rows in sight", () => {
  it("are few of many, wherever the list is scrolled to", () => {
    for (const top of [0, 5_000, 339_200, 340_000]) {
      const { from, to } = rowsInSight(10_000, 34, top, 800);
      expect(to - from).toBeLessThanOrEqual(50);
      expect(from * 34).toBeLessThanOrEqual(top);
      expect(Math.min(10_000, to) * 34).toBeGreaterThanOrEqual(Math.min(340_000, top + 800));
    }
  });

  it("are all of a short list", () => {
    expect(rowsInSight(3, 34, 0, 800)).toEqual({ from: 0, to: 3 });
    expect(rowsInSight(0, 34, 0, 800)).toEqual({ from: 0, to: 0 });
  });
});
