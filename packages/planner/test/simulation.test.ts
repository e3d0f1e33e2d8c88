import { expect, test } from "vitest";
import { type PlannedDefect, plannedDefects } from "./simulated-defects.ts";
import { simulatePlanner } from "./simulated-planner.ts";

/** Kinds of calls and questions without which the rules were not put to the test. */
const HAPPENS = [
  "run look",
  "run put",
  "run render",
  "run write",
  "run sign",
  "run ask",
  "checked plan",
  "approval",
  "input",
];

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);

test("a planner keeps its rules under any order of events, faults and crashes", { timeout: 60_000 }, async () => {
  const seen = new Map<string, number>();
  const report = await simulatePlanner(range(1, 300), ({ counts, noted }) => {
    for (const [what, count] of counts) seen.set(what, (seen.get(what) ?? 0) + count);
    for (const { what, tool } of noted) seen.set(`${what} ${tool}`, (seen.get(`${what} ${tool}`) ?? 0) + 1);
  });
  for (const what of HAPPENS) expect(seen.get(what), what).toBeGreaterThan(10);
  expect(report.crashes).toBeGreaterThan(100);
});

test.for(Object.entries(plannedDefects))("finds the planted defect %s by rule %s", async ([defect, rule]) => {
  const found = simulatePlanner(range(1, 100), undefined, defect as PlannedDefect);
  await expect(found).rejects.toThrow(`${rule}: `);
});

test("case 52: the same seed gives the same prompts, calls and answers", { timeout: 60_000 }, async () => {
  for (const seed of range(1, 5)) {
    const runs: string[] = [];
    // one seed is played twice
    await simulatePlanner([seed], ({ prompts, noted, decisions }) =>
      runs.push(JSON.stringify([prompts, noted, [...decisions]])),
    );
    expect([runs.length, runs[1]]).toEqual([2, runs[0]]);
  }
});
