import {
  type Attributes,
  type BatchObservableResult,
  diag,
  type Meter,
  type MeterProvider,
  type Observable,
} from "@opentelemetry/api";
import { requireKnownKeys } from "penguiflow/adapter";
import { meterOf, requireMeterProvider } from "./open-telemetry.ts";

/** Options of `observeWorker`, `observeCluster` and `observeMemory`. */
export interface ObserveOptions {
  /** Meter provider. @defaultValue the registered one */
  readonly meterProvider?: MeterProvider | undefined;
}

/** Tells the value of a metric. One that is not known is not told. */
export type Tell = (name: string, value: number | undefined, attributes: Attributes) => void;

/** Instruments of one meter, by name. */
export class Instruments {
  readonly byName: Map<string, Observable> = new Map();
  readonly counters: Set<string> = new Set();
  readonly #meter: Meter;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** Number of things that can be added up. */
  level(name: string, unit: string, description: string): void {
    this.byName.set(name, this.#meter.createObservableUpDownCounter(name, { unit, description }));
  }

  /** Amount that cannot be added up: a duration, a share. */
  gauge(name: string, unit: string, description: string): void {
    this.byName.set(name, this.#meter.createObservableGauge(name, { unit, description }));
  }

  counter(name: string, unit: string, description: string): void {
    this.counters.add(name);
    this.byName.set(name, this.#meter.createObservableCounter(name, { unit, description }));
  }
}

/** Reads the figures at each collection. Collections of several readers may overlap. */
export function observe(
  of: string,
  options: ObserveOptions,
  make: (instruments: Instruments) => void,
  read: (tell: Tell, instruments: Instruments) => void | Promise<void>,
): Disposable {
  requireKnownKeys(of, options, ["meterProvider"]);
  requireMeterProvider(of, options.meterProvider);
  const meter = meterOf(options.meterProvider);
  if (meter === undefined) return { [Symbol.dispose]() {} };
  const instruments = new Instruments(meter);
  make(instruments);
  const all = [...instruments.byName.values()];
  const series = new Series(instruments);
  let isOver = false;
  const collect = async (result: BatchObservableResult): Promise<void> => {
    try {
      const told = new Set<string>();
      if (isOver) meter.removeBatchObservableCallback(collect, all);
      else await read((name, value, attributes) => series.tell(result, told, name, value, attributes), instruments);
      series.tellVanished(result, told);
    } catch (error) {
      diag.error(`penguiflow: ${of} cannot read the figures`, error);
    }
  };
  meter.addBatchObservableCallback(collect, all);
  // the next collection tells that nothing is left
  return {
    [Symbol.dispose]() {
      isOver = true;
    },
  };
}

/**
 * Series of levels and gauges that were told. One that has vanished, such as the age of a lane that is empty now, is told
 * as 0: the SDK exports its last value for ever otherwise.
 */
class Series {
  readonly #instruments: Instruments;
  readonly #levels = new Map<string, { readonly observable: Observable; readonly attributes: Attributes }>();

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
  }

  tell(
    result: BatchObservableResult,
    told: Set<string>,
    name: string,
    value: number | undefined,
    attributes: Attributes,
  ): void {
    if (value === undefined) return;
    const observable = this.#instruments.byName.get(name)!;
    result.observe(observable, value, attributes);
    if (this.#instruments.counters.has(name)) return;
    const key = JSON.stringify([name, attributes]);
    told.add(key);
    this.#levels.set(key, { observable, attributes });
  }

  tellVanished(result: BatchObservableResult, told: ReadonlySet<string>): void {
    for (const [key, { observable, attributes }] of this.#levels)
      if (!told.has(key)) result.observe(observable, 0, attributes);
  }
}
