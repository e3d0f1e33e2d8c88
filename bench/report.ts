import type { Bar, Measurement, Workload } from "./contract.ts";

/** What one subject did in one workload. */
export interface Row {
  readonly workload: string;
  readonly subject: string;
  readonly unit: string;
  version: string | undefined;
  readonly runs: Measurement[];
  /** Why there is no figure: the first run that went wrong, or "does not do this". */
  failure: string | undefined;
}

export interface Verdict {
  readonly workload: string;
  readonly bar: Bar;
  /** The ratio reached; missing when one of the subjects has no figure, which misses the bar. */
  readonly reached: number | undefined;
  readonly passed: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Units per second of one run. */
export function rateOf({ units, elapsedMs }: Measurement): number {
  return (units / elapsedMs) * 1_000;
}

/** The units per second of all rounds, or nothing when a run went wrong. */
function ratesOf(row: Row | undefined): readonly number[] | undefined {
  return row === undefined || row.failure !== undefined ? undefined : row.runs.map(rateOf);
}

/** How many times faster one subject is than another: the median over the rounds, since a round is one stretch of time. */
function timesFaster(row: Row | undefined, other: Row | undefined): number | undefined {
  const [rates, others] = [ratesOf(row), ratesOf(other)];
  return rates && others && median(rates.map((rate, round) => rate / others[round]!));
}

export const count = (value: number): string => Math.round(value).toLocaleString("en");

function ratio(value: number | undefined): string {
  if (value === undefined) return "–";
  return `${value >= 100 ? count(value) : Number(value.toPrecision(3))} ×`;
}

/** All rows of all workloads in one table, the fastest subject of each workload first. */
export function table(rows: readonly Row[]): string {
  const head = ["workload", "subject", "median", "spread", "of floor", "penguiflow is", "requests"];
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  const medianOf = (row: Row) => median(ratesOf(row) ?? [0]);
  const fastestFirst = rows.toSorted(
    (a, b) => workloads.indexOf(a.workload) - workloads.indexOf(b.workload) || medianOf(b) - medianOf(a),
  );
  const body = fastestFirst.map((row) => {
    const beside = (subject: string) => rows.find((r) => r.workload === row.workload && r.subject === subject);
    const subject = row.version === undefined ? row.subject : `${row.subject} (${row.version})`;
    const rates = ratesOf(row);
    if (rates === undefined) return [row.workload, subject, row.failure!.split(":")[0]!, "", "", "", ""];
    const spread = ((Math.max(...rates) - Math.min(...rates)) / 2 / medianOf(row)) * 100;
    return [
      row.workload,
      subject,
      `${count(medianOf(row))} ${row.unit}/s`,
      `±${spread.toFixed(0)} %`,
      ratio(timesFaster(row, beside("floor"))),
      ratio(timesFaster(beside("penguiflow"), row)),
      count(median(row.runs.map(({ requests }) => requests))),
    ];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((line) => line[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "─".repeat(width))), ...body.map(line)].join("\n");
}

/** Judges the bars of the workloads that were run; bars that name a subject left out by choice are not judged. */
export function judge(workloads: readonly Workload[], rows: readonly Row[]): readonly Verdict[] {
  return workloads.flatMap(({ name, bars }) =>
    bars.flatMap((bar): readonly Verdict[] => {
      const rowOf = (subject: string) => rows.find((row) => row.workload === name && row.subject === subject);
      if ([bar.subject, ...bar.than].some((subject) => rowOf(subject) === undefined)) return [];
      const ratios = bar.than.map((subject) => timesFaster(rowOf(bar.subject), rowOf(subject)));
      const reached = ratios.every((value) => value !== undefined) ? Math.min(...ratios) : undefined;
      return [{ workload: name, bar, reached, passed: reached !== undefined && reached >= bar.atLeast }];
    }),
  );
}

export function sentence({ workload, bar, reached, passed }: Verdict): string {
  const others = bar.than.length === 1 ? bar.than[0]! : `the fastest of ${bar.than.join(", ")}`;
  const outcome = reached === undefined ? "cannot be compared with" : `is ${ratio(reached)}`;
  return `${passed ? "pass" : "MISS"}  ${workload}: ${bar.subject} ${outcome} ${others}; at least ${ratio(bar.atLeast)} wanted`;
}
