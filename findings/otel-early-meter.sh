#!/usr/bin/env bash
# Expected: what a library gets from @opentelemetry/api before the program starts an SDK works once it has, for metrics as
#   it does for traces.
# Really: an early tracer stands behind a proxy and records afterwards. An early meter is a no-op for ever: what its counters
#   count is lost without a warning.
# Versions: @opentelemetry/api 1.10.0, sdk-metrics 3.1.0, sdk-trace 3.1.0
# Date: 2026-11-29
# Why it matters: an instrumentation that keeps its instruments in module scope measures nothing when it is imported before
#   the SDK starts. Ours asks for its instruments when a flow is run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  @opentelemetry/api@1.10.0 @opentelemetry/sdk-metrics@3.1.0 @opentelemetry/sdk-trace@3.1.0 > install.log
cat > finding.mjs <<'JS'
import { metrics, trace } from "@opentelemetry/api";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { TracerProvider } from "@opentelemetry/sdk-trace";

class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}
const tracer = trace.getTracer("early");
const counter = metrics.getMeter("early").createCounter("early");

const reader = new Reader();
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
trace.setGlobalTracerProvider(new TracerProvider());

counter.add(1);
metrics.getMeter("late").createCounter("late").add(1);
const { resourceMetrics } = await reader.collect();
const counted = resourceMetrics.scopeMetrics.flatMap(({ metrics: all }) => all.map(({ descriptor }) => descriptor.name));
const isRecording = tracer.startSpan("swim").isRecording();
console.log("spans of the early tracer are recorded:", isRecording);
console.log("counters that have counted:", counted.join());
process.exitCode = isRecording && counted.join() === "late" ? 0 : 1;
JS
node finding.mjs
