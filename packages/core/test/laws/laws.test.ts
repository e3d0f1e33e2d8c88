import * as fc from "fast-check";
import { create, type Message, node } from "penguiflow";
import { describe, expect, test } from "vitest";
import { TestClock } from "penguiflow/testing";
import { settled } from "../../src/testing/simulation/seeded-schedule.ts";
import { oneSeed } from "./one-seed.ts";
import { count } from "./script.ts";

/** Number of seeds; `npm run simulate` tries more, and others. */
const SEEDS = 150;
/** Seeds that have each found an error that no other test reproduces as it was. */
const ONCE_BROKEN = [387, 944, 2504, 3521, 4674, 6399, 6871, 8702, 9033, 9560, 14_779, 21_189];

describe("the laws on random graphs under random schedules", () => {
  test(
    `hold under ${SEEDS} seeds, and the same seed gives the same run before any audience`,
    { timeout: 120_000 },
    async () => {
      const statuses = new Map<string, number>();
      const faults = new Map<string, number>();
      let crashes = 0;
      for (const seed of [...Array.from({ length: SEEDS }, (_, index) => index + 1), ...ONCE_BROKEN]) {
        const report = await oneSeed(seed);
        if (report.broken.length > 0) throw new Error(await report.explain());
        crashes += report.crashes;
        for (const [status, number] of report.statuses) count(statuses, status, number);
        for (const [fault, number] of report.faults) count(faults, fault, number);
      }
      // a status that never occurs proves nothing
      for (const status of ["completed", "failed", "cancelled", "exhausted", "empty", "stopped"])
        expect(statuses.get(status) ?? 0, `traces that are ${status}`).toBeGreaterThan(SEEDS / 100);
      expect(faults.size).toBeGreaterThan(10);
      expect(crashes).toBeGreaterThan(SEEDS);
      for (const fault of [
        "the process ends before a batch is stored",
        "the process ends after a batch is stored",
        "the process ends at any time",
        "the flow is stopped and runs again",
        "a disk refuses a batch",
        "a disk does not answer a batch",
        "a disk does not answer a read",
        "a disk does not answer a renewal",
        "a disk does not answer a release",
        "a disk is slow",
        "a pause is answered",
        "an answer is followed",
        "a pause expires",
        "a sleep is over",
        "the outcome of an effect is unknown",
        "a budget runs out",
      ])
        expect(faults.get(fault) ?? 0, fault).toBeGreaterThan(0);
    },
  );

  test(
    "hold for tenants that flood a node: they are served in proportion to their weights (L6)",
    { timeout: 60_000 },
    async () => {
      const flood = fc.record({
        concurrency: fc.integer({ min: 1, max: 4 }),
        ordering: fc.constantFrom("trace" as const, "none" as const),
        queueMaxSize: fc.integer({ min: 0, max: 4 }),
        weights: fc.record({ ada: fc.integer({ min: 1, max: 4 }), bob: fc.integer({ min: 1, max: 4 }) }),
        late: fc.nat(9),
      });
      await fc.assert(
        fc.asyncProperty(flood, async ({ concurrency, ordering, queueMaxSize, weights, late }) => {
          const clock = new TestClock();
          const starts: string[] = [];
          const work = node(
            { name: "work", policy: { concurrency, ordering } },
            async (message: Message<number>, ctx) => {
              starts.push(message.headers.tenant);
              await ctx.sleep(1);
              return message;
            },
          );
          await using flow = create(work.to(), { clock, queueMaxSize, tenantWeights: weights });
          flow.run();
          const calls = Array.from({ length: 60 }, (_, index) => flow.call(index, { tenant: "ada" }));
          for (let step = 0; step < late; step += 1) {
            await settled();
            clock.step();
          }
          await settled();
          const alone = starts.length;
          calls.push(...Array.from({ length: 60 }, (_, index) => flow.call(index, { tenant: "bob" })));
          for (await settled(); clock.timers > 0; await settled()) clock.step();
          await Promise.all(calls);

          // while both wait, neither is ahead of its share by more than one message
          const contested = starts.slice(alone);
          const lastOf = { ada: contested.lastIndexOf("ada"), bob: contested.lastIndexOf("bob") };
          const served = { ada: 0, bob: 0 };
          for (const tenant of contested.slice(0, Math.min(lastOf.ada, lastOf.bob))) {
            served[tenant as "ada" | "bob"] += 1;
            const lead = Math.abs(served.ada / weights.ada - served.bob / weights.bob);
            expect(lead, contested.join(" ")).toBeLessThanOrEqual(1 / weights.ada + 1 / weights.bob + 1e-9);
          }
          expect(starts).toHaveLength(120);
        }),
        { numRuns: 300, seed: 7 },
      );
    },
  );
});
