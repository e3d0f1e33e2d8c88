// Runs the program of `npm run crash -- --planner` for a few kills, as crash.test.ts does for a flow.
import { expect, test } from "vitest";
import { crash } from "./crash-program.ts";

test(
  "a planner that is killed again and again ends each run once, and says what is unknown",
  { timeout: 120_000 },
  async () => {
    const { status, output } = await crash("--planner");
    expect(output).toContain("All is well");
    expect(status).toBe(0);
  },
);

test.each([
  ["repeated-writes", /^Call .+ \(write\) of job \d+ has begun 2 times/m],
  ["unknown-as-done", /^What has not happened is told as done: call .+ \(write\)/m],
  ["orphaned-calls", /: call ".+" has no result/],
  ["lost-budgets", /^Job \d+ has spent \d+ steps, .+ is right/m],
  ["lost-signals", /^The message of .+ was seen 0 times/m],
])("a planner with the defect %s is found out", { timeout: 120_000 }, async (defect, problem) => {
  const { status, output } = await crash("--planner", "--defect", defect, "--kills", "30");
  expect(output).toMatch(problem);
  expect(status).toBe(1);
});
