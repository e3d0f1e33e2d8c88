import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { context, type Context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, type Sampler, TracerProvider } from "@opentelemetry/sdk-trace";

type Value = string | number | boolean | undefined;

/** A span as received. */
export interface ReceivedSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** Epoch nanoseconds. */
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly links: readonly string[];
  readonly attributes: Readonly<Record<string, Value>>;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly exceptions: readonly (readonly [type: Value, message: Value])[];
  /** Events that the handler told. */
  readonly told: readonly (readonly [name: string, attributes: Readonly<Record<string, Value>>])[];
  readonly schemaUrl: string | undefined;
}

/** A data point of a metric as received. */
export interface ReceivedPoint {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Readonly<Record<string, Value>>;
  /** Value of a sum. */
  readonly value: number | undefined;
  /** Count of a histogram. */
  readonly count: number | undefined;
  readonly sum: number | undefined;
}

interface Attribute {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string | number;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
  };
}

interface SpanJson {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly links?: readonly { readonly spanId: string }[];
  readonly attributes?: readonly Attribute[];
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly events?: readonly { readonly name: string; readonly attributes?: readonly Attribute[] }[];
}

interface PointJson {
  readonly attributes?: readonly Attribute[];
  readonly asInt?: string | number;
  readonly asDouble?: number;
  readonly count?: string | number;
  readonly sum?: number;
}

interface MetricJson {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly dataPoints: readonly PointJson[] };
  readonly gauge?: { readonly dataPoints: readonly PointJson[] };
  readonly histogram?: { readonly dataPoints: readonly PointJson[] };
}

interface Body {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly { readonly schemaUrl?: string; readonly spans: readonly SpanJson[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly MetricJson[] }[];
  }[];
}

/** Starts the stock SDK, which exports over OTLP/HTTP to a server in this process. */
export async function receiver(options: { readonly sampler?: Sampler } = {}) {
  const bodies: Body[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      bodies.push(JSON.parse(Buffer.concat(parts).toString()) as Body);
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const contextManager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(contextManager);
  const tracerProvider = new TracerProvider({
    ...options,
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${url}/v1/traces` }) })],
  });
  const meterProvider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${url}/v1/metrics` }) })],
  });
  return {
    tracerProvider,
    meterProvider,
    /** Options for `openTelemetry`. */
    providers: { tracerProvider, meterProvider },
    /** Returns every span so far. */
    async spans(): Promise<readonly ReceivedSpan[]> {
      await tracerProvider.forceFlush();
      return bodies.flatMap(spansOf);
    },
    /** Returns every point of the latest export. */
    async points(): Promise<readonly ReceivedPoint[]> {
      await meterProvider.forceFlush();
      return pointsOf(bodies.findLast(({ resourceMetrics }) => resourceMetrics !== undefined) ?? {});
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]);
      context.disable();
      server.close();
    },
  };
}

/** Runs a function with a context active, as a request handler would. */
export function within<Result>(active: Context, act: () => Result): Result {
  return context.with(active, act);
}

function spansOf({ resourceSpans = [] }: Body): ReceivedSpan[] {
  return resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans)
    .flatMap(({ spans, schemaUrl }) =>
      spans.map(({ attributes, links = [], parentSpanId, status = {}, events = [], ...span }) => ({
        ...span,
        schemaUrl,
        parentSpanId: parentSpanId === "" ? undefined : parentSpanId,
        links: links.map(({ spanId }) => spanId),
        attributes: record(attributes),
        status,
        told: events
          .filter(({ name }) => name.startsWith("app."))
          .map(({ name, attributes: data }) => [name, record(data)] as const),
        exceptions: events
          .filter(({ name }) => name === "exception")
          .map((event) => record(event.attributes))
          .map((found) => [found["exception.type"], found["exception.message"]] as const),
      })),
    );
}

function pointsOf({ resourceMetrics = [] }: Body): ReceivedPoint[] {
  return resourceMetrics
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap(({ metrics }) => metrics)
    .flatMap(({ name, unit, sum, gauge, histogram }) =>
      [sum, gauge, histogram]
        .flatMap((kind) => kind?.dataPoints ?? [])
        .map((point) => ({
          name,
          unit,
          attributes: record(point.attributes),
          value: number(point.asInt ?? point.asDouble),
          count: number(point.count),
          sum: point.sum,
        })),
    );
}

function record(attributes: readonly Attribute[] = []): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? number(intValue) ?? doubleValue ?? boolValue,
    ]),
  );
}

function number(value: string | number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
