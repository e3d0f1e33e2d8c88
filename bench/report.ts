import { type Bar, type Figure, type Measurement, subjectOf, type Workload } from "./contract.ts";

/** Results of one subject in one workload. */
export interface Row {
  readonly workload: Workload;
  readonly subject: string;
  version: string | undefined;
  note: string | undefined;
  readonly runs: Measurement[];
  /** Reason why the subject cannot do this work at all. */
  cannot: string | undefined;
  /** Failure of the first run that failed. */
  failure: string | undefined;
}

export interface Verdict {
  readonly workload: string;
  readonly bar: Bar;
  /** Ratio or figure reached; missing when there is nothing to compare, which misses the bar. */
  readonly reached: number | undefined;
  /** Best of the subjects it is compared with. */
  readonly best: string | undefined;
  /** Figure of the bare chain in place of the subject, where the bar compares with something else. */
  readonly floor: number | undefined;
  /** The figure itself, for a bar with an `enough`. */
  readonly figure: number | undefined;
  readonly passed: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Returns a figure of all rounds, or `undefined` when a run failed or there was none. */
function valuesOf(row: Row | undefined, figure: Figure): readonly number[] | undefined {
  if (row === undefined || row.failure !== undefined || row.runs.length === 0) return undefined;
  return row.runs.map(({ figures }) => figures[figure.name]!);
}

/**
 * Returns how many times better one subject is than another: the median over the rounds, since the runs of a round are
 * close in time.
 */
export function timesBetter(row: Row | undefined, other: Row | undefined, figure: Figure): number | undefined {
  const [values, others] = [valuesOf(row, figure), valuesOf(other, figure)];
  if (values === undefined || others === undefined) return undefined;
  const rounds = Math.min(values.length, others.length);
  return median(
    Array.from({ length: rounds }, (_, round) =>
      figure.better === "more" ? values[round]! / others[round]! : others[round]! / values[round]!,
    ),
  );
}

/** Formats a number with three significant digits, or all digits before the point. */
export function count(value: number): string {
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en")
    : Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });
}

const times = (value: number | undefined): string => (value === undefined ? "" : `${count(value)} ×`);
const named = ({ subject, version }: Row): string => (version === undefined ? subject : `${subject} ${version}`);

const head = ["", "median", "spread", "of floor", "penguiflow is", "also"];

/** Formats the lines of one workload, the best subject first; those that cannot do it last, with the reason. */
function linesOf(workload: Workload, rows: readonly Row[]): readonly (readonly string[])[] {
  const [main, ...others] = workload.figures;
  const beside = (subject: string) => rows.find((row) => row.subject === subject);
  const goodness = (row: Row) => {
    const values = valuesOf(row, main);
    if (values === undefined) return row.failure === undefined ? -Infinity : -Number.MAX_VALUE;
    return main.better === "more" ? median(values) : -median(values);
  };
  return rows
    .toSorted((a, b) => goodness(b) - goodness(a))
    .map((row) => {
      if (row.cannot !== undefined) return [named(row), `–  ${row.cannot}`];
      const values = valuesOf(row, main);
      if (values === undefined) return [named(row), `failed  ${row.failure}`];
      const spread = ((Math.max(...values) - Math.min(...values)) / 2 / Math.abs(median(values))) * 100;
      const also = others.map((figure) => `${figure.name} ${count(median(valuesOf(row, figure)!))}`);
      if (row.note !== undefined) also.push(row.note);
      const comparable = workload.subjects?.length !== 1;
      return [
        named(row),
        `${count(median(values))} ${main.name}`,
        values.length === 1 || main.name === "cost %" || Number.isNaN(spread) ? "" : `±${spread.toFixed(0)} %`,
        comparable ? times(timesBetter(row, beside("floor"), main)) : "",
        comparable ? times(timesBetter(beside("penguiflow"), row, main)) : "",
        also.join(", "),
      ];
    });
}

/** Formats all workloads as one table. */
export function table(rows: readonly Row[]): string {
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  const groups = workloads.map((workload) => ({
    title: `${workload.name}: ${workload.title}`,
    lines: linesOf(
      workload,
      rows.filter((row) => row.workload === workload),
    ),
  }));
  const full = [head, ...groups.flatMap(({ lines }) => lines.filter(({ length }) => length > 2))];
  const names = groups.flatMap(({ lines }) => lines.map(([name]) => name!.length));
  const widths = head.map((_, column) =>
    Math.max(...full.map((line) => line[column]!.length), ...(column === 0 ? names : [])),
  );
  const written = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 || column === 5 || cells.length === 2
          ? cell.padEnd(widths[column]!)
          : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  const body = groups.flatMap(({ title, lines }) => ["", title, ...lines.map((line) => `  ${written(line)}`)]);
  return [`  ${written(head)}`, ...body].join("\n");
}

