import { type FlowEvent, metricSamples } from "penguiflow";

/** A value of a metric at an instant, as MLflow stores it. */
export interface Metric {
  readonly key: string;
  readonly value: number;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly step: number;
}

/** Destination of metrics. */
export interface MetricsSink {
  write(metrics: readonly Metric[]): Promise<void>;
  /** Ends the run after everything has been written. */
  close(status: "FINISHED" | "FAILED"): Promise<void>;
}

/** Maximum number of metrics in a request to a tracking server. */
const MOST_METRICS = 1000;

/** Maximum number of queued values while the server is slow; further ones are dropped and counted. */
const MOST_WAITING = 10_000;

/**
 * A middleware that turns events into metrics and writes them in batches, apart from the flow. It never awaits the
 * sink, so a slow or broken server costs the flow metrics and nothing else.
 */
export class MetricsWriter {
  /** Number of values that were not written, and the reason for the last of them. */
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
      // a counter is stored as its running total, which is also its step
      else this.#waiting.push({ key, value: kind === "counter" ? step : value, timestamp: event.at, step });
    }
    this.#writing ??= this.#write();
  };

  /** Writes the remaining values and ends the run. Call it when the flow has stopped. */
  async close(status: "FINISHED" | "FAILED"): Promise<void> {
    await this.#writing;
    await this.#sink.close(status).catch((error: unknown) => {
      this.lastError = error;
    });
  }

  async #write(): Promise<void> {
    // waiting one turn of the event loop batches the metrics of the same work
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
