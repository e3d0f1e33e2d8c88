import { describe, expect, it } from "vitest";
import type { RunStreamItem } from "../../../src/protocol.ts";
import { applyItem, isOpen } from "../../../src/screens/run/run-stream.ts";
import { supportRun } from "../../load/support-run.ts";

const run = supportRun("run-1", 1_000, "running");
const after = (...items: RunStreamItem[]) => items.reduce(applyItem, run);

describe("the stream of a run", () => {
  it("replaces all that it carries with a snapshot, and keeps the rest", () => {
    const next = after({ type: "snapshot", run: { ...run, state: "paused" }, parts: [], steps: [], pauses: [] });
    expect(next).toMatchObject({ state: "paused", steps: [], inputValue: run.inputValue, budgets: run.budgets });
  });

  it("adds a step, or replaces the one of its id", () => {
    const [first] = run.steps;
    const added = after({ type: "step", step: { ...first!, id: "new" } });
    expect(added.steps).toHaveLength(run.steps.length + 1);
    const replaced = after({ type: "step", step: { ...first!, state: "failed" } });
    expect(replaced.steps.map(({ state }) => state)).toEqual([
      "failed",
      ...run.steps.slice(1).map(({ state }) => state),
    ]);
  });

  it("appends to the text of a part", () => {
    const next = after(
      { type: "part", index: 0, part: { type: "text", text: "Or" } },
      { type: "delta", index: 0, text: "der" },
      { type: "delta", index: 7, text: "lost" },
    );
    expect(next.parts).toEqual([{ type: "text", text: "Order" }]);
  });

  it("ends with the run", () => {
    expect(isOpen(run)).toBe(true);
    expect(isOpen(after({ type: "pauses", pauses: [] }, { type: "run", run: { ...run, state: "paused" } }))).toBe(true);
    expect(isOpen(after({ type: "end", run: { ...run, state: "completed" } }))).toBe(false);
  });
});
