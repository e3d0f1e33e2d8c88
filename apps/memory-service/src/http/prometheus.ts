import type { Sample } from "../telemetry/figures.ts";

/** Writes figures in the text format of Prometheus, version 0.0.4. */
export function prometheusText(samples: readonly Sample[]): string {
  const told = new Set<string>();
  return samples
    .map(({ name, kind, labels, value }) => {
      // the samples of a histogram carry the suffix of their series
      const family = kind === "histogram" ? name.replace(/_(?:bucket|sum|count)$/, "") : name;
      const head = told.has(family) ? "" : `# TYPE ${family} ${kind}\n`;
      told.add(family);
      const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
      return `${head}${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
    })
    .join("");
}
