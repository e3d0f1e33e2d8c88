import { systemScheduler } from "penguiflow";
import type { Intake } from "penguiflow/adapter";
import { expect, test } from "vitest";
import { Trimmer } from "../src/worker/trimmer.ts";

const turn = (): Promise<void> => new Promise((resolve) => systemScheduler.nextTurn(resolve));

/** A trimmer whose removals fail as often as said, and the positions up to which they were tried. */
function trimming(failures: number) {
  const tried: number[] = [];
  let stored = 0;
  let left = failures;
  const intake: Pick<Intake, "trim"> = {
    async trim(_, upTo) {
      tried.push(upTo.get(1)!);
      left -= 1;
      if (left >= 0) throw new Error("the intake is away");
    },
  };
  const trimmer = new Trimmer(systemScheduler, intake as Intake, "p", async () => new Map([[1, stored]]));
  const take = (): void => {
    stored += 1;
    trimmer.trimSoon();
  };
  return { trimmer, tried, take };
}

test("the items of a turn are removed at once, and nothing again", async () => {
  const { trimmer, tried, take } = trimming(0);
  for (let count = 0; count < 3; count += 1) take();
  await turn();
  await turn();
  trimmer.tryAgain();
  await trimmer.flush();
  expect(tried).toEqual([3]);
});

test("a removal that fails is tried again until it succeeds, also without a further item", async () => {
  const { trimmer, tried, take } = trimming(2);
  take();
  for (let looks = 0; looks < 6; looks += 1) {
    await turn();
    await turn();
    trimmer.tryAgain();
  }
  expect(tried).toEqual([1, 1, 1]);
});

test("the last removal of an owner is tried twice", async () => {
  const { trimmer, tried, take } = trimming(3);
  take();
  await trimmer.flush();
  expect(tried).toEqual([1, 1]);
});
