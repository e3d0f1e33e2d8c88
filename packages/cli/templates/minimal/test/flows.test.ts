import assert from "node:assert/strict";
import { test } from "node:test";
import { flow } from "../src/flows.ts";

test("counts sentences and words, and streams each sentence", async () => {
  await using running = flow.run();
  const items = [];
  for await (const item of running.stream("One two. Three!"))
    items.push(item.type === "chunk" ? item.chunk.text : item);
  assert.equal(items[0], "2 words: One two.\n");
  assert.equal(await running.call("One two. Three!"), "2 sentences, 3 words");
});
