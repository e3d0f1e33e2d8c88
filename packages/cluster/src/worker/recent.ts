import { createHistogram, monitorEventLoopDelay, type RecordableHistogram } from "node:perf_hooks";

/** Percentiles of durations in milliseconds; all 0 when there were none. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>;

const NONE: Spread = { count: 0, p50: 0, p99: 0, max: 0 };
/** Length of a period in milliseconds. */
const PERIOD_MS = 30_000;
const LONGEST_MICROSECONDS = 3_600_000_000;
const RESOLUTION_MS = 20;
const NANOSECONDS = 1_000_000;

/** Histogram of the period that runs, and the percentiles of the one before: a reader sees at least a whole period. */
class Periods<Kind extends RecordableHistogram | IntervalHistogram> {
  readonly histogram: Kind;
  readonly #unitsPerMs: number;
  readonly #leastMs: number;
  #before = NONE;
  #turnedAt: number | undefined;

  /** @param leastMs - amount by which each recorded value is too long */
  constructor(histogram: Kind, unitsPerMs: number, leastMs: number) {
    this.histogram = histogram;
    this.#unitsPerMs = unitsPerMs;
    this.#leastMs = leastMs;
  }

  /** Begins the next period, if it is time. */
  turn(now: number): void {
    this.#turnedAt ??= now;
    if (now < this.#turnedAt + PERIOD_MS) return;
    this.#turnedAt = now;
    this.#before = this.#present();
    this.histogram.reset();
  }

  /** Percentiles of both periods: each is that of the worse one. */
  get spread(): Spread {
    const [one, other] = [this.#before, this.#present()];
    return {
      count: one.count + other.count,
      p50: Math.max(one.p50, other.p50),
      p99: Math.max(one.p99, other.p99),
      max: Math.max(one.max, other.max),
    };
  }

  #present(): Spread {
    const { count } = this.histogram;
    if (count === 0) return NONE;
    const ms = (value: number): number =>
      Math.max(0, Math.round((value / this.#unitsPerMs - this.#leastMs) * 1_000) / 1_000);
    return {
      count,
      p50: ms(this.histogram.percentile(50)),
      p99: ms(this.histogram.percentile(99)),
      max: ms(this.histogram.max),
    };
  }
}

/** Durations of the last 30 to 60 seconds. */
export class RecentDurations extends Periods<RecordableHistogram> {
  constructor() {
    super(createHistogram({ lowest: 1, highest: LONGEST_MICROSECONDS, figures: 2 }), 1_000, 0);
  }

  record(ms: number): void {
    this.histogram.record(Math.min(Math.max(1, Math.round(ms * 1_000)), LONGEST_MICROSECONDS));
  }
}

/** Delays of the event loop of this process, in the last 30 to 60 seconds, while a worker watches it. */
export class LoopDelays extends Periods<IntervalHistogram> {
  #watchers = 0;

  constructor() {
    // it records the distance of two looks, which is the resolution when nothing delays them
    super(monitorEventLoopDelay({ resolution: RESOLUTION_MS }), NANOSECONDS, RESOLUTION_MS);
  }

  watch(): void {
    this.#watchers += 1;
    this.histogram.enable();
  }

  unwatch(): void {
    this.#watchers -= 1;
    if (this.#watchers === 0) this.histogram.disable();
  }
}

/** Delays of the one event loop of this thread. */
export const loopDelays: LoopDelays = new LoopDelays();
