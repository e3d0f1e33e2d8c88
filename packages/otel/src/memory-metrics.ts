import type { Counter, Histogram, Meter } from "@opentelemetry/api";
import { type Instruments, observe, type ObserveOptions } from "./observed-figures.ts";
import { meterOf } from "./open-telemetry.ts";

/** A memory of `@penguiflow/memory-service`. */
export interface ObservedMemory {
  /** Tells a listener of what is counted and timed, until the returned object is disposed. */
  onMeasured(listener: (measured: MemoryFigure) => void): Disposable;
  /** Returns the figures so far; of these the gauges are read. */
  figures(): Promise<readonly MemoryFigure[]>;
}

/** A figure of a memory. */
export interface MemoryFigure {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly labels: Readonly<Record<string, string>>;
  /** 1 for something that was counted just now, milliseconds for something that was timed. */
  readonly value: number;
}

/** Metrics of a memory, by the names under which its own /metrics has them. They name no tenant, user or text. */
const MemoryMetric = {
  INGEST: "memory_ingest_total",
  FALLBACK: "memory_fallback_total",
  REQUESTS: "memory_requests_total",
  RETRIEVE: "memory_retrieve_ms",
  JOBS: "memory_jobs",
  JOB_LAG: "memory_job_lag_ms",
  BLOCKS: "memory_blocks_bytes",
} as const;

/** Bounds in milliseconds, as those of the memory's own /metrics. */
const BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/**
 * Measures a memory: what it keeps, how long its searches take by stage, stages that took their second way, its queue,
 * and the vectors it holds; until the returned object is disposed. Metrics have no unit, since it is in their names.
 * Without a registered SDK it does nothing.
 *
 * @example
 * ```ts no-run
 * await using memory = await openMemory({ directory: "./memory" });
 * using _ = observeMemory(memory);
 * ```
 * @throws TypeError when an option is unknown or of the wrong kind
 */
export function observeMemory(memory: ObservedMemory, options: ObserveOptions = {}): Disposable {
  const gauges = observe("observeMemory", options, instrumentsOfMemory, async (tell, { byName }) => {
    for (const { name, kind, labels, value } of await memory.figures())
      if (kind === "gauge" && byName.has(name)) tell(name, value, labels);
  });
  const meter = meterOf(options.meterProvider);
  const listening = meter === undefined ? undefined : memory.onMeasured(recorderOf(meter));
  return {
    [Symbol.dispose]() {
      listening?.[Symbol.dispose]();
      gauges[Symbol.dispose]();
    },
  };
}

function instrumentsOfMemory(make: Instruments): void {
  make.level(MemoryMetric.JOBS, "", "Embedding jobs, by state");
  make.gauge(MemoryMetric.JOB_LAG, "", "Milliseconds since the job that waits longest became due");
  make.level(MemoryMetric.BLOCKS, "", "Bytes of the vectors in memory");
}

/** Returns a listener that records what is counted and timed. Figures without a metric are left out. */
function recorderOf(meter: Meter): (measured: MemoryFigure) => void {
  const counter = (name: string, description: string): [string, Counter] => [
    name,
    meter.createCounter(name, { description }),
  ];
  const counters = new Map<string, Counter>([
    counter(MemoryMetric.INGEST, "Fragments that were kept"),
    counter(MemoryMetric.FALLBACK, "Stages that took their second way, by stage and reason"),
    counter(MemoryMetric.REQUESTS, "Requests, by flow and status"),
  ]);
  const retrieve: Histogram = meter.createHistogram(MemoryMetric.RETRIEVE, {
    description: "Milliseconds of each stage of a search",
    advice: { explicitBucketBoundaries: BOUNDS },
  });
  return ({ name, labels, value }) => {
    counters.get(name)?.add(value, labels);
    if (name === MemoryMetric.RETRIEVE) retrieve.record(value, labels);
  };
}
