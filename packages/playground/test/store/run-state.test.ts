import { expect, test } from "vitest";
import type { RunStreamItem, RunSummary, StepView } from "../../src/protocol.ts";
import { applied, isOpen } from "../../src/store/run-state.ts";

const run: RunSummary = {
  id: "run-1",
  flow: "support",
  tenant: "default",
  state: "running",
  startedAt: 0,
  input: "hello",
  retries: 0,
  openPauses: 0,
};
const step = { id: "1.1", node: "plan", state: "running" } as unknown as StepView;
const snapshot: RunStreamItem = { type: "snapshot", run, parts: [{ type: "text", text: "He" }], steps: [], pauses: [] };

function play(...items: readonly RunStreamItem[]) {
  const state = items.reduce(applied, applied(undefined, snapshot));
  if (state === undefined) throw new Error("The snapshot gave no state");
  return state;
}

test("nothing is known before the first snapshot, and another one replaces all", () => {
  expect(applied(undefined, { type: "delta", index: 0, text: "llo" })).toBeUndefined();
  expect(play({ type: "delta", index: 0, text: "llo" }, snapshot).parts).toEqual([{ type: "text", text: "He" }]);
});

test("text grows, and parts that did not change stay the same objects", () => {
  const before = play({ type: "part", index: 1, part: { type: "reasoning", text: "" } });
  const after = applied(before, { type: "delta", index: 0, text: "llo" });
  expect(after?.parts[0]).toEqual({ type: "text", text: "Hello" });
  expect(after?.parts[1]).toBe(before.parts[1]);
});

test("a delta for a part that is no text changes nothing", () => {
  const before = play();
  expect(applied(before, { type: "delta", index: 7, text: "x" })).toBe(before);
});

test("a step is added once, and replaced by its id", () => {
  const done = { ...step, state: "done" as const };
  expect(play({ type: "step", step }, { type: "step", step: done }).steps).toEqual([done]);
});

test("the end has no open pauses, and the run is over", () => {
  const pauses = [{ id: "p" }] as unknown as Extract<RunStreamItem, { type: "pauses" }>["pauses"];
  const state = play({ type: "pauses", pauses }, { type: "end", run: { ...run, state: "completed" } });
  expect(state.pauses).toEqual([]);
  expect(isOpen(state.run)).toBe(false);
});
