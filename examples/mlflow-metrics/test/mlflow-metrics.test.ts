import type { FlowEvent } from "penguiflow";
import { describe, expect, test, vi } from "vitest";
import { quietly } from "../../test/quietly.ts";
import { runExample } from "../../test/run-example.ts";
import { main } from "../main.ts";
import { type Metric, MetricsWriter } from "../mlflow-metrics.ts";
import { trackingServer } from "./tracking-server.ts";

const metricsOf = (body: Readonly<Record<string, unknown>>) => body["metrics"] as readonly Metric[];

describe("with a tracking server", () => {
  test("creates a run, logs its metrics, and ends it", async () => {
    await using server = await trackingServer();
    const result = await main({
      MLFLOW_TRACKING_URI: `${server.uri}/`,
      MLFLOW_EXPERIMENT_ID: "42",
      MLFLOW_TRACKING_TOKEN: "secret",
    });
    expect(result).toEqual({ completed: 3, failed: 1, lost: 0, lastError: undefined });
    expect(server.complaints).toEqual([]);
    const paths = server.requests.map(({ path }) => path.split("/").at(-1));
    expect(paths[0]).toBe("create");
    expect(new Set(paths.slice(1, -1))).toEqual(new Set(["log-batch"]));
    expect(paths.at(-1)).toBe("update");
    expect(server.requests[0]?.body).toMatchObject({ experiment_id: "42", run_name: "word count" });
    expect(server.requests.at(-1)?.body).toMatchObject({ status: "FINISHED" });
    expect(new Set(server.requests.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer secret"]));
    const metrics = server.requests.slice(1, -1).flatMap(({ body }) => metricsOf(body));
    const last = (key: string) => metrics.findLast((metric) => metric.key === key);
    expect(last("penguiflow.events/trace_end/completed")).toMatchObject({ value: 3, step: 3 });
    expect(last("penguiflow.events/trace_end/failed/NODE_EXCEPTION")).toMatchObject({ value: 1, step: 1 });
    expect(last("penguiflow.events/count/node_failed/NODE_EXCEPTION")).toMatchObject({ value: 1 });
    expect(metrics.filter(({ key }) => key === "penguiflow.node.run_ms/split/node_success")).toHaveLength(4);
  });

  test("asks for the experiment that every server has when none is named, and ends a run that failed as such", async () => {
    await using server = await trackingServer();
    await main({ MLFLOW_TRACKING_URI: server.uri }, ["…"]);
    expect(server.complaints).toEqual([]);
    expect(server.requests[0]).toMatchObject({ body: { experiment_id: "0" }, authorization: undefined });
    expect(server.requests.at(-1)?.body).toMatchObject({ status: "FAILED" });
  });

  test("sends no more in a request than the server takes", async () => {
    await using server = await trackingServer();
    const lines = Array.from({ length: 400 }, (_, index) => `line ${index}`);
    const result = await main({ MLFLOW_TRACKING_URI: server.uri }, lines);
    expect(result).toMatchObject({ completed: 400, lost: 0 });
    expect(server.complaints).toEqual([]);
    const sizes = server.requests
      .filter(({ path }) => path.endsWith("log-batch"))
      .map(({ body }) => metricsOf(body).length);
    expect(Math.max(...sizes)).toBe(1000);
    expect(sizes.reduce((sum, size) => sum + size)).toBeGreaterThan(4000);
  });

  test("that fails loses metrics and nothing else", async () => {
    await using server = await trackingServer("fails");
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const result = await main({ MLFLOW_TRACKING_URI: server.uri });
    expect(result).toMatchObject({ completed: 3, failed: 1 });
    expect(result.lost).toBeGreaterThan(10);
    expect(String(result.lastError)).toContain("MLflow answered runs/create with 503: out of order");
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });

  test("that is not there at all loses metrics and nothing else", async () => {
    const server = await trackingServer();
    await server[Symbol.asyncDispose]();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    expect(await main({ MLFLOW_TRACKING_URI: server.uri })).toMatchObject({ completed: 3, failed: 1 });
    warn.mockRestore();
  });
});

describe("a metrics writer", () => {
  const event: FlowEvent = { type: "trace_start", at: 1, flow: "flow", traceId: "t", tenant: "acme", seq: 1 };

  test("tries the next batch after one was refused", async () => {
    await using server = await trackingServer("fails once");
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`);
    const result = await main({ MLFLOW_TRACKING_URI: server.uri }, lines);
    expect(result.completed).toBe(300);
    expect(result.lost).toBeLessThanOrEqual(1000);
    expect(server.complaints).toEqual([]);
    expect(server.requests.at(-1)?.body).toMatchObject({ status: "FINISHED" });
    warn.mockRestore();
  });

  test("keeps a bounded number of values while its sink hangs, and counts the rest", async () => {
    let release = (): void => {};
    const written: number[] = [];
    const writer = new MetricsWriter({
      write: async (metrics) => {
        written.push(metrics.length);
        await new Promise<void>((resolve) => (release = resolve));
      },
      close: async () => {},
    });
    writer.watch(event);
    await vi.waitFor(() => expect(written).toEqual([1]));
    for (let index = 0; index < 12_000; index += 1) writer.watch(event);
    expect(writer.lost).toBe(2000);
    const closed = writer.close("FINISHED");
    for (let batches = 1; batches <= 11; batches += 1) {
      await vi.waitFor(() => expect(written).toHaveLength(batches));
      release();
    }
    await closed;
    expect(written).toEqual([1, ...Array.from({ length: 10 }, () => 1000)]);
  });
});

test("without a server, prints", async () => {
  expect(await quietly(() => main({}))).toMatchObject({ completed: 3, failed: 1, lost: 0 });
  const { status, stdout } = await runExample("mlflow-metrics");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^penguiflow\.events\/trace_end\/completed 3$/m);
  expect(stdout).toMatch(/^FINISHED\n$/m);
});
