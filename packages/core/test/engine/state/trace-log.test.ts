import { describe, expect, test } from "vitest";
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

describe("a view of a log", () => {
  const writer = () => ({ isOver: false });

  test("does not change with what comes after it, nor the log with what is done to it", () => {
    const log = new TraceLog(0);
    const [one, other] = [writer(), writer()];
    log.add(one, ["a"], undefined);
    log.commit(one);
    const first = log.view(Number.POSITIVE_INFINITY);
    log.add(other, ["b"], undefined);
    const own = log.view(Number.POSITIVE_INFINITY, other);
    log.commit(other);
    first.push("mine");
    expect([first, own, log.view(Number.POSITIVE_INFINITY)]).toEqual([
      ["a", "mine"],
      ["a", "b"],
      ["a", "b"],
    ]);
  });

  test("leaves out positions whose items were undone, or are not committed yet", () => {
    const log = new TraceLog(0);
    const [one, failed, last] = [writer(), writer(), writer()];
    log.add(one, ["a", "b"], undefined);
    log.add(failed, ["x"], undefined);
    log.add(last, ["c", "d"], undefined);
    log.commit(last);
    expect(log.committed).toEqual([
      { at: 3, items: ["c"] },
      { at: 4, items: ["d"] },
    ]);
    expect([log.view(4), log.view(4, one)]).toEqual([["c"], ["a", "b", "c"]]);
    failed.isOver = true;
    log.commit(one);
    expect([log.view(3), log.view(99), log.end]).toEqual([["a", "b"], ["a", "b", "c", "d"], 5]);
  });

  test("has the items that an earlier run left once they are read, before its own", () => {
    const log = new TraceLog(2);
    const one = writer();
    log.add(one, ["c"], undefined);
    log.commit(one);
    expect([log.view(99), log.end]).toEqual([["c"], 3]);
    const stored = [
      { at: 0, items: ["a", "b"] },
      { at: 2, items: ["c as stored"] },
    ];
    log.addStored(stored);
    expect([log.view(99), log.view(1), log.committed]).toEqual([
      ["a", "b", "c"],
      ["a"],
      [{ at: 0, items: ["a", "b", "c"] }],
    ]);
  });
});
