/** A metric. A histogram has samples named after it with `_count`, `_sum` and `_bucket`. */
export interface Family {
  readonly type: string;
  readonly samples: readonly Sample[];
}

/** One value of a series. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const COMMENT = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][\w:]*) (.+)$/;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/gy;

/**
 * Parses a scrape, more strictly than Prometheus does: every sample follows the type of its metric, no series repeats,
 * and the buckets of a histogram add up.
 *
 * @throws Error that names the line
 */
export function readPrometheusText(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, { type: string; samples: Sample[] }>();
  const seen = new Set<string>();
  if (!text.endsWith("\n")) throw new Error("The last line has no end");
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, named = "", type = ""] = COMMENT.exec(line) ?? [];
    if (keyword === "TYPE") {
      if (families.has(named)) throw new Error(`Metric with two types: ${line}`);
      families.set(named, { type, samples: [] });
    }
    if (keyword !== undefined) continue;
    const [, name = "", labelText = "", value = ""] = SAMPLE.exec(line) ?? [];
    if (name === "") throw new Error(`Neither comment nor sample: ${line}`);
    const series = line.slice(0, line.lastIndexOf(" "));
    if (seen.has(series)) throw new Error(`Series told twice: ${line}`);
    seen.add(series);
    const family = families.get(name) ?? families.get(name.replace(/_(?:count|sum|bucket)$/, ""));
    if (family === undefined) throw new Error(`Sample without a type: ${line}`);
    family.samples.push({ name, labels: labelsOf(labelText, line), value: Number(value.replace("Inf", "Infinity")) });
  }
  for (const [name, { type, samples }] of families) if (type === "histogram") requireBuckets(name, samples);
  return families;
}

function labelsOf(text: string, line: string): Record<string, string> {
  const matches = [...text.matchAll(LABEL)];
  if (matches.map(([all]) => all).join("") !== text) throw new Error(`Malformed labels: ${line}`);
  return Object.fromEntries(matches.map(([, key = "", value = ""]) => [key, value] as const));
}

function requireBuckets(name: string, samples: readonly Sample[]): void {
  const last = new Map<string, { bound: number; count: number }>();
  for (const { name: series, labels, value } of samples) {
    if (series !== `${name}_bucket`) continue;
    const { le = "", ...others } = labels;
    const bound = Number(le.replace("Inf", "Infinity"));
    const before = last.get(JSON.stringify(others));
    if (!(bound > (before?.bound ?? -Infinity)) || value < (before?.count ?? 0))
      throw new Error(`Buckets of ${name} do not rise at ${le}`);
    last.set(JSON.stringify(others), { bound, count: value });
  }
  for (const { name: series, labels, value } of samples) {
    if (series !== `${name}_count`) continue;
    const { bound, count } = last.get(JSON.stringify(labels)) ?? {};
    if (bound !== Infinity || count !== value) throw new Error(`Buckets of ${name} do not add up to its count`);
  }
}
