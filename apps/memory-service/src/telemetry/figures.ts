/** One figure with its labels. */
export interface Sample {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Upper bounds of the buckets, in milliseconds. */
const BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

interface Histogram {
  readonly buckets: number[];
  sum: number;
  count: number;
}

/** One thing that was counted or timed. */
export interface Measured {
  readonly name: string;
  readonly kind: "counter" | "histogram";
  readonly labels: Readonly<Record<string, string>>;
  /** 1 for a counter, milliseconds for a histogram. */
  readonly value: number;
}

/** Receives what is counted and timed, as it happens: for another system of metrics. */
export type MeasureListener = (measured: Measured) => void;

/** Counters and histograms. Labels are names of flows, stages and reasons: their number is bounded by the code. */
export class Figures {
  readonly #counters = new Map<string, { name: string; labels: Readonly<Record<string, string>>; value: number }>();
  readonly #histograms = new Map<
    string,
    { name: string; labels: Readonly<Record<string, string>>; value: Histogram }
  >();

  readonly #listeners = new Set<MeasureListener>();

  /** Tells a listener of everything that follows, until the returned object is disposed. */
  listen(listener: MeasureListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Counts one more. */
  count(name: string, labels: Readonly<Record<string, string>>): void {
    this.#tell({ name, kind: "counter", labels, value: 1 });
    const key = name + JSON.stringify(labels);
    const known = this.#counters.get(key);
    if (known === undefined) this.#counters.set(key, { name, labels, value: 1 });
    else known.value += 1;
  }

  /** Records a span in milliseconds. */
  observe(name: string, ms: number, labels: Readonly<Record<string, string>>): void {
    this.#tell({ name, kind: "histogram", labels, value: ms });
    const key = name + JSON.stringify(labels);
    let known = this.#histograms.get(key);
    if (known === undefined) {
      known = { name, labels, value: { buckets: BOUNDS.map(() => 0), sum: 0, count: 0 } };
      this.#histograms.set(key, known);
    }
    const { value } = known;
    const at = BOUNDS.findIndex((bound) => ms <= bound);
    if (at >= 0) value.buckets[at] = (value.buckets[at] ?? 0) + 1;
    value.sum += ms;
    value.count += 1;
  }

  /** Returns all figures; a histogram as cumulative `_bucket`s, `_sum` and `_count`. */
  samples(): Sample[] {
    const samples: Sample[] = [...this.#counters.values()].map((counter) => ({ ...counter, kind: "counter" }));
    for (const { name, labels, value } of this.#histograms.values()) {
      let below = 0;
      for (const [at, bound] of BOUNDS.entries()) {
        below += value.buckets[at] ?? 0;
        samples.push({
          name: `${name}_bucket`,
          kind: "histogram",
          labels: { ...labels, le: String(bound) },
          value: below,
        });
      }
      samples.push({
        name: `${name}_bucket`,
        kind: "histogram",
        labels: { ...labels, le: "+Inf" },
        value: value.count,
      });
      samples.push({ name: `${name}_sum`, kind: "histogram", labels, value: value.sum });
      samples.push({ name: `${name}_count`, kind: "histogram", labels, value: value.count });
    }
    return samples;
  }

  #tell(measured: Measured): void {
    for (const listener of this.#listeners) listener(measured);
  }
}
