import { expect, test } from "vitest";
import { type Change, readLine, writeLine } from "../src/checkpoints/changes.ts";
import { PartitionState } from "../src/checkpoints/partition-state.ts";

const entry = (run: number, text: string): Change => [
  `entry ${run}`,
  { run, tenant: "ada", traceId: `t${run}`, status: "open", version: 1, state: JSON.stringify(text) },
];

/** A log with a state that is kept up to date, as its owner does. */
function log() {
  const state = new PartitionState();
  const records = new Map<number, readonly string[]>();
  let sequence = 0;
  let written = 0;
  return {
    state,
    store: (changes: readonly Change[]): void => {
      const own = changes.map(writeLine);
      const lines = [...state.toRewrite(own.reduce((sum, { text }) => sum + text.length, 0)), ...own];
      sequence += 1;
      records.set(
        sequence,
        lines.map(({ text }) => text),
      );
      written += lines.reduce((sum, { text }) => sum + text.length, 0);
      state.apply(sequence, lines, undefined);
      const dropped = state.drop();
      if (dropped !== undefined) for (const key of records.keys()) if (key < dropped.before) records.delete(key);
    },
    /** Reads what is left of the log. */
    reread: (): PartitionState => {
      const again = new PartitionState();
      for (const [key, texts] of records) again.apply(key, texts.map(readLine), undefined);
      return again;
    },
    get kept() {
      return {
        records: records.size,
        bytes: [...records.values()].flat().reduce((sum, { length }) => sum + length, 0),
      };
    },
    get written() {
      return written;
    },
  };
}

test("an item that never changes does not keep the log from being cut, and is not lost", () => {
  const { state, store, reread } = log();
  store([entry(0, "old"), ["count a", 1], ["lane 3", 7]]);
  for (let run = 1; run < 5_000; run += 1) store([entry(run, "x".repeat(500)), [`entry ${run === 1 ? -1 : run - 1}`]]);
  const again = reread();
  expect([...again.entries.keys()].sort((a, b) => a - b)).toEqual([0, 4_999]);
  expect(again.entries.get(0)).toEqual(state.entries.get(0));
  expect([again.counts.get("a"), again.consumed.get(3)]).toEqual([1, 7]);
});

test("the log has a bounded length, and is not written much more often than it has to be", () => {
  const made = log();
  let own = 0;
  for (let number = 0; number < 5_000; number += 1) {
    const changes = [entry(number % 300, `${number} ${"x".repeat(1_000)}`)];
    own += writeLine(changes[0]!).text.length;
    made.store(changes);
  }
  expect(made.reread().entries).toEqual(made.state.entries);
  expect(made.kept.bytes).toBeLessThan(4 * 300 * 1_200 + 2 * 1_048_576);
  expect(made.written).toBeLessThan(1.5 * own);
});

test("many small records, such as renewals, are gathered although what they hold is live", () => {
  const made = log();
  for (let run = 0; run < 3_000; run += 1) made.store([entry(run, "small")]);
  for (let renewal = 0; renewal < 3_000; renewal += 1) made.store([]);
  expect(made.reread().entries.size).toBe(3_000);
  expect(made.kept.records).toBeLessThan(1_200);
});

test("tells the bytes of its records, and those of what is live in them", () => {
  const { state, store } = log();
  expect(state.size).toEqual({ storedBytes: 0, liveBytes: 0 });
  store([entry(1, "x".repeat(1_000)), entry(2, "x".repeat(1_000))]);
  const { storedBytes, liveBytes } = state.size;
  expect(liveBytes).toBeGreaterThan(2_000);
  expect(storedBytes).toBeGreaterThan(liveBytes);
  store([["entry 1"]]);
  expect(state.size.liveBytes).toBe(liveBytes / 2);
  expect(state.size.storedBytes).toBeGreaterThan(storedBytes);
});
