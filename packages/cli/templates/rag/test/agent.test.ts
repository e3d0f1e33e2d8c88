import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "../src/agent.ts";
import { search } from "../src/library.ts";

test("the passage that answers a question is found first", async () => {
  await using running = search.start();
  const [best] = await running.call("How long can I return boots?");
  assert.deepEqual([best?.source, best?.heading], ["docs/returns.md", "Returns: How long"]);
  assert.deepEqual(await running.call("xylophone"), []);
});

test("each answer cites its document, and none is made up", async () => {
  await using running = agent.start();
  for (const [question, answer] of [
    ["What does shipping cost?", /free from 50 €.* \[docs\/shipping\.md\]$/],
    ["When do I get my money back?", /within five days.* \[docs\/returns\.md\]$/],
    ["Who sings?", /^The documents do not say\.$/],
  ] as const) {
    const end = await running.run(question);
    assert.equal(end.status, "completed");
    assert.match(end.text, answer);
  }
});
