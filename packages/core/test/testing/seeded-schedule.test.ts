import { seededRandom } from "penguiflow";
import { expect, test } from "vitest";
import { SeededSchedule } from "../../src/testing/simulation/seeded-schedule.ts";

/** Plays moves that each lead to the next one, beside a timer. Returns how many of them came before the timer. */
async function movesBefore(seed: number, timerMs: number): Promise<number> {
  const schedule = new SeededSchedule(seededRandom(seed));
  let moves = 0;
  let before = -1;
  const next = (): void => {
    moves += 1;
    if (moves < 20) schedule.move(next);
  };
  schedule.move(next);
  schedule.clock.setTimer(() => (before = moves), timerMs);
  expect(await schedule.playOn(() => {})).toBe(true);
  return before;
}

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

test("time passes to a timer that is far only when nothing else is left to do", async () => {
  const far = await Promise.all(SEEDS.map((seed) => movesBefore(seed, 1_800_000)));
  expect(new Set(far)).toEqual(new Set([20]));
});

test("a timer that is near comes before some of what else is to be done, and after the rest", async () => {
  const near = await Promise.all(SEEDS.map((seed) => movesBefore(seed, 1_000)));
  expect(near.filter((count) => count > 0 && count < 20).length).toBeGreaterThan(10);
});
