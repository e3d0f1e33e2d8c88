import { describe, expect, it } from "vitest";
import type { StepView } from "../../src/protocol.ts";
import { extentOf, rowsOf, spansOf, type TimelineView, tookMs } from "../../src/timeline/bars.ts";
import { stepOf } from "./steps.ts";

const ALL: TimelineView = { folded: new Set(), isShortHidden: false };
const NEAT: TimelineView = { folded: new Set(), isShortHidden: true };
const extent = { from: 0, to: 1000 };

/** Makes a step without an instant: the run goes on. */
function openStep(node: string, from: number, without: readonly ("startedAt" | "returnedAt" | "endedAt")[]): StepView {
  const { startedAt, returnedAt, endedAt, ...rest } = stepOf(node, from, from + 1);
  return {
    ...rest,
    ...(!without.includes("startedAt") && { startedAt: startedAt! }),
    ...(!without.includes("returnedAt") && { returnedAt: returnedAt! }),
    ...(!without.includes("endedAt") && { endedAt: endedAt! }),
  };
}

describe("the bar of a step", () => {
  it("is dashed while it was queued, solid while it ran, hatched while the next node held it back", () => {
    const step = stepOf("a", 0, 0, { queuedAt: 0, startedAt: 10, returnedAt: 40, endedAt: 100 });
    expect(spansOf(step, 500)).toEqual([
      { kind: "queued", from: 0, to: 10 },
      { kind: "ran", from: 10, to: 40 },
      { kind: "held", from: 40, to: 100 },
    ]);
    expect(tookMs(step, 500)).toBe(90);
  });

  it("is dotted while it waited for a person, and solid before and after", () => {
    const waits = [{ for: "answer" as const, from: 20, to: 80 }];
    const step = stepOf("a", 0, 100, { waits });
    expect(spansOf(step, 500).map(({ kind, from, to }) => [kind, from, to])).toEqual([
      ["ran", 0, 20],
      ["asked", 20, 80],
      ["ran", 80, 100],
    ]);
  });

  it("goes on until now where it has not ended", () => {
    expect(spansOf(openStep("a", 0, ["startedAt", "returnedAt", "endedAt"]), 50)).toEqual([
      { kind: "queued", from: 0, to: 50 },
    ]);
    expect(spansOf(openStep("a", 0, ["returnedAt", "endedAt"]), 50)).toEqual([{ kind: "ran", from: 0, to: 50 }]);
    const sending: StepView = { ...openStep("a", 0, ["endedAt"]), state: "sending" };
    expect(spansOf(sending, 50).at(-1)).toEqual({ kind: "held", from: 1, to: 50 });
    const asked: StepView = { ...openStep("a", 0, ["returnedAt", "endedAt"]), waits: [{ for: "answer", from: 10 }] };
    expect(spansOf(asked, 50)).toEqual([
      { kind: "ran", from: 0, to: 10 },
      { kind: "asked", from: 10, to: 50 },
    ]);
  });

  it("has no part before it began or of no length", () => {
    expect(spansOf(stepOf("a", 5, 5), 50)).toEqual([]);
  });
});

describe("the rows of a timeline", () => {
  it("come in the order in which the steps were queued, attempts after one another", () => {
    const rows = rowsOf(
      [stepOf("b", 50, 60), stepOf("a", 0, 40), stepOf("a", 40, 45, { attempt: 2 })],
      extent,
      1000,
      ALL,
    );
    expect(rows.map(({ key }) => key)).toEqual(["a.1.0", "a.2.40", "b.1.50"]);
  });

  it("nest the steps of playbooks and subflows, and fold", () => {
    const steps = [
      stepOf("start", 0, 100),
      stepOf("find", 100, 200, { path: ["research"] }),
      stepOf("rank", 200, 300, { path: ["research", "sort"] }),
      stepOf("end", 300, 400),
    ];
    const shape = (view: TimelineView) =>
      rowsOf(steps, extent, 1000, view).map(
        (row) => `${"  ".repeat(row.depth)}${row.type === "step" ? row.step.node : row.key}`,
      );
    expect(shape(ALL)).toEqual(["start", "research", "  find", "  research/sort", "    rank", "end"]);
    expect(shape({ ...ALL, folded: new Set(["research"]) })).toEqual(["start", "research", "end"]);
    const [, group] = rowsOf(steps, extent, 1000, ALL);
    expect(group).toMatchObject({ from: 100, to: 300, steps: 2, state: "done" });
  });

  it("give a group the state that matters most", () => {
    const steps = [
      stepOf("find", 0, 10, { path: ["p"], state: "failed" }),
      stepOf("rank", 0, 10, { path: ["p"], state: "running" }),
    ];
    expect(rowsOf(steps, extent, 1000, ALL)[0]).toMatchObject({ type: "group", state: "failed" });
  });

  it("put neighbours that took less than 1 % in one row, but nothing that failed, and no single one", () => {
    const steps = [
      stepOf("a", 0, 500),
      stepOf("b", 500, 505),
      stepOf("c", 505, 506),
      stepOf("d", 506, 507, { state: "failed" }),
      stepOf("e", 507, 508),
      stepOf("f", 508, 1000),
    ];
    const rows = rowsOf(steps, extent, 1000, NEAT);
    expect(
      rows.map((row) => (row.type === "short" ? row.steps.map(({ node }) => node).join("+") : row.key.split(".")[0])),
    ).toEqual(["a", "b+c", "d", "e", "f"]);
    expect(rowsOf(steps, extent, 1000, ALL)).toHaveLength(6);
  });

  it("never gather steps of different depths", () => {
    const steps = [stepOf("a", 0, 1), stepOf("b", 1, 2, { path: ["p"] }), stepOf("c", 2, 3)];
    expect(rowsOf(steps, extent, 1000, NEAT).map(({ type }) => type)).toEqual(["step", "group", "step", "step"]);
  });
});

describe("the extent of a run", () => {
  it("ends with the run, or now", () => {
    const steps = [stepOf("a", 10, 20)];
    expect(extentOf({ startedAt: 5, endedAt: 30 }, steps, 99)).toEqual({ from: 5, to: 30 });
    expect(extentOf({ startedAt: 15 }, steps, 99)).toEqual({ from: 10, to: 99 });
  });

  it("reaches to the end of the last step, also of one that outlives its trace, and of very many", () => {
    const steps = Array.from({ length: 200_000 }, (_, index) => stepOf("a", index, index + 10));
    expect(extentOf({ startedAt: 0, endedAt: 100 }, steps, 0)).toEqual({ from: 0, to: 200_009 });
  });

  it("is never empty", () => {
    expect(extentOf({ startedAt: 5, endedAt: 5 }, [], 5)).toEqual({ from: 5, to: 6 });
  });
});
