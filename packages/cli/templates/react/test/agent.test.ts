import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "../src/agent.ts";

const who = { tenant: "default", by: "tester" };

test("an order is looked up before the answer, in each message", async () => {
  await using running = agent.start();
  for (const order of ["4471", "4472"]) {
    const end = await running.run(`Where is order ${order}?`);
    assert.equal(end.status, "completed");
    assert.match(end.text ?? "", new RegExp(`Order ${order} is `));
  }
});

test("a refund waits for a person, and is paid once approved", async () => {
  await using running = agent.start();
  const waiting = await running.run("Refund order 4471");
  assert.equal(waiting.status, "paused");
  const [question] = await running.questions({ tenant: "default" });
  assert.equal(question?.tool, "refund");
  const end = await running.resume(question.token, { approved: true }, who);
  assert.equal(end.status, "completed");
  assert.equal(end.text, "Order 4471 is paid back.");
});
