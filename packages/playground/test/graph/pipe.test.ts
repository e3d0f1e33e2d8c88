import { describe, expect, it } from "vitest";
import { pipeOf, pipeWords, QUIET_PIPE } from "../../src/graph/pipe.ts";

const at = (size: number, waiting = 0, capacity = 16) => pipeOf({ size, waiting, capacity });

describe("an edge as a pipe", () => {
  it("is thin and has no label while it is empty", () => {
    expect(at(0)).toBe(QUIET_PIPE);
    expect(QUIET_PIPE.label).toBe("");
  });

  it("gets wider with every message", () => {
    const widths = [0, 1, 4, 9, 16].map((size) => at(size).width);
    expect(widths).toEqual([...widths].sort((a, b) => a - b));
    expect(new Set(widths).size).toBe(widths.length);
  });

  it("flows, fills, and is full", () => {
    expect([1, 9, 10, 15, 16].map((size) => at(size).pressure)).toEqual([
      "flowing",
      "flowing",
      "filling",
      "filling",
      "full",
    ]);
  });

  it("counts as filling when a sender is held back although there is room", () => {
    expect(at(3, 2)).toMatchObject({ pressure: "filling", label: "3/16 +2" });
  });

  it("names the senders that are held back", () => {
    expect(at(16, 60).label).toBe("16/16 +60");
    expect(pipeWords(at(16, 60), 60)).toBe("full, 60 held back");
    expect(pipeWords(at(16), 0)).toBe("full");
    expect(pipeWords(at(2, 1), 1)).toBe("1 held back");
    expect(pipeWords(at(0), 0)).toBe("quiet");
  });

  it("is never full without a bound, and shows its depth alone", () => {
    expect(at(5_000, 0, 0)).toMatchObject({ pressure: "flowing", label: "5000" });
    expect(at(5_000, 0, 0).width).toBeLessThanOrEqual(at(16).width);
  });
});
