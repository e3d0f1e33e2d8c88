import { describe, expect, test } from "vitest";
import type { Measurement, Workload } from "../bench/contract.ts";
import { commitOf } from "../bench/revision.ts";
import { linesOf, type Versus, versusTable } from "../bench/versus.ts";

const workload: Workload = {
  name: "swim-10",
  family: "swim",
  title: "ten penguins",
  figures: [
    { name: "hops/s", better: "more" },
    { name: "ms", better: "less" },
  ],
  setup: undefined,
  measure: () => Promise.reject(new Error("not measured here")),
  bars: [],
};

const run = (perSecond: number, ms: number, processorUs?: number): Measurement => ({
  figures: { "hops/s": perSecond, ms },
  requests: 1,
  processorShare: 1,
  ...(processorUs !== undefined && { processorUs }),
});

const versus = (pairs: Versus["pairs"], remark?: string): Versus => ({
  workload,
  subject: "penguiflow",
  pairs,
  remark,
  failed: false,
});

describe("the comparison with another revision", () => {
  test("tells for each figure the median of the ratios of the pairs, above 1 when this working tree is better", () => {
    const lines = linesOf(
      versus([
        { now: run(300, 1, 10), before: run(100, 2, 20) },
        // a slow minute of the machine affects both
        { now: run(20, 10, 11), before: run(10, 20, 20) },
        { now: run(100, 2, 10), before: run(100, 2, 20) },
      ]),
    );
    expect(lines.map(({ figure, ratio }) => [figure, ratio])).toEqual([
      ["hops/s", 2],
      ["ms", 2],
      ["processor µs each", 2],
    ]);
    expect(lines[0]).toMatchObject({ now: 100, before: 100, from: 2, to: 3 });
  });

  test("leaves out what one of the builds does not measure, and a ratio with 0", () => {
    const lines = linesOf(versus([{ now: run(0, 0, 5), before: run(100, 0) }]));
    expect(lines.map(({ figure, ratio }) => [figure, ratio])).toEqual([
      ["hops/s", undefined],
      ["ms", 1],
    ]);
  });

  test("says why a workload has no figures", () => {
    const table = versusTable([versus([], "–  v1 cannot do it: there is no such workload")], "v1");
    expect(table).toMatch(/swim-10 +– {2}v1 cannot do it: there is no such workload/);
  });

  test("refuses a revision that git does not know, and names it", () => {
    expect(() => commitOf("no-such-penguin")).toThrow(/^Cannot compare with "no-such-penguin": git /);
  });
});
