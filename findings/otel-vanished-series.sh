#!/usr/bin/env bash
# Expected: an observable gauge exports what its callback has observed at this collection; OpenTelemetry's specification asks
#   the SDK to produce nothing for attributes that the callback no longer observes.
# Really: with cumulative temporality, the default, it exports the last value of every set of attributes that was ever
#   observed, at each collection and with the time of that collection. With delta temporality it does not.
# Versions: @opentelemetry/api 1.10.0, sdk-metrics 3.1.0
# Date: 2026-11-30
# Why it matters: the age of the oldest message of a lane stayed at its last value when the lane was empty, and the alert with
#   it. Our observers tell 0 for a level that has vanished.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  @opentelemetry/api@1.10.0 @opentelemetry/sdk-metrics@3.1.0 > install.log
cat > finding.mjs <<'JS'
import { AggregationTemporality, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";

class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

async function exported(temporality) {
  const reader = new Reader({ aggregationTemporalitySelector: () => AggregationTemporality[temporality] });
  const meter = new MeterProvider({ readers: [reader] }).getMeter("lanes");
  let waiting = { first: 7, second: 9 };
  meter.createObservableGauge("oldest").addCallback((result) => {
    for (const [lane, age] of Object.entries(waiting)) result.observe(age, { lane });
  });
  const lanes = async () => {
    const { resourceMetrics } = await reader.collect();
    const points = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics.flatMap((one) => one.dataPoints));
    return points.map(({ attributes, value }) => `${attributes.lane}=${value}`).join(" ") || "nothing";
  };
  const all = [await lanes()];
  waiting = { first: 1 };
  all.push(await lanes());
  waiting = {};
  all.push(await lanes(), await lanes());
  console.log(`${temporality}: ${all.join(" | ")}`);
  return all.at(-1);
}

const cumulative = await exported("CUMULATIVE");
const delta = await exported("DELTA");
const holds = cumulative.includes("second=9") && !delta.includes("second=9");
console.log(holds ? "lanes that are gone are exported for ever" : "the behaviour has changed");
process.exit(holds ? 0 : 1);
JS
node finding.mjs
