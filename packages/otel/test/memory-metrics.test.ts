import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { hashEmbedder, openMemory } from "@penguiflow/memory-service";
import { serveMemory } from "@penguiflow/memory-service/http";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { anchorsOf } from "../../../scripts/markdown.ts";
import { read } from "../../../scripts/workspace.ts";
import { observeMemory } from "../src/index.ts";
import { receiver } from "./otlp-receiver.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook: string };
}

const { groups } = parse(read("packages/otel/monitoring/memory-alerts.yml")) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const ADA = { tenant: "acme", user: "ada" };
/** Names of the metrics that the design asks for. */
const NAMES = [
  "memory_blocks_bytes",
  "memory_fallback_total",
  "memory_ingest_total",
  "memory_job_lag_ms",
  "memory_jobs",
  "memory_requests_total",
  "memory_retrieve_ms",
];

async function used() {
  const memory = await openMemory({ embedder: hashEmbedder() });
  onTestFinished(async () => await memory.close());
  const ada = memory.as(ADA);
  return {
    memory,
    use: async () => {
      await ada.ingest([{ text: "The gate code is 4711." }, { text: "The gate sticks." }]);
      await memory.drained();
      await ada.retrieve({ query: "gate" });
    },
  };
}

test("a memory is measured: what it keeps, its searches by stage, second ways, its queue and its vectors", async () => {
  await using otlp = await receiver();
  const { memory, use } = await used();
  const observed = observeMemory(memory, { meterProvider: otlp.meterProvider });
  await use();
  // observers are told after the answer
  await expect
    .poll(async () => (await memory.figures()).filter(({ name }) => name === "memory_retrieve_ms_count").length)
    .toBe(4);
  const points = await otlp.points();
  expect([...new Set(points.map(({ name }) => name))].toSorted()).toEqual(NAMES);
  const of = (name: string) => points.filter((point) => point.name === name);
  expect(of("memory_ingest_total")).toMatchObject([{ value: 2, attributes: {} }]);
  expect(of("memory_fallback_total").map(({ attributes }) => attributes)).toContainEqual({
    stage: "rerank",
    reason: "not_configured",
  });
  expect(of("memory_retrieve_ms").map(({ attributes, count }) => [attributes["stage"], count])).toEqual(
    ["prepare", "search", "rerank_and_diversify", "finalize"].map((stage) => [stage, 1]),
  );
  expect(of("memory_jobs").map(({ attributes, value }) => [attributes["state"], value])).toEqual([
    ["waiting", 0],
    ["running", 0],
    ["dead", 0],
  ]);
  expect(of("memory_blocks_bytes")[0]?.value).toBeGreaterThan(0);
  expect(JSON.stringify(points)).not.toMatch(/acme|ada|gate|4711/);
  observed[Symbol.dispose]();
  await use();
  expect((await otlp.points()).find(({ name }) => name === "memory_ingest_total")?.value ?? 2).toBe(2);
});

test("without a registered SDK nothing listens to a memory", async () => {
  const { memory } = await used();
  let listeners = 0;
  const watched = {
    figures: async () => await memory.figures(),
    onMeasured: () => ({ [Symbol.dispose]: () => (listeners += 1) }),
  };
  observeMemory(watched)[Symbol.dispose]();
  expect(listeners).toBe(0);
  expect(() => observeMemory(memory, { meter: 1 } as object)).toThrow('Unknown option "meter" of observeMemory');
});

test("the alert rules name metrics that /metrics and OpenTelemetry have under the same names", async () => {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [exporter] });
  const { memory, use } = await used();
  observeMemory(memory, { meterProvider });
  await use();
  await using server = await serveMemory(memory);
  const own = async (): Promise<string> => await (await fetch(`${server.monitoringUrl}/metrics`)).text();
  await expect.poll(own).toContain("memory_retrieve_ms_count");
  const { resourceMetrics } = await exporter.collect();
  const texts = [new PrometheusSerializer().serialize(resourceMetrics), await own()];
  const named = new Set(rules.flatMap(({ expr }) => expr.match(/\bmemory_[a-z_]+\b/g) ?? []));
  expect([...named].toSorted()).toEqual(
    NAMES.filter((name) => !["memory_blocks_bytes", "memory_ingest_total", "memory_retrieve_ms"].includes(name)),
  );
  for (const text of texts) for (const name of NAMES) expect(text).toMatch(new RegExp(`^# TYPE ${name} `, "m"));
  await meterProvider.shutdown();
});

test("each alert rule leads to its section of the README", () => {
  expect(rules.map(({ alert }) => alert)).toEqual(["MemoryJobsLag", "MemoryJobsDead", "MemoryFallsBack"]);
  for (const { alert, annotations } of rules) {
    const [page = "", heading = ""] = annotations.runbook.split("#");
    expect([...anchorsOf(page)]).toContain(heading);
    expect(read(page)).toContain(`\`${alert}\``);
  }
});
