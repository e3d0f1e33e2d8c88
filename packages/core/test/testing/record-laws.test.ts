import { Message, type RecordedOutput, ROOKERY, type TraceRecord } from "penguiflow";
import { describe, expect, test } from "vitest";
import { brokenLaws, type LawShape, lineOf, type Restart } from "../../src/testing/laws/record-laws.ts";

/** split → left and right → join of two → end; every node is ordered but `right`. */
const shape: LawShape = {
  entriesWith: () => ["split"],
  isOrdered: (node) => node !== "right",
  groupSize: (node) => (node === "join" ? 2 : undefined),
  targets: ({ node: from }) => ({ split: ["left", "right"], left: ["join"], right: ["join"], join: [ROOKERY] })[from],
  shareOf: () => 1,
};

const run = { run: "0", traceId: "t", tenant: "ada" };
const at = (node: string, lineage: string) => ({ ...run, node, lineage });
const message = (payload: string): Message => new Message({ payload, traceId: "t", headers: { tenant: "ada" } });
const output = (node: string, lineage: string, sent: Message): RecordedOutput => ({ node, lineage, message: sent });
const ended: TraceRecord = {
  type: "ended",
  ...run,
  outcome: {
    status: "completed",
    traceId: "t",
    tenant: "ada",
    messages: [],
    results: [],
    result: undefined,
    droppedResults: 0,
    durationMs: 0,
    spent: {},
  },
};

const [first, second, third] = [message("first"), message("second"), message("third")];
const [fromLeft, fromRight, group] = [message("from left"), message("from right"), message("group")];

const accepted = (lineage: string, sent: Message): TraceRecord => ({
  type: "accepted",
  ...at("split", lineage),
  message: sent,
});
const started = (node: string, lineage: string, attempt = 1): TraceRecord => ({
  type: "started",
  ...at(node, lineage),
  attempt,
});
const committed = (node: string, lineage: string, outputs: RecordedOutput[], attempt = 1): TraceRecord => ({
  type: "committed",
  ...at(node, lineage),
  attempt,
  outputs,
});
const parked = (node: string, lineage: string, why: "backoff" | "join"): TraceRecord => ({
  type: "parked",
  ...at(node, lineage),
  why,
});
const resumed = (node: string, lineage: string, why: "backoff" | "join"): TraceRecord => ({
  type: "resumed",
  ...at(node, lineage),
  why,
});
const paused = (node: string, lineage: string, begins: readonly string[]): TraceRecord => ({
  type: "parked",
  ...at(node, lineage),
  why: "pause",
  begins,
});
const dropped = (node: string, lineage: string): TraceRecord => ({ type: "dropped", ...at(node, lineage) });

/** Three messages of one trace: a retry, a group, a fetch, and one that is never begun. */
const good: readonly TraceRecord[] = [
  accepted("1", first),
  accepted("2", second),
  accepted("3", third),
  started("split", "1"),
  committed("split", "1", [output("left", "1l", first), output("right", "1r", first)]),
  started("left", "1l"),
  parked("left", "1l", "backoff"),
  started("split", "2"),
  committed("split", "2", [output("left", "2l", second), output("right", "2r", second)]),
  started("right", "2r"),
  started("right", "1r"),
  parked("join", "2rj", "join"),
  committed("right", "2r", [output("join", "2rj", fromRight)]),
  resumed("left", "1l", "backoff"),
  started("left", "1l", 2),
  { type: "fetched", ...at("left", "2l") },
  parked("join", "1lj", "join"),
  resumed("join", "g", "join"),
  committed("left", "1l", [output("join", "1lj", fromLeft)], 2),
  started("join", "g"),
  committed("join", "g", [output(ROOKERY, "result", group)]),
  dropped("split", "3"),
  ended,
];

const restart: Restart = { type: "restart" };
const restored = (node: string, lineage: string, sent: Message, attempt = 1): TraceRecord => ({
  type: "restored",
  ...at(node, lineage),
  attempt,
  message: sent,
});

/**
 * The same in two processes: the first ends while one message is queued, one in flight, one in a backoff, one in a
 * join.
 */
const inTwo = (back: readonly TraceRecord[]): readonly (TraceRecord | Restart)[] => {
  const end = placeOf(/^resumed.* 1l at/);
  const again = [started("right", "1r"), parked("join", "2rj", "join")];
  return [...good.slice(0, end), restart, ...back, ...again, ...good.slice(end)];
};
const back: readonly TraceRecord[] = [
  restored("split", "3", third),
  restored("left", "1l", first, 2),
  restored("left", "2l", second),
  restored("right", "1r", first),
  restored("join", "2rj", fromRight),
];

const placeOf = (line: RegExp): number => good.findIndex((record) => line.test(lineOf(record)));
const without = (line: RegExp): TraceRecord[] => good.filter((_, index) => index !== placeOf(line));
const before = (line: RegExp, record: TraceRecord): TraceRecord[] => good.toSpliced(placeOf(line), 0, record);
const instead = (line: RegExp, record: TraceRecord): TraceRecord[] => good.with(placeOf(line), record);
const swapped = (one: RegExp, other: RegExp): TraceRecord[] =>
  good.with(placeOf(one), good[placeOf(other)] as TraceRecord).with(placeOf(other), good[placeOf(one)] as TraceRecord);

