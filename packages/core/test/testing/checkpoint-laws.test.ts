import type { Checkpoint, TraceRecord } from "penguiflow";
import { expect, test } from "vitest";
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

test("a checkpoint store that counts a commit twice, or not at all, is noticed; commits of playbooks are no matter of it", () => {
  const records = [committed("10"), committed("playbook")];
  const runs = new Set(["10"]);
  const told = (count: number) => brokenCheckpoints(records, runs, { entries: [], counts: new Map([["a", count]]) });
  expect(told(1)).toEqual([]);
  expect(told(2)).toEqual(['L10: the checkpoint store counts 1 messages more at "a" than were committed']);
  expect(told(0)).toEqual(['L10: the checkpoint store counts -1 messages more at "a" than were committed']);
});

test("an entry that is left is noticed, also that of a trace which has not failed", () => {
  const told = (status: Checkpoint["status"]) =>
    brokenCheckpoints([], new Set(), { entries: [entry(status)], counts: new Map() });
  expect(told("open")).toEqual(['L10: "t" of ada is left in the checkpoint store (open): {}']);
  expect(told("failed")).toEqual(['L10: "t" of ada is left in the checkpoint store (failed): {}']);
});
