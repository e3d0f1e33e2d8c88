// Summarises the last test run with coverage: its counts, and the files with the least coverage.
import { existsSync } from "node:fs";
import path from "node:path";
import { conclude, read, root } from "./workspace.ts";

interface Counts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
}
type Measure = "lines" | "branches" | "functions";
type Coverage = Readonly<Record<Measure, { readonly pct: number }>>;

const shown = 8;

if (!existsSync(path.join(root, "coverage/coverage-summary.json"))) {
  conclude(["No coverage was written: the test run above did not get to its end"], "");
} else {
  const counts = JSON.parse(read("coverage/tests.json")) as Counts;
  const { total, ...rest } = JSON.parse(read("coverage/coverage-summary.json")) as { total: Coverage } & Record<
    string,
    Coverage
  >;
  const row = (name: string, coverage: Coverage): string =>
    (["lines", "branches", "functions"] as const)
      .map((measure) => `${coverage[measure].pct.toFixed(0)} %`.padStart(11))
      .join("") + `  ${name}`;
  const least = Object.entries(rest)
    .filter(([, coverage]) => coverage.lines.pct < 100 || coverage.branches.pct < 100)
    .sort(([, a], [, b]) => a.lines.pct - b.lines.pct || a.branches.pct - b.branches.pct)
    .slice(0, shown);
  conclude(
    [],
    [
      `${counts.numPassedTests} passed, ${counts.numFailedTests} failed`,
      "      lines   branches  functions",
      row(`all ${Object.keys(rest).length} files`, total),
      ...least.map(([file, coverage]) => row(path.relative(root, file), coverage)),
    ].join("\n"),
  );
}
