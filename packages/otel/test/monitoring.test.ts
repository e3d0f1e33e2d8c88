import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { anchorsOf } from "../../../scripts/markdown.ts";
import { read } from "../../../scripts/workspace.ts";
import { ClusterMetric } from "../src/conventions.ts";
import { observeCluster, observeWorker } from "../src/index.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

const rules = (
  parse(read("packages/otel/monitoring/cluster-alerts.yml")) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  }
).groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(read("packages/otel/monitoring/cluster-dashboard.json")) as {
  readonly panels: readonly Panel[];
};
const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** Each alarm of the design, and its rule. */
const ALARMS = {
  "a partition without an owner for two leases": "PenguiflowPartitionsUnowned",
  "epochs that rise steadily": "PenguiflowTakeovers",
  "age of the oldest offer per lane": "PenguiflowMessagesWait",
  "backlog above 80 % of its bound": "PenguiflowIntakeFillsUp",
  "append p99 above 100 ms": "PenguiflowAppendsSlow",
  "checkpoint bytes above four times what is live": "PenguiflowCheckpointsBloated",
  "a growing outbox": "PenguiflowOutboxGrows",
  "a steady rate of superseded results": "PenguiflowResultsSuperseded",
  "a steady rate of fenced appends": "PenguiflowAppendsFenced",
  "a version without a worker": "PenguiflowVersionWithoutWorker",
  "event-loop delay above a quarter of the lease": "PenguiflowLoopDelay",
  "replica lag": "PenguiflowReplicasBehind",
  "a cluster that nobody observes": "PenguiflowNotObserved",
};

const SUFFIXES: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes", "1": "_ratio" };

/** Names in Prometheus of every metric: that of the exporter of the SDK, and that of an import by OTLP. */
async function exported(): Promise<ReadonlyMap<string, readonly string[]>> {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [exporter] });
  const spread = { count: 1, p50: 1, p99: 1, max: 1 };
  const flow = {
    ...{ flow: "orders", version: "1", partitions: 4, held: [1], inFlight: 1, undelivered: 1, appendMs: spread },
    ...{ acquired: 1, ended: 1, fenced: 1, superseded: 1, storedBytes: 1, liveBytes: 1 },
    ...{ members: ["ada"], unowned: [], hasWork: true, backlog: 1, oldest: [{ lane: 1, ms: 1 }] },
  };
  const worker = { cluster: "shop", name: "ada", leaseMs: 1_000, loopDelayMs: spread, flows: [flow] };
  const backend = { intakeFill: 0.1, keptResults: 1, replicasBehind: 0, replicaLagMs: 1 };
  observeWorker({ status: () => worker }, { meterProvider });
  observeCluster({ status: async () => ({ name: "shop", members: [1], flows: [flow], backend }) }, { meterProvider });
  const { resourceMetrics } = await exporter.collect();
  const text = new PrometheusSerializer().serialize(resourceMetrics);
  const names = new Map<string, readonly string[]>();
  for (const { descriptor } of resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)) {
    const plain = descriptor.name.replaceAll(".", "_");
    const name = new RegExp(`^# TYPE (${plain}(?:_total)?) `, "m").exec(text)?.[1];
    if (name === undefined) throw new Error(`The exporter does not write "${descriptor.name}"`);
    const suffix = SUFFIXES[descriptor.unit];
    names.set(descriptor.name, suffix === undefined ? [name] : [name, name + suffix]);
  }
  await meterProvider.shutdown();
  return names;
}

/** Returns the names of metrics in an expression: both where a suffix is optional. */
function namesIn(expr: string): string[] {
  return Array.from(expr.matchAll(/\b(penguiflow_cluster_[a-z0-9_]+)(?:\((_[a-z]+)\)\?)?/g)).flatMap(
    ([, name = "", suffix]) => (suffix === undefined ? [name] : [name, name + suffix]),
  );
}

describe("the alert rules and the dashboard", () => {
  test("name only metrics that exist, by every name that these have in Prometheus", async () => {
    const names = await exported();
    expect([...names.keys()].toSorted()).toEqual(Object.values(ClusterMetric).toSorted());
    for (const expr of [...rules.map((rule) => rule.expr), ...expressions]) {
      const used = new Set(namesIn(expr));
      const known = [...names.values()].filter((all) => all.some((name) => used.has(name)));
      expect([...used].toSorted(), expr).toEqual(known.flat().toSorted());
      expect(used.size, expr).toBeGreaterThan(0);
    }
  });

  test("have a rule for each alarm, and no other", () => {
    expect(rules.map(({ alert }) => alert).toSorted()).toEqual(Object.values(ALARMS).toSorted());
  });

  test("lead from each rule to its section of the runbook", () => {
    for (const { alert, annotations, labels } of rules) {
      const [page = "", heading = ""] = annotations.runbook.split("#");
      expect(page, alert).toBe("docs/guides/cluster-runbook.md");
      expect([...anchorsOf(page)], alert).toContain(heading);
      expect(["critical", "warning"], alert).toContain(labels.severity);
      expect(read(page), alert).toContain(`\`${alert}\``);
    }
  });

  test("show every metric in a panel", async () => {
    const shown = new Set(expressions.flatMap(namesIn));
    for (const [metric, names] of await exported())
      expect(
        names.every((name) => shown.has(name)),
        metric,
      ).toBe(true);
  });

  test("show one cluster, from the data source that is chosen, in panels that do not overlap", () => {
    const taken = new Map<string, number>();
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { id, type, title, gridPos, datasource, targets = [] } of panels) {
      const { x, y, w, h } = gridPos;
      expect(x + w, title).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column += 1)
        for (let row = y; row < y + h; row += 1) {
          expect(taken.get(`${column},${row}`), title).toBeUndefined();
          taken.set(`${column},${row}`, id);
        }
      if (type === "row") continue;
      expect(datasource?.uid, title).toBe("${datasource}");
      for (const { expr } of targets)
        expect(expr.match(/penguiflow_cluster="\$cluster"/g)?.length, expr).toBe(expr.match(/\{/g)?.length);
    }
  });
});
