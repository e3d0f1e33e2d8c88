// Decides on a request that another process has left, and completes it. Without arguments it lists the pending
// requests.
//
//   npm run example examples/approval/approve.ts
//   npm run example examples/approval/approve.ts request-1234 yes Maria
import assert from "node:assert/strict";
import { withFlow } from "./flow.ts";

const [traceId, word, by = "Maria"] = process.argv.slice(2);

await withFlow(async (flow) => {
  const waiting = await flow.pauses.list();
  if (traceId === undefined) {
    console.log(waiting.length === 0 ? "Nothing waits." : "These wait:");
    for (const pause of waiting) console.log(`  ${pause.traceId}  ${pause.reason}`);
    return;
  }
  assert(word === "yes" || word === "no", `Cannot decide "${word}": say yes or no`);
  const pause = waiting.find((each) => each.traceId === traceId);
  assert(pause !== undefined, `Cannot decide about "${traceId}": it does not wait, or not any more`);
  const outcome = await flow.pauses.resume(pause.token, { isApproved: word === "yes", by });
  assert.equal(outcome.status, "completed");
  console.log(outcome.results[0]);
});
