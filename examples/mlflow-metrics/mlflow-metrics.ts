import { type FlowEvent, metricSamples } from "penguiflow";

/** One value of a metric at a moment, as MLflow keeps it. */
export interface Metric {
  readonly key: string;
  readonly value: number;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly step: number;
}

/** Where metrics go. */
export interface MetricsSink {
  write(metrics: readonly Metric[]): Promise<void>;
  /** Everything has been written. */
  close(status: "FINISHED" | "FAILED"): Promise<void>;
}

/** What a request to a tracking server may hold at most. */
const MOST_METRICS = 1000;

/** How many values wait while the server is slow; further ones are counted and gone. */
const MOST_WAITING = 10_000;

/**
 * A middleware that turns events into metrics and writes them in batches, beside the flow: it never awaits the
 * sink, so a server that is slow, down or wrong costs the flow nothing but metrics.
 */
export class MetricsWriter {
  /** Values that were not written, and why the last of them was not. */
  lost = 0;
  lastError: unknown;
  readonly #sink: MetricsSink;
  readonly #steps = new Map<string, number>();
  #waiting: Metric[] = [];
  #writing: Promise<void> | undefined;

  constructor(sink: MetricsSink) {
    this.#sink = sink;
  }

  /** The middleware. */
  readonly watch = (event: FlowEvent): void => {
    for (const { name, kind, value, labels } of metricSamples(event)) {
      if (kind === "gauge") continue;
      const key = [name, labels["node"], labels["event"], labels["status"], labels["code"]]
        .filter((part) => part !== undefined)
        .join("/");
      const step = (this.#steps.get(key) ?? 0) + 1;
      this.#steps.set(key, step);
      if (this.#waiting.length >= MOST_WAITING) this.lost += 1;
      // a counter is kept as its sum so far, and the step is that sum, too
      else this.#waiting.push({ key, value: kind === "counter" ? step : value, timestamp: event.at, step });
    }
    this.#writing ??= this.#write();
  };

  /** Writes what is left and ends the run. Call it when the flow has stopped. */
  async close(status: "FINISHED" | "FAILED"): Promise<void> {
    await this.#writing;
    await this.#sink.close(status).catch((error: unknown) => {
      this.lastError = error;
    });
  }

  async #write(): Promise<void> {
    // a turn of the event loop makes a batch of what belongs together
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MOST_METRICS);
      try {
        await this.#sink.write(batch);
      } catch (error) {
        this.lost += batch.length;
        this.lastError = error;
      }
    }
    this.#writing = undefined;
  }
}
