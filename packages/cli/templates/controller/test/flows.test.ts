import assert from "node:assert/strict";
import { test } from "node:test";
import { flow } from "../src/flows.ts";

test("it answers with all its steps", async () => {
  await using running = flow.run();
  assert.equal((await running.call(6)).text, "6 → 3 → 10 → 5 → 16 → 8 → 4 → 2 → 1");
});

test("a way that is too long exhausts the budget", async () => {
  await using running = flow.run();
  const outcome = await running.outcome(27);
  assert.equal(outcome.status, "exhausted");
});
