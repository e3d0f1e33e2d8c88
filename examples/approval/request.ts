// Requests money. Above 100 € the request waits for a person, and this process ends: the paused trace takes no memory.
//
//   npm run example examples/approval/request.ts Anna 240.50 "a train to Oslo"
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { FOLDER, withFlow } from "./flow.ts";

const [who = "Anna", amount = "240.50", what = "a train to Oslo"] = process.argv.slice(2);

await withFlow(async (flow) => {
  const cents = Math.round(Number(amount) * 100);
  assert(cents > 0, `Cannot ask for "${amount}": wanted is an amount above 0, such as 240.50`);
  const traceId = `request-${randomInt(1000, 10_000)}`;
  const outcome = await flow.outcome({ who, what, cents }, { traceId });

  if (outcome.status === "paused") {
    console.log(`${outcome.pauses[0]?.reason}. A person has to decide.`);
    console.log(`This process ends now; the request waits in ${FOLDER}.`);
    console.log(`\n  npm run example examples/approval/approve.ts ${traceId} yes Maria`);
  } else {
    assert.equal(outcome.status, "completed");
    console.log(outcome.results[0]);
  }
});
