import { expect, test } from "vitest";
import { main } from "../cancel-and-deadlines/main.ts";
import { quietly } from "./quietly.ts";

test("each way ends its own request at once, and another tenant gets its answer", async () => {
  const { report, outcomes, running } = await quietly(main);
  expect(report).toEqual({ found: true, aborted: 1, dropped: 0, zombies: 0 });
  expect(outcomes.byId).toMatchObject({ status: "cancelled", reason: "The customer changed their mind" });
  expect(outcomes.bySignal).toMatchObject({ status: "cancelled", reason: "The customer closed the page" });
  expect(outcomes.byDeadline).toMatchObject({ status: "exhausted", error: { code: "DEADLINE_EXCEEDED" } });
  expect(outcomes.byBudget).toMatchObject({ status: "exhausted", error: { code: "HOP_BUDGET_EXHAUSTED" } });
  expect(outcomes.undisturbed).toMatchObject({ status: "completed", result: 99_991n });
  expect(running).toBe(0);
});
