import type { FlowEvent } from "./flow-event.ts";

/** One metric data point of an event. */
export interface MetricSample {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  /** UCUM unit: `ms`, or `1` for counts. */
  readonly unit: "ms" | "1";
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Returns the low-cardinality labels of an event: flow, event, node, status, error code. Trace ids and tenants are
 * omitted on purpose: they belong in logs.
 */
export function labels(event: FlowEvent): Readonly<Record<string, string>> {
  const found: Record<string, string> = { flow: event.flow, event: event.type };
  if ("node" in event) found["node"] = event.node;
  if ("status" in event) found["status"] = event.status;
  if ("error" in event && event.error?.code !== undefined) found["code"] = event.error.code;
  return found;
}

/** Returns the metric samples of an event: a count, latencies, and the node's depths. */
export function metricSamples(event: FlowEvent): readonly MetricSample[] {
  const common = labels(event);
  const samples: MetricSample[] = [{ name: "penguiflow.events", kind: "counter", unit: "1", value: 1, labels: common }];
  const place: Record<string, string> = { flow: event.flow };
  if ("node" in event) place["node"] = event.node;
  const histogram = (name: string, value: number) =>
    samples.push({ name, kind: "histogram", unit: "ms", value, labels: { ...place, event: event.type } });
  if ("queueDepth" in event) {
    samples.push({
      name: "penguiflow.node.queue_depth",
      kind: "gauge",
      unit: "1",
      value: event.queueDepth,
      labels: place,
    });
    samples.push({ name: "penguiflow.node.inflight", kind: "gauge", unit: "1", value: event.inflight, labels: place });
  }
  if (event.type === "node_success") {
    histogram("penguiflow.node.queue_ms", event.queueMs);
    histogram("penguiflow.node.run_ms", event.runMs);
    histogram("penguiflow.node.emit_ms", event.emitMs);
  }
  if ("latencyMs" in event)
    histogram("skill" in event ? "penguiflow.remote.latency_ms" : "penguiflow.node.latency_ms", event.latencyMs);
  if (event.type === "trace_end") {
    samples.push({
      name: "penguiflow.trace.duration_ms",
      kind: "histogram",
      unit: "ms",
      value: event.durationMs,
      labels: { flow: event.flow, status: event.status },
    });
  }
  return samples;
}
