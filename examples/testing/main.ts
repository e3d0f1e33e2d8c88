// Tests a flow with any test runner: one message from end to end, the order of the nodes, failures on demand, and hours
// that pass at once.
//
//   npm run example examples/testing/main.ts
import assert from "node:assert/strict";
import { Message } from "penguiflow";
import {
  assertNodeSequence,
  assertPreservesMessageEnvelope,
  describeStats,
  runOne,
  simulateError,
  TestClock,
} from "penguiflow/testing";
import { type Bank, convert, createFlow, quote } from "./exchange.ts";

const bank: Bank = { rate: async () => 1.5 };

const checks = {
  async "a node keeps the envelope"() {
    const message = new Message({
      payload: { cents: 200, rate: 1.5 },
      headers: { tenant: "acme" },
      meta: { user: "ada" },
    });
    const result = await assertPreservesMessageEnvelope(convert, { message });
    assert.equal(result.payload, 300);
  },

  async "a message goes from end to end"() {
    const result = await runOne(createFlow(), { cents: 200, to: "DKK" }, { resources: bank, traceId: "end-to-end" });
    assert.equal(result.payload, 300);
    assertNodeSequence("end-to-end", ["quote", "convert"]);
  },

  async "a bank that is busy is asked again, each time later"() {
    const clock = new TestClock();
    const mend = simulateError(quote, { error: new Error("busy"), onAttempt: [1, 2] });
    await using flow = createFlow({ clock });
    flow.run({ resources: bank });
    const converted = flow.call({ cents: 200, to: "DKK" });
    await clock.advance(1_000 + 2_000);
    assert.equal(await converted, 300);
    mend();
  },

  async "a bank that does not answer is given up"() {
    const clock = new TestClock();
    const silent: Bank = { rate: () => new Promise(() => {}) };
    await using flow = createFlow({ clock, graceMs: 1 });
    flow.run({ resources: silent });
    const outcome = flow.outcome({ cents: 200, to: "DKK" });
    await clock.advance(60_000);
    const { status } = await outcome;
    assert.equal(status, "failed");
  },

  async "nothing is left behind"() {
    await using flow = createFlow();
    flow.run({ resources: bank });
    await flow.call({ cents: 200, to: "DKK" });
    const stats = flow.stats();
    assert.equal(stats.traces + stats.timers + stats.unreadResults, 0, describeStats(stats));
  },
};

export async function main() {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log(`ok  ${name}`);
  }
  return Object.keys(checks);
}

if (import.meta.main) await main();
