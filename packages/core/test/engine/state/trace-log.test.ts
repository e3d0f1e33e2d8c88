import { expect, test } from "vitest";
import { TraceLog } from "../../../src/engine/state/trace-log.ts";

test("an append looks at each writer once, however many items that has appended", () => {
  let looks = 0;
  const writer = () => ({
    get isOver() {
      looks += 1;
      return false;
    },
  });
  const log = new TraceLog(0);
  const writers = [writer(), writer()];
  for (let item = 0; item < 1_000; item += 1) for (const by of writers) log.add(by, [item], undefined);
  expect(looks).toBeLessThanOrEqual(2 * 2_000);
  expect(log.end).toBe(2_000);
  expect(writers.map((by) => log.commit(by).length)).toEqual([1_000, 1_000]);
  expect(log.view(4)).toEqual([0, 0, 1, 1]);
});
