// `npm run bench -- --against REV`: runs the working tree and another revision by turns and prints one table.
import type { Figure, Measurement, Reply, Timing, Workload } from "./contract.ts";
import { runFresh } from "./fresh-process.ts";
import { count, median } from "./report.ts";
import type { Revision } from "./revision.ts";

/** Comparison of one subject's two builds in one workload. */
export interface Versus {
  readonly workload: Workload;
  readonly subject: string;
  readonly pairs: { readonly now: Measurement; readonly before: Measurement }[];
  /** Reason why there are no figures, or a remark on them. */
  remark: string | undefined;
  /** Whether a run that should have succeeded failed. */
  failed: boolean;
}

/** Settings of a comparison. */
export interface Contest {
  readonly revision: Revision;
  readonly pairs: number;
  readonly timing: Timing;
  readonly conditions: readonly string[];
  readonly say: (line: string) => void;
}

const processor: Figure = { name: "processor µs each", better: "less" };

/** Runs both builds by turns, A B A B …, each run in a fresh process. */
export async function runVersus(workload: Workload, subject: string, contest: Contest): Promise<Versus> {
  const { revision, timing, conditions, say } = contest;
  const versus: Versus = { workload, subject, pairs: [], remark: undefined, failed: false };
  const order = { subject, workload: workload.name, timing, conditions };
  const runNow = (): Promise<Reply> => runFresh({ ...order, bench: import.meta.dirname });
  let bench = revision.bench;
  const runBefore = async (): Promise<Reply> => {
    try {
      return await runFresh({ ...order, bench });
    } catch (error) {
      if (versus.pairs.length > 0 || revision.ownBench === undefined) throw error;
      bench = revision.ownBench;
      const reply = await runFresh({ ...order, bench }).catch((own: unknown) => {
        throw new Error(`${revision.label} cannot do it: ${(own as Error).message}`, { cause: error });
      });
      versus.remark = `${revision.label} runs with its own bench code: with today's it fails (${(error as Error).message})`;
      return reply;
    }
  };
  const pairs = workload.isExact === true ? 1 : contest.pairs;
  for (let pair = 1; pair <= pairs; pair += 1) {
    const place = `${workload.name.padEnd(20)} ${subject.padEnd(16)} ${pair}/${pairs}`;
    let now: Reply;
    try {
      now = await runNow();
    } catch (error) {
      [versus.failed, versus.remark] = [true, `failed: ${(error as Error).message}`];
      say(`${place}  ${versus.remark}\n${String((error as Error).cause).trim()}`);
      return versus;
    }
    if (typeof now.result === "string") {
      versus.remark = `–  ${now.result}`;
      return versus;
    }
    try {
      const before = await runBefore();
      if (typeof before.result === "string") {
        versus.remark = `–  ${revision.label}: ${before.result}`;
        return versus;
      }
      versus.pairs.push({ now: now.result, before: before.result });
    } catch (error) {
      // a revision without this work is no failure; one that fails halfway is
      versus.failed = versus.pairs.length > 0;
      versus.remark = `–  ${(error as Error).message}`;
      say(`${place}  ${versus.remark}`);
      return versus;
    }
    const { ratio } = linesOf(versus)[0]!;
    say(`${place}  ${ratio === undefined ? "" : `${count(ratio)} × so far`}`);
  }
  return versus;
}

/** Comparison of one figure. */
export interface VersusLine {
  readonly figure: string;
  readonly now: number;
  readonly before: number;
  /** Ratio by which the working tree is better: median over the pairs; none where a figure is not above 0. */
  readonly ratio: number | undefined;
  /** Quartiles of that ratio. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

const ofFigure =
  (figure: Figure) =>
  (run: Measurement): number | undefined =>
    figure === processor ? run.processorUs : run.figures[figure.name];

/** Compares each figure that both builds have, processor time last. */
export function linesOf({ workload, pairs }: Versus): readonly VersusLine[] {
  return [...workload.figures, processor].flatMap((figure) => {
    const valueOf = ofFigure(figure);
    const values = pairs.map(({ now, before }) => [valueOf(now), valueOf(before)] as const);
    const known = values.filter((pair): pair is readonly [number, number] => !pair.includes(undefined));
    if (known.length === 0) return [];
    const ratios = known
      .map(([now, before]) => (now === before ? 1 : figure.better === "more" ? now / before : before / now))
      .toSorted((a, b) => a - b);
    const isComparable = ratios.every((ratio) => ratio > 0 && Number.isFinite(ratio));
    const at = (part: number) => (isComparable ? ratios[Math.round((ratios.length - 1) * part)] : undefined);
    return [
      {
        figure: figure.name,
        now: median(known.map(([now]) => now)),
        before: median(known.map(([, before]) => before)),
        ratio: isComparable ? median(ratios) : undefined,
        from: at(0.25),
        to: at(0.75),
      },
    ];
  });
}

/** Formats all comparisons as one table. */
export function versusTable(all: readonly Versus[], label: string): string {
  const head = ["", "", "now", label, "now is", "middle half"];
  const rows = all.flatMap((versus) => {
    const { workload, subject, remark } = versus;
    const name = subject === "penguiflow" ? workload.name : `${workload.name} ${subject}`;
    const lines = linesOf(versus).map(({ figure, now, before, ratio, from, to }, index) => [
      index === 0 ? name : "",
      figure,
      count(now),
      count(before),
      ratio === undefined ? "" : `${ratio.toFixed(2)} ×`,
      from === undefined || versus.pairs.length === 1 ? "" : `${from.toFixed(2)} – ${to!.toFixed(2)}`,
    ]);
    if (remark !== undefined) lines.push([lines.length === 0 ? name : "", remark]);
    return lines;
  });
  const full = [head, ...rows.filter(({ length }) => length > 2)];
  const widths = head.map((_, column) => Math.max(...full.map((row) => row[column]!.length)));
  widths[0] = Math.max(widths[0]!, ...rows.map(([name]) => name!.length));
  const written = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(written).join("\n");
}
