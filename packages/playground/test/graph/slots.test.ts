import { describe, expect, it } from "vitest";
import { lookOf, nodeWords, slotsOf } from "../../src/graph/slots.ts";

const QUIET = { queued: 0, parked: 0, groups: [], limited: 0, zombies: 0 };

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
  it("is empty while it holds nothing", () => {
    expect(nodeWords(QUIET)).toBe("");
  });

  it("names queue, limiter, backoff and zombies", () => {
    expect(nodeWords({ ...QUIET, queued: 12, limited: 3, parked: 2, zombies: 1 })).toBe(
      "12 queued · 3 limited · 2 in backoff · 1 zombies",
    );
  });

  it("shows the one group of a join, or the number of its groups", () => {
    expect(nodeWords({ ...QUIET, groups: [{ have: 1, want: 3 }] })).toBe("group 1 of 3");
    expect(
      nodeWords({
        ...QUIET,
        groups: [
          { have: 1, want: 3 },
          { have: 2, want: 3 },
        ],
      }),
    ).toBe("2 groups");
  });
});
