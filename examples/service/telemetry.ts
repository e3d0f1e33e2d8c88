// Telemetry for operators: a log line for each request, and metrics for Prometheus.
import type { IncomingMessage, ServerResponse } from "node:http";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { openTelemetry } from "@penguiflow/otel";
import { defaultLogger, type Instrument } from "penguiflow";
import type { Door } from "./door.ts";

/** Outcome of a request, without its question and answer. */
export interface Served {
  readonly method: string;
  /** Matched route; `undefined` for an unknown path. */
  readonly route: string | undefined;
  readonly status: number;
  readonly startedAt: number;
  readonly traceId: string;
  readonly tenant?: string | undefined;
  readonly code?: string | undefined;
}

/** Bounds in seconds, as the conventions for HTTP metrics advise. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export class Telemetry {
  readonly #exporter = new PrometheusExporter({ preventServerStart: true, withoutTargetInfo: true });
  readonly #provider = new MeterProvider({ readers: [this.#exporter] });
  readonly #duration = this.#provider.getMeter("service").createHistogram("http.server.request.duration", {
    description: "Duration of HTTP server requests and of questions by WebSocket",
    unit: "s",
    advice: { explicitBucketBoundaries: BOUNDS },
  });
  /** Instrument of the flow, whose metrics are exported beside the service's own. */
  readonly instrument: Instrument = openTelemetry({ meterProvider: this.#provider });

  constructor(door: Door) {
    this.#provider
      .getMeter("service")
      .createObservableUpDownCounter("http.server.active_requests", {
        description: "Requests in flight",
        unit: "{request}",
      })
      .addCallback((result) => result.observe(door.inside));
  }

  served({ startedAt, ...fields }: Served): void {
    const durationMs = performance.now() - startedAt;
    const level = fields.status < 500 ? "info" : fields.status === 500 ? "error" : "warn";
    defaultLogger[level]("request", { ...fields, durationMs: Math.round(durationMs * 100) / 100 });
    // labels with few values: neither tenant nor trace id
    this.#duration.record(durationMs / 1_000, {
      "http.request.method": fields.method,
      "http.route": fields.route ?? "",
      "http.response.status_code": fields.status,
    });
  }

  /** Answers a scrape. */
  metrics(request: IncomingMessage, response: ServerResponse): void {
    this.#exporter.getMetricsRequestHandler(request, response);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#provider.shutdown();
  }
}
