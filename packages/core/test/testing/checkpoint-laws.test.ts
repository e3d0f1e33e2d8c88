import type { Checkpoint, LogRow, TraceRecord } from "penguiflow";
import { describe, expect, test } from "vitest";
import { brokenCheckpoints } from "../../src/testing/laws/checkpoint-laws.ts";

const committed = (run: string): TraceRecord => ({
  type: "committed",
  run,
  traceId: "t",
  tenant: "ada",
  node: "a",
  lineage: "1",
  attempt: 1,
  outputs: [],
});
const entry = (status: Checkpoint["status"]): Checkpoint => ({
  run: 36,
  tenant: "ada",
  traceId: "t",
  status,
  version: 1,
  state: "{}",
});

const EMPTY = { entries: [], logs: [], outcomes: new Set<number>(), counts: new Map<string, number>() };

test("a checkpoint store that counts a commit twice, or not at all, is noticed; commits of playbooks are no matter of it", () => {
  const records = [committed("10"), committed("playbook")];
  const runs = new Set(["10"]);
  const told = (count: number) => brokenCheckpoints(records, runs, { ...EMPTY, counts: new Map([["a", count]]) });
  expect(told(1)).toEqual([]);
  expect(told(2)).toEqual(['L10: the checkpoint store counts 1 messages more at "a" than were committed']);
  expect(told(0)).toEqual(['L10: the checkpoint store counts -1 messages more at "a" than were committed']);
});

test("an entry that is left is noticed, also that of a trace which has not failed", () => {
  const told = (status: Checkpoint["status"]) =>
    brokenCheckpoints([], new Set(), { ...EMPTY, entries: [entry(status)] });
  expect(told("open")).toEqual(['L10: "t" of ada is left in the checkpoint store (open): {}']);
  expect(told("failed")).toEqual(['L10: "t" of ada is left in the checkpoint store (failed): {}']);
});

describe("the rows of a log that is left are noticed", () => {
  const ended = (status: "failed" | "completed" | "cancelled"): TraceRecord =>
    ({ type: "ended", run: "10", traceId: "t", tenant: "ada", outcome: { status } }) as never;
  const row = (at: number, items = "[1,2]"): LogRow => ({ run: 36, at, items });
  const told = (
    logs: readonly LogRow[],
    entries: readonly Checkpoint[],
    logged?: number,
    status: "failed" | "completed" | "cancelled" = "failed",
    outcomes: readonly number[] = [],
  ) =>
    brokenCheckpoints([{ ...committed("10"), ...(logged && { logged }) }, ended(status)], new Set(["10"]), {
      entries,
      logs,
      outcomes: new Set(outcomes),
      counts: new Map([["a", 1]]),
    });

  test("but for those of a kept outcome, and those with which a flow has closed the log of a trace without a result", () => {
    expect(told([row(0)], [], 2, "completed", [36])).toEqual([]);
    expect(told([row(0)], [], 1, "completed", [36])).toHaveLength(1);
    expect(told([row(0)], [], 1, "cancelled", [36])).toEqual([]);
    expect(told([row(0)], [], 3, "cancelled", [36])).toHaveLength(1);
  });

  test("where they are not those that committed attempts have logged", () => {
    expect(told([row(0), row(3)], [entry("failed")], 4)).toEqual([]);
    expect(told([row(0), row(2)], [entry("ended")], 4)).toEqual([]);
    expect(told([], [entry("failed")])).toEqual([]);
    expect(told([row(0)], [entry("failed")])).toEqual([
      'L10: the log of run "10" has 2 items, and committed attempts have logged 0',
    ]);
    expect(told([row(0)], [entry("failed")], 3)).toEqual([
      'L10: the log of run "10" has 2 items, and committed attempts have logged 3',
    ]);
  });

  test("where two are at one place, and where their trace is gone", () => {
    expect(told([row(0), row(1)], [entry("failed")], 4)).toEqual(['L10: the log of run "10" has two items at 1']);
    expect(told([row(0)], [], 2)).toEqual(['L10: the log of run "10" is left without its trace']);
  });
});
