import { expect, test } from "vitest";
import { main } from "../budget/main.ts";
import { quietly } from "./quietly.ts";

test("reads as many pages as the budget allows, and names the rest", async () => {
  const outcome = await quietly(() => main({ pages: 3, kilobytes: 500 }));
  if (outcome.status !== "completed") throw outcome.error;
  expect(outcome.spent["pages"]).toBe(3);
  expect(outcome.result.words).toBeGreaterThan(300);
  const all = await quietly(() => main({}));
  if (all.status !== "completed") throw all.error;
  expect(all.result.unread).toEqual([]);
  expect(outcome.result.unread).toHaveLength((all.spent["pages"] ?? 0) - 3);
});

test("never spends more than there is, at any number of readers", async () => {
  const outcome = await quietly(() => main());
  expect(outcome.status).toBe("completed");
  expect(outcome.spent["pages"]).toBeLessThanOrEqual(12);
  expect(outcome.spent["kilobytes"]).toBeLessThanOrEqual(90);
});

test("ends exhausted where it passes nothing over", async () => {
  const outcome = await quietly(() => main({ kilobytes: 30 }, false));
  expect(outcome).toMatchObject({ status: "exhausted", which: "kilobytes", error: { code: "BUDGET_EXHAUSTED" } });
});