/** Formats the same as a Markdown table. */
export function markdown(rows: readonly Row[]): string {
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  return workloads
    .map((workload) => {
      const lines = linesOf(
        workload,
        rows.filter((row) => row.workload === workload),
      );
      const cells = lines.map((line) => (line.length === 2 ? [line[0]!, line[1]!, "", "", "", ""] : line));
      // Columns without information are left out.
      const columns = head
        .map((_, column) => column)
        .filter((column) => column < 2 || cells.some((line) => line[column]));
      const written = (line: readonly string[]) => `| ${columns.map((column) => line[column]!).join(" | ")} |`;
      return [
        `**${workload.name}**: ${workload.title}\n`,
        written(head),
        `| ${columns.map((column) => (column === 0 || column === 5 ? "---" : "---:")).join(" | ")} |`,
        ...cells.map(written),
      ].join("\n");
    })
    .join("\n\n");
}

/** Judges the bars of the workloads that were run; a bar whose subject was left out on purpose is not judged. */
export function judge(rows: readonly Row[]): readonly Verdict[] {
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  return workloads.flatMap((workload) =>
    workload.bars.flatMap((bar): readonly Verdict[] => {
      const rowOf = (subject: string) => rows.find((row) => row.workload === workload && row.subject === subject);
      const { than = [], enough = Infinity } = bar;
      if ([subjectOf(bar), ...than].some((subject) => rowOf(subject) === undefined)) return [];
      const figure = workload.figures.find(({ name }) => name === bar.figure) ?? workload.figures[0];
      const its = rowOf(subjectOf(bar));
      if (its?.cannot !== undefined && bar.of !== undefined) return [];
      const values = valuesOf(its, figure);
      const own = values && median(values);
      const against = (row: Row | undefined) => {
        const known = than
          .map((subject) => ({ subject, ratio: timesBetter(row, rowOf(subject), figure) }))
          .filter((one): one is { subject: string; ratio: number } => one.ratio !== undefined);
        return known.toSorted((a, b) => a.ratio - b.ratio)[0];
      };
      const closest = against(its);
      const reached = bar.than === undefined ? own : closest?.ratio;
      const bare = valuesOf(rowOf("floor"), figure);
      const floorItself = bar.than === undefined ? bare && median(bare) : against(rowOf("floor"))?.ratio;
      const { atLeast = -Infinity, atMost = Infinity } = bar;
      const isEnough = own !== undefined && own >= enough;
      const passed = isEnough || (reached !== undefined && reached >= atLeast && reached <= atMost);
      const verdict = { workload: workload.name, bar, reached, best: closest?.subject, passed };
      const floor = than.includes("floor") ? undefined : floorItself;
      return [{ ...verdict, floor, figure: bar.enough === undefined ? undefined : own }];
    }),
  );
}

/** Formats a verdict as one line. */
export function sentence(verdict: Verdict, figureName: string): string {
  const { workload, bar, reached, best, floor, figure, passed } = verdict;
  const mark = passed ? "pass" : "MISS";
  const limit = bar.atLeast === undefined ? `at most ${count(bar.atMost!)}` : `at least ${count(bar.atLeast)}`;
  if (bar.than === undefined) {
    const whose = bar.of === undefined ? "" : `${bar.of} `;
    const bare = passed || floor === undefined ? "" : `; floor ${count(floor)}`;
    return `${mark}  ${workload}: ${whose}${reached === undefined ? "no" : count(reached)} ${figureName}; ${limit} wanted${bare}`;
  }
  const others = bar.than.length === 1 ? bar.than[0]! : `${best ?? "any"}, the best of ${bar.than.join(", ")}`;
  const bare = passed || floor === undefined ? "" : `; floor is ${times(floor)}`;
  const outcome = reached === undefined ? "cannot be compared with" : `is ${times(reached)}`;
  const own = figure === undefined ? "" : ` and ${count(figure)} ${figureName}`;
  const or = bar.enough === undefined ? "" : ` or ${count(bar.enough)} ${figureName}`;
  return `${mark}  ${workload}: ${subjectOf(bar)} ${outcome} ${others}${own}; ${limit} ×${or} wanted${bare}`;
}
