import { describe, expect, test } from "vitest";
import { create, type FlowEvent, type FlowOptions, labels, metricSamples, payloadNode } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { recorder, tidy } from "../fixtures/watched-flow.ts";

/** Returns the events of many traces, of two tenants, that end in several ways. */
async function eventsOf(traces: number): Promise<readonly FlowEvent[]> {
  const clock = new TestClock();
  const watch = recorder();
  const options: FlowOptions = { clock, name: "docs", middlewares: [watch.middleware] };
  const work = payloadNode(
    { name: "work", policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0, timeoutMs: 50, concurrency: 2 } },
    async (kind: number, ctx) => {
      await ctx.sleep(kind % 7 === 0 ? 100 : 3);
      if (kind % 5 === 0) throw new Error(`secret ${kind}`);
      return kind;
    },
  );
  const flow = tidy(create(work.to(), options).run());
  const outcomes = Array.from({ length: traces }, (_, kind) =>
    flow.outcome(kind, { traceId: `trace-${kind}`, tenant: `tenant-${kind % 9}` }),
  );
  await clock.advance(100_000);
  await Promise.all(outcomes);
  await flow.flush();
  return watch.events;
}

describe("labels", () => {
  test("take few distinct values, however many traces and tenants there are", async () => {
    const distinct = async (traces: number) =>
      new Set(
        (await eventsOf(traces)).flatMap((event) =>
          [labels(event), ...metricSamples(event).map((one) => one.labels)].map((one) => JSON.stringify(one)),
        ),
      );
    const few = await distinct(40);
    expect(await distinct(200)).toEqual(few);
    for (const text of few) expect(text).not.toMatch(/trace-\d|tenant-\d|secret/);
  });

  test("are flow, event, node, status and error code", async () => {
    const events = await eventsOf(40);
    const of = (type: string) => labels(events.find((event) => event.type === type)!);
    expect(of("trace_start")).toEqual({ flow: "docs", event: "trace_start" });
    expect(of("node_success")).toEqual({ flow: "docs", event: "node_success", node: "work" });
    expect(of("node_error")).toEqual({ flow: "docs", event: "node_error", node: "work", code: "NODE_EXCEPTION" });
    expect(of("node_timeout")).toEqual({ flow: "docs", event: "node_timeout", node: "work", code: "NODE_TIMEOUT" });
    const failed = events.find((event) => event.type === "trace_end" && event.status === "failed")!;
    expect(labels(failed)).toMatchObject({ event: "trace_end", status: "failed", code: expect.any(String) as string });
  });
});

describe("metricSamples", () => {
  test("count every event once", async () => {
    const events = await eventsOf(40);
    const counts = events.flatMap(metricSamples).filter((sample) => sample.name === "penguiflow.events");
    expect(counts).toHaveLength(events.length);
    for (const count of counts) expect(count).toMatchObject({ kind: "counter", unit: "1", value: 1 });
  });

  test("give each success its queue, run and emit time once, and each finished attempt its latency once", async () => {
    const events = await eventsOf(40);
    const samples = events.flatMap(metricSamples);
    const named = (name: string) => samples.filter((sample) => sample.name === name);
    const successes = events.filter((event) => event.type === "node_success");
    for (const part of ["queueMs", "runMs", "emitMs"] as const) {
      const name = `penguiflow.node.${part.replace("Ms", "_ms")}`;
      expect(named(name).map((sample) => sample.value)).toEqual(successes.map((event) => event[part]));
    }
    const finished = events.filter((event) => "latencyMs" in event);
    expect(named("penguiflow.node.latency_ms").map((sample) => sample.value)).toEqual(
      finished.map((event) => (event as { latencyMs: number }).latencyMs),
    );
    expect(finished.map((event) => event.type)).toEqual(
      events.filter((event) => /^node_(success|error|timeout)$/.test(event.type)).map((event) => event.type),
    );
    for (const sample of samples) {
      expect(Number.isFinite(sample.value)).toBe(true);
      expect(sample.value).toBeGreaterThanOrEqual(0);
    }
  });

  test("give each trace its duration by status, and each node its depths", async () => {
    const events = await eventsOf(40);
    const samples = events.flatMap(metricSamples);
    const durations = samples.filter((sample) => sample.name === "penguiflow.trace.duration_ms");
    expect(durations).toHaveLength(40);
    expect(new Set(durations.map((sample) => sample.labels["status"]))).toEqual(new Set(["completed", "failed"]));
    expect(
      Math.max(...samples.filter((one) => one.name === "penguiflow.node.queue_depth").map((one) => one.value)),
    ).toBeGreaterThan(10);
    expect(Math.max(...samples.filter((one) => one.name === "penguiflow.node.inflight").map((one) => one.value))).toBe(
      2,
    );
  });
});
