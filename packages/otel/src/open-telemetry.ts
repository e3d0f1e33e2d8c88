import {
  createNoopMeter,
  type Meter,
  type MeterProvider,
  metrics as globalMetrics,
  trace as globalTraces,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import type { Instrument } from "penguiflow";
import { requireKnownKeys } from "penguiflow/adapter";
import { SCHEMA_URL, SCOPE } from "./conventions.ts";
import { MeterWriter, Metrics } from "./meter-writer.ts";
import { type Contents, SpanWriter } from "./span-writer.ts";
import { carryingAll } from "./trace-context.ts";

/** Options of {@link openTelemetry}. */
export interface OpenTelemetryOptions {
  /** Tracer provider. @defaultValue the registered one */
  readonly tracerProvider?: TracerProvider;
  /** Meter provider. @defaultValue the registered one */
  readonly meterProvider?: MeterProvider;
  /**
   * Writes the inputs and return values of handlers into their spans, as this function returns them. Remove secrets
   * from them, or return `undefined` to withhold them. Texts are cut at 8192 characters. @defaultValue not written
   */
  readonly contents?: Contents;
}

const OPTIONS = ["tracerProvider", "meterProvider", "contents"];

/**
 * Traces and measures a flow: `create(…, { instrument: openTelemetry() })`. A run that began before an SDK was
 * registered is not traced, and has no overhead.
 *
 * @throws TypeError when an option is unknown or of the wrong kind
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Instrument {
  requireOptions(options);
  const known = new WeakMap<Meter, Metrics>();
  const metricsOf = (meter: Meter): Metrics => {
    const metrics = known.get(meter) ?? new Metrics(meter);
    known.set(meter, metrics);
    return metrics;
  };
  return (run) => {
    const tracer = tracerOf(options.tracerProvider);
    const meter = meterOf(options.meterProvider);
    if (tracer === undefined && meter === undefined) return undefined;
    const spans = tracer === undefined ? undefined : new SpanWriter(tracer, run.flow, options.contents);
    const measures = meter === undefined ? undefined : new MeterWriter(metricsOf(meter), run);
    return {
      begin: (trace, message) => spans?.begin(trace, message),
      enter: (trace, message) => spans?.enter(trace, message) ?? message,
      handle: (attempt, handler) => {
        if (spans === undefined) handler(attempt.message);
        else spans.handle(attempt, handler);
      },
      fetched: (attempt, message) => spans?.fetched(attempt, message),
      gather: (group, parts) => (spans === undefined ? group : carryingAll(group, parts)),
      event: (event, trace, attempt) => {
        measures?.event(event);
        spans?.event(event, trace, attempt);
      },
      stop: () => measures?.stop(),
    };
  };
}

/** Proxy of the registered provider. Without a delegate no SDK is registered. */
interface Proxy extends TracerProvider {
  getDelegateTracer?(...scope: Parameters<TracerProvider["getTracer"]>): Tracer | undefined;
}

function tracerOf(given: TracerProvider | undefined): Tracer | undefined {
  const provider: Proxy = given ?? globalTraces.getTracerProvider();
  const options = { schemaUrl: SCHEMA_URL };
  return provider.getDelegateTracer === undefined
    ? provider.getTracer(SCOPE, undefined, options)
    : provider.getDelegateTracer(SCOPE, undefined, options);
}

/** Returns the meter of this package, or `undefined` when no SDK is registered. */
export function meterOf(given: MeterProvider | undefined): Meter | undefined {
  const meter = (given ?? globalMetrics.getMeterProvider()).getMeter(SCOPE, undefined, { schemaUrl: SCHEMA_URL });
  return meter === createNoopMeter() ? undefined : meter;
}

/** @throws TypeError when the option is no meter provider */
export function requireMeterProvider(of: string, given: MeterProvider | undefined): void {
  if (given !== undefined && typeof given.getMeter !== "function")
    throw new TypeError(`Option "meterProvider" of ${of} must be a MeterProvider: it has no getMeter`);
}

function requireOptions(options: OpenTelemetryOptions): void {
  requireKnownKeys("openTelemetry", options, OPTIONS);
  const { tracerProvider, meterProvider, contents } = options;
  if (tracerProvider !== undefined && typeof tracerProvider.getTracer !== "function")
    throw new TypeError('Option "tracerProvider" of openTelemetry must be a TracerProvider: it has no getTracer');
  requireMeterProvider("openTelemetry", meterProvider);
  if (contents !== undefined && typeof contents !== "function")
    throw new TypeError(
      `Option "contents" of openTelemetry must be a function (payload, place): got ${String(contents)}`,
    );
}
