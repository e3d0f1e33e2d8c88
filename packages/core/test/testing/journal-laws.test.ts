import type { JournalEntry, TraceRecord } from "penguiflow";
import { expect, test } from "vitest";
import { brokenJournal } from "../../src/testing/laws/journal-laws.ts";

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
const entry = (status: JournalEntry["status"]): JournalEntry => ({
  run: 36,
  tenant: "ada",
  traceId: "t",
  status,
  version: 1,
  state: "{}",
});

test("a journal that counts a commit twice, or not at all, is noticed; commits of playbooks are no matter of it", () => {
  const records = [committed("10"), committed("playbook")];
  const runs = new Set(["10"]);
  const told = (count: number) => brokenJournal(records, runs, { entries: [], counts: new Map([["a", count]]) });
  expect(told(1)).toEqual([]);
  expect(told(2)).toEqual(['L10: the journal counts 1 messages more at "a" than were committed']);
  expect(told(0)).toEqual(['L10: the journal counts -1 messages more at "a" than were committed']);
});

test("an entry that is left is noticed, also that of a trace which has not failed", () => {
  const told = (status: JournalEntry["status"]) =>
    brokenJournal([], new Set(), { entries: [entry(status)], counts: new Map() });
  expect(told("open")).toEqual(['L10: "t" of ada is left in the journal (open): {}']);
  expect(told("failed")).toEqual(['L10: "t" of ada is left in the journal (failed): {}']);
});