/** The defect, the expected report, and records that contain the defect. */
const doctored: readonly (readonly [what: string, says: RegExp, records: readonly TraceRecord[]])[] = [
  ["a message is handled twice", /^L1 .*is over/, before(/^ended/, started("left", "1l", 3))],
  ["a message is handled that was never sent", /^L1 .*no record tells/, before(/^ended/, started("left", "?"))],
  [
    "a message is handled at another node than it was sent to",
    /^L1 .*accepted by "right"/,
    instead(/^started.* 1r at/, started("left", "1r")),
  ],
  ["a message is accepted twice", /^L1 .*accepted twice/, before(/^ended/, accepted("1", first))],
  [
    "a result is delivered twice",
    /^L1 .*delivered twice/,
    instead(
      /^committed.* g at/,
      committed("join", "g", [output(ROOKERY, "result", group), output(ROOKERY, "result", group)]),
    ),
  ],
  ["a message vanishes from its edge", /^L1 .*is on its edge and nothing tells/, without(/^dropped/)],
  [
    "a message vanishes in a backoff",
    /^L1 .*is in backoff and nothing tells/,
    good.slice(0, placeOf(/^resumed.* 1l at/)).concat(ended),
  ],
  [
    "a message vanishes in a join",
    /^L1 .*is in a join and nothing tells/,
    good.slice(0, placeOf(/^resumed.* 1l at/)).concat(ended),
  ],
  [
    "attempts are not counted one by one",
    /^L1 .*attempt 2 was due/,
    instead(/^started.* attempt 2/, started("left", "1l", 3)),
  ],
  ["a retry starts while the message is parked", /^L1 .*is in backoff/, without(/^resumed.* 1l at/)],
  ["an attempt commits that was not started", /^L1 .*is on its edge/, without(/^started.* 2r at/)],
  [
    "an attempt commits that is not the last one",
    /^L1 .*not the attempt that was started last/,
    instead(/^committed.* 1l at/, committed("left", "1l", [output("join", "1lj", fromLeft)], 1)),
  ],
  ["a group is sent on before it is full", /^L1 .*a group of 1 .* 2 wanted/, without(/^parked.* 2rj at/)],
  [
    "a message that a join took comes from nowhere",
    /^L1 .*where message \? came from/,
    before(/^ended/, parked("join", "?", "join")),
  ],
  ["a message that was fetched is handled", /^L1 .*is taken/, before(/^started.* g at/, started("left", "2l"))],
  ["a message is dropped after it was done", /^L1 .*is over/, before(/^ended/, dropped("left", "1l"))],
  ["a trace ends twice", /^L2 .*has ended already/, [...good, ended]],
  ["a trace does not end", /^L2: .*has not ended/, good.slice(0, -1)],
  ["the second of two messages starts first", /^L4 .*came before it/, swapped(/^started.* 1 at/, /^started.* 2 at/)],
  [
    "two messages of a trace are at work at once at an ordered node",
    /^L4 .*still in an attempt/,
    before(/^committed.* 1 at/, started("split", "2")),
  ],
  [
    "a message overtakes one in backoff at an ordered node",
    /^L4 .*still in backoff/,
    before(/^resumed.* 1l at/, started("left", "2l")),
  ],
  [
    "a broadcast reaches one of two nodes",
    /^L5 .*was to reach left,right and reached left/,
    instead(/^committed.* 2 at/, committed("split", "2", [output("left", "2l", second)])),
  ],
  [
    "a message from outside does not reach the entry",
    /^L5 .*was to reach split and reached left/,
    instead(/^accepted.* 3 at/, { type: "accepted", ...at("left", "3"), message: third }),
  ],
  ["a handler starts after the end", /^L7 .*has ended already/, [...good, started("split", "3")]],
  ["an attempt commits after the end", /^L7 .*has ended already/, swapped(/^ended/, /^committed.* g at/)],
  [
    "an attempt emits after it is over",
    /^L7 .*no attempt of the message is under way/,
    before(/^ended/, { type: "emitted", ...at("left", "1l"), attempt: 2, outputs: [output("join", "late", first)] }),
  ],
];

