import { describe, expect, it } from "vitest";
import { fitting, lookOf, nodeParts, slotsOf } from "../../src/graph/slots.ts";

const QUIET = { queued: 0, blocked: 0, parked: 0, groups: [], limited: 0, zombies: 0 };

describe("the slots of a node", () => {
  it("have a mark each while there are few", () => {
    expect(slotsOf({ running: 3, blocked: 1, concurrency: 4 })).toEqual({ marks: 4, running: 0.5, held: 0.25 });
  });

  it("share one bar where there are many", () => {
    expect(slotsOf({ running: 16, blocked: 0, concurrency: 64 })).toEqual({ marks: 1, running: 0.25, held: 0 });
  });

  it("never fill more than the row, with or without a bound", () => {
    for (const concurrency of [0, 1, 8, 9, Infinity])
      for (const running of [0, 1, 7, 100]) {
        const slots = slotsOf({ running, blocked: running + 1, concurrency });
        expect(slots.running + slots.held).toBeLessThanOrEqual(1);
        expect(slots.running).toBeGreaterThanOrEqual(0);
      }
  });

  it("show what matters most", () => {
    expect(lookOf({ running: 2, blocked: 1, parked: 1 })).toBe("held");
    expect(lookOf({ running: 2, blocked: 0, parked: 1 })).toBe("running");
    expect(lookOf({ running: 0, blocked: 0, parked: 1 })).toBe("backoff");
    expect(lookOf({ running: 0, blocked: 0, parked: 0 })).toBe("idle");
  });
});

describe("what a node holds, in words", () => {
  it("is nothing while it holds nothing", () => {
    expect(nodeParts(QUIET)).toEqual([]);
  });

  it("names senders held back, queue, backoff, limiter and zombies", () => {
    expect(nodeParts({ ...QUIET, blocked: 2, queued: 12, limited: 3, parked: 4, zombies: 1 })).toEqual([
      "2 held",
      "12 queued",
      "4 in backoff",
      "3 limited",
      "1 zombies",
    ]);
  });

  it("shows the one group of a join, or the number of its groups", () => {
    const group = { have: 1, want: 3 };
    expect(nodeParts({ ...QUIET, groups: [group] })).toEqual(["group 1/3"]);
    expect(nodeParts({ ...QUIET, groups: [group, group] })).toEqual(["2 groups"]);
  });

  it("shows as many parts as fit, and never none of them", () => {
    const parts = ["2 held", "12 queued", "4 in backoff"];
    expect(fitting(parts, 18)).toBe("2 held · 12 queued");
    expect(fitting(parts, 17)).toBe("2 held");
    expect(fitting(parts, 1)).toBe("2 held");
    expect(fitting([], 10)).toBe("");
  });
});
