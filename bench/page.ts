import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { draw } from "./drawing.ts";
import { markdown, sentence, type Row, type Verdict } from "./report.ts";

const root = path.join(import.meta.dirname, "..");
const page = "docs/reference/benchmarks.md";
const picture = "docs/reference/benchmarks.svg";
const [begin, end] = ["<!-- begin: npm run bench -- --page -->", "<!-- end -->"];

/**
 * Writes the figures of a run into the documentation: replaces the picture, and the page between its two marks.
 *
 * @returns the files written.
 * @throws Error when the page has no such marks.
 */
export function writePage(rows: readonly Row[], verdicts: readonly Verdict[], caveats: string): readonly string[] {
  const text = readFileSync(path.join(root, page), "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`Cannot write "${page}": it has no "${begin}" before an "${end}"`);
  const bars = verdicts.map((verdict) => {
    const { figures } = rows.find(({ workload }) => workload.name === verdict.workload)!.workload;
    return `- ${sentence(verdict, verdict.bar.figure ?? figures[0].name)}`;
  });
  const figures = [begin, `\n${caveats}\n`, "## Bars\n", ...bars, "\n## Figures\n", markdown(rows), ""].join("\n");
  writeFileSync(path.join(root, page), `${text.slice(0, from)}${figures}\n${text.slice(to)}`);
  writeFileSync(path.join(root, picture), draw(rows));
  const formatter = path.join(root, "node_modules/.bin/oxfmt");
  if (existsSync(formatter)) spawnSync(formatter, [page], { cwd: root });
  return [page, picture];
}