describe("the checkers of the laws", () => {
  test("find nothing in records that keep the laws", () => {
    expect(brokenLaws(good, () => shape)).toEqual([]);
  });

  test.for(doctored)("notice when %s", ([, says, records]) => {
    expect(brokenLaws(records, () => shape).join("\n")).toMatch(new RegExp(says.source, "m"));
  });

  test("let messages overtake one another where no order is asked for, and only there", () => {
    expect(placeOf(/^started.* 2r at/)).toBeLessThan(placeOf(/^started.* 1r at/));
    expect(brokenLaws(good, () => ({ ...shape, isOrdered: () => true })).join("\n")).toMatch(/^L4 .*came before it/m);
  });

  test("follow a trace from process to process", () => {
    expect(brokenLaws(inTwo(back), () => shape)).toEqual([]);
    const broken = (found: readonly TraceRecord[]): string => brokenLaws(inTwo(found), () => shape).join("\n");
    for (const lost of back.keys())
      expect(broken(back.toSpliced(lost, 1))).toMatch(/^L10 .*message \w+ is not there after a restart/m);
    expect(broken([...back, restored("split", "1", first)])).toMatch(/^L10 .*was over before the restart/m);
    expect(broken([...back, restored("left", "2l", second)])).toMatch(/^L10 /m);
    expect(broken([...back, restored("left", "?", first)])).toMatch(/^L10 .*no record before the restart tells/m);
    expect(broken(back.with(1, restored("right", "1l", first, 2)))).toMatch(/^L10 .*was at "left" before the restart/m);
  });

  test("let a playbook go with its caller after a restart, and notice when it begins anew instead of going on", () => {
    const within = { ...shape, isWithin: true };
    const begun = [accepted("1", first), started("split", "1"), restart];
    expect(brokenLaws(begun, () => shape)).toEqual(['L2: the trace of run "0" has not ended']);
    expect(brokenLaws(begun, () => within)).toEqual([]);
    const other = { run: "1" };
    const anew = [...begun, { ...accepted("1", first), ...other }, { ...ended, ...other }];
    expect(brokenLaws(anew, () => within).join("\n")).toMatch(/^L10 .*the playbook begins anew/m);
    // a retry begins it anew when it has cancelled it
    const cancelled = [accepted("1", first), started("split", "1"), ended, ...anew.slice(2)];
    expect(brokenLaws(cancelled, () => within).join("\n")).not.toMatch(/begins anew/);
    // a playbook that it had called was cancelled with it, though no record tells
    const inner = [{ ...accepted("1x", first), run: "2" }, restart, restored("split", "1", first), ended];
    const again = { ...accepted("1x", first), run: "3" };
    expect(brokenLaws([...begun.slice(0, 2), ...inner, again], () => within).join("\n")).not.toMatch(/begins anew/);
  });

  test("notice when a pause or sleep that is stored begins anew, in the same process or the next", () => {
    const wakes: TraceRecord = { type: "resumed", ...at("split", "1"), why: "pause" };
    const sleeps = [accepted("1", first), started("split", "1"), paused("split", "1", ["nap"])];
    const again = (begins: readonly string[]) => [wakes, started("split", "1"), paused("split", "1", begins)];
    const broken = (then: readonly (TraceRecord | Restart)[]): string =>
      brokenLaws([...sleeps, ...then], () => shape).join("\n");
    for (const between of [[], [restart, restored("split", "1", first)]]) {
      expect(broken([...between, ...again(["nap"])])).toMatch(/^L10 .*"nap" begins anew/m);
      expect(broken([...between, ...again([])])).not.toMatch(/L10/);
      expect(broken([...between, ...again(["other"])])).not.toMatch(/L10/);
    }
  });

  test("notice when a budget counts other amounts than were spent, or more than its limit", () => {
    const spent = (amount: number, all: number, limit = 9): TraceRecord => ({
      type: "spent",
      ...run,
      node: "split",
      amounts: { calls: amount },
      spent: { calls: all },
      limits: { calls: limit },
    });
    const broken = (all: number, then: readonly (TraceRecord | Restart)[]): string => {
      const last = ended.type === "ended" ? { ...ended, outcome: { ...ended.outcome, spent: { calls: all } } } : ended;
      return brokenLaws([...then, ...good.slice(0, -1), last], () => shape).join("\n");
    };
    expect(broken(3, [spent(1, 1), spent(2, 3)])).toBe("");
    expect(broken(3, [spent(1, 1), restart, spent(2, 3)])).toBe("");
    expect(broken(4, [spent(1, 1), restart, spent(2, 4)])).toMatch(/^L10 .*4 of the budget "calls" count .* spent 3:/m);
    expect(broken(2, [spent(1, 1)])).toMatch(/^L10 .*2 of the budget "calls" count as spent, .* spent 1: ended/m);
    expect(broken(2, [])).toMatch(/^L10 .*2 of the budget "calls" count as spent/m);
    expect(broken(3, [spent(3, 3, 2)])).toMatch(/^L3 .*3 is spent of the budget "calls" of 2/m);
  });

  test("keep apart traces that share an id", () => {
    const both = good.flatMap((record) => [record, { ...record, run: "1" }]);
    expect(brokenLaws(both, () => shape)).toEqual([]);
  });

  test("write lines that tell records apart by all that they say", () => {
    const lines = good.map(lineOf);
    expect(new Set(lines).size).toBe(good.length);
    expect(lines).not.toContain(lineOf(accepted("1", second)));
    expect(lines).not.toContain(lineOf(committed("left", "1l", [output("join", "1lj", fromLeft)], 1)));
    expect(lines).not.toContain(lineOf({ ...ended, tenant: "bob" }));
  });
});
