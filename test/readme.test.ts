import { describe, expect, test } from "vitest";
import { read } from "../scripts/workspace.ts";

const readme = read("README.md").replaceAll(/\s+/g, " ");
const benchmarks = read("docs/reference/benchmarks.md");

/** Each measured figure of the README with the line of the benchmarks page that it repeats. */
const figures: ReadonlyArray<readonly [name: string, inReadme: RegExp, onPage: RegExp]> = [
  ["the import", /it imports in ([\d.]+) ms/, /package: ([\d.]+) import ms/],
  [
    "ten nodes beside Effect",
    /Ten nodes in a line run ([\d.]+) × as fast as the best Effect queues/,
    /linear-10: penguiflow is ([\d.]+) × effect-queue/,
  ],
  ["a waiting call", /a call that waits takes ([\d.]+) bytes/, /pending-100000: ([\d.]+) bytes each/],
];

describe("the README", () => {
  test.for(figures)("tells %s as the benchmarks page does", ([, inReadme, onPage]) => {
    const told = inReadme.exec(readme)?.[1];
    expect(told, `README.md has no figure that fits ${String(inReadme)}`).toBeDefined();
    expect(told).toBe(onPage.exec(benchmarks)?.[1]);
  });

  test("repeats no figure that is not compared with the page", () => {
    const measured = [...readme.matchAll(/\b[\d.]+ (?:×|ms|bytes|kB)(?!\w)/g)].map(([found]) => found);
    expect(measured).toHaveLength(figures.length);
  });
});
