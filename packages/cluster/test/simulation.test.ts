import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFECTS, type Defect, plant } from "./simulation/planted-defects.ts";
import { simulatedCluster } from "./simulation/simulated-cluster.ts";

/** Seeds among which each planted defect must be found. */
const ENOUGH = 400;

const { stackTraceLimit } = Error;
// thousands of errors are thrown as planned, and their stack traces are never read
beforeEach(() => (Error.stackTraceLimit = 0));
afterEach(() => (Error.stackTraceLimit = stackTraceLimit));

test("a cluster keeps its guarantees while workers die, are suspended and cut off, and messages are lost", async () => {
  const faults = new Set<string>();
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const run = await simulatedCluster(seed);
    expect(run.broken, `seed ${seed}`).toEqual([]);
    for (const fault of run.faults.keys()) faults.add(fault);
    for (const status of run.outcomes.keys()) outcomes.add(status);
  }
  expect(outcomes).toEqual(new Set(["completed", "failed", "cancelled"]));
  expect(faults.size).toBeGreaterThanOrEqual(18);
});

test("the same seed produces the same run", async () => {
  for (const seed of [1, 2, 3])
    expect((await simulatedCluster(seed)).digest).toBe((await simulatedCluster(seed)).digest);
});

describe("the simulation finds a planted defect", () => {
  const expected: Readonly<Record<Defect, RegExp>> = {
    "position recorded early": /Lost|has not settled/,
    "remove before put": /has not settled/,
    "fence dropped": /^Fence: batch/,
    "stale lookup trusted": /^Doubled/,
    "intake position not filtered": /^Doubled|has not ended/,
    "command consumed before its effect is stored": /^client-\d: .* has not settled/,
    "result overwritten": /^Result: a second one/,
    "signal of a command stored again": /^Signal: /,
    "lost owners not counted": /has not settled/,
    "unfit answer told by the wire alone": /The answer "something else .* has not settled/,
    "notes overtake each other": /^Stream: /,
    "version of an id ignored": /^Doubled|^Result: a second one/,
    "placed node called under a new key": /^Counts: node "orders\/pay"/,
    "budget kept from a placed node": /^Budget: "pay"/,
    "deadline kept from a placed node": /^Deadline: "pay"/,
    "refusal told by the wire alone": /^client-\d: The call of .* has not settled/,
    "outcomes of earlier owners not counted": /^Figures: /,
    "ended lease renewed": /^Fence: ".*" of .* began in epoch/,
  };
  test.for(DEFECTS)("%s", { timeout: 120_000 }, async (defect) => {
    const { ofServer, repair } = plant(defect);
    let found: number | undefined;
    try {
      for (let seed = 1; seed <= ENOUGH && found === undefined; seed += 1) {
        const { broken } = await simulatedCluster(seed, ofServer);
        if (broken.some((line) => expected[defect].test(line))) found = seed;
      }
    } finally {
      repair();
    }
    expect(found, "a seed that finds it").toBeDefined();
    expect((await simulatedCluster(found!)).broken, "without the defect").toEqual([]);
  });
});
