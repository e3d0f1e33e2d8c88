import assert from "node:assert/strict";
import { test } from "node:test";
import { flow } from "../src/flows.ts";

test("the findings of all branches are in the report", async () => {
  await using running = flow.run();
  assert.deepEqual(await running.call("a brown fox"), { letters: 9, words: 3, longest: "brown" });
});
