import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type RunSpec, runSpec, shapeOf } from "./run-spec.ts";
import { seededRun } from "./seeded-run.ts";

/** `LAWS_RUNS=20000 LAWS_SEED=7 npx vitest run …/laws.test.ts` looks longer, and elsewhere. */
const numRuns = Number(process.env["LAWS_RUNS"] ?? 300);
const seed = process.env["LAWS_SEED"] === undefined ? {} : { seed: Number(process.env["LAWS_SEED"]) };
const timeoutMs = 20_000 + numRuns * 200;

/** Says all that is needed to look into a run that went wrong. */
function story(spec: RunSpec, broken: readonly string[], lines: readonly string[]): string {
  const { onward, entries } = shapeOf(spec);
  return [
    ...broken.slice(0, 20),
    `seed ${spec.seed}, entries ${entries.join()}, edges ${onward.map((targets, from) => `${from}→${targets.join()}`).join(" ")}`,
    "the last 30 records:",
    ...lines.slice(-30),
  ].join("\n");
}

describe("the laws on random graphs under random schedules", () => {
  test(
    `hold in ${numRuns} runs that are watched, and the same seed gives the same run`,
    { timeout: timeoutMs },
    async () => {
      const statuses = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(runSpec, async (spec) => {
          const { broken, lines, ...first } = await seededRun(spec, true);
          expect(broken, story(spec, broken, lines)).toEqual([]);
          const again = await seededRun(spec, true);
          const parting = lines.findIndex((line, index) => line !== again.lines[index]);
          expect(
            again.lines,
            `L9: the runs part at record ${parting}\n${story(spec, [], lines.slice(0, parting + 1))}`,
          ).toEqual(lines);
          for (const [status, number] of first.statuses) statuses.set(status, (statuses.get(status) ?? 0) + number);
        }),
        { numRuns, ...seed },
      );
      // what never happens proves nothing
      for (const status of ["completed", "failed", "cancelled", "exhausted", "empty", "stopped"])
        expect(statuses.get(status) ?? 0, `traces that are ${status}`).toBeGreaterThan(numRuns / 100);
    },
  );

  test(`hold in ${numRuns} runs that nobody watches`, { timeout: timeoutMs }, async () => {
    await fc.assert(
      fc.asyncProperty(runSpec, async (spec) => {
        const { broken } = await seededRun(spec, false);
        expect(broken, story(spec, broken, [])).toEqual([]);
      }),
      { numRuns, ...seed },
    );
  });
});
