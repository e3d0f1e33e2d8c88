import { expect, test } from "vitest";
import { ago, cost, count, plural, shortId, span, tokens } from "../../src/parts/figures.ts";

test.for([
  [0.4, "<1 ms"],
  [187.2, "187 ms"],
  [1790, "1.79 s"],
  [12_345, "12.3 s"],
  [125_000, "2 min 5 s"],
  [7_380_000, "2 h 3 min"],
] as const)("a span of %d ms reads %s", ([ms, text]) => {
  expect(span(ms)).toBe(text);
});

test("figures have their thousands apart, costs a digit that says something", () => {
  expect(count(1204)).toBe("1\u202F204");
  expect(tokens({ in: 1204, out: 96 })).toBe("1\u202F204 → 96 tok");
  expect([cost(0.0031), cost(0), cost(1.5), cost(0.000002)]).toEqual(["0.0031 $", "0.00 $", "1.50 $", "0.000002 $"]);
});

test("words follow their number, ids keep their end", () => {
  expect([plural(1, "flow"), plural(2, "flow")]).toEqual(["1 flow", "2 flows"]);
  expect([shortId("run-1"), shortId("0123456789abcdef")]).toEqual(["run-1", "…89abcdef"]);
  expect([ago(1000, 2000), ago(0, 40_000), ago(0, 7_200_000), ago(0, 200_000_000)]).toEqual([
    "now",
    "40 s ago",
    "2 h ago",
    "2 d ago",
  ]);
});
