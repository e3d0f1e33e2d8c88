import { describe, expect, test } from "vitest";
import { readPrometheusText } from "./prometheus-text.ts";
import { startService } from "./start-service.ts";

describe("those who run the service", { timeout: 30_000 }, () => {
  test("get metrics of requests and of the flow that Prometheus reads", async () => {
    await using service = await startService();
    for (const question of ["swim", "fly", ""]) await service.ask({ question });
    await service.ask({ question: "swim" }, { headers: { authorization: "" } });
    await service.flow.flush();
    const response = await fetch(`${service.adminUrl}/metrics`);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    const text = await response.text();
    const families = readPrometheusText(text);
    /** Reads the values of one series of a metric, by one of its labels. */
    const valuesOf = (family: string, label: string, series = family) => {
      const samples = families.get(family)?.samples.filter(({ name }) => name === series) ?? [];
      return samples.map(({ labels, value }) => [labels[label], value]);
    };

    expect(families.get("http_server_request_duration")?.type).toBe("histogram");
    expect(
      valuesOf("http_server_request_duration", "http_response_status_code", "http_server_request_duration_count"),
    ).toEqual([
      ["200", 2],
      ["400", 1],
      ["401", 1],
    ]);
    expect(valuesOf("http_server_active_requests", "")).toEqual([[undefined, 0]]);

    expect(families.get("penguiflow_trace_outcomes_total")?.type).toBe("counter");
    expect(valuesOf("penguiflow_trace_outcomes_total", "penguiflow_outcome")).toEqual([["completed", 2]]);
    expect(valuesOf("penguiflow_node_run_duration", "penguiflow_node", "penguiflow_node_run_duration_count")).toEqual([
      ["find", 2],
      ["quote", 2],
    ]);
    expect(valuesOf("penguiflow_node_queue_depth", "penguiflow_node")).toEqual([
      ["find", 0],
      ["quote", 0],
    ]);

    // labels with a value per request or customer belong in logs
    expect(text).not.toMatch(/acme|trace_id|tenant/);
  });

  test("get one line for each request, and nothing of what was asked or answered", async () => {
    await using service = await startService();
    const answer = await service.ask({ question: "a secret question" });
    await fetch(`${service.url}?question=another+secret`);
    expect(service.logged).toHaveLength(2);
    const [first, second] = service.logged.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toMatchObject({
      level: "info",
      message: "request",
      method: "POST",
      route: "/v1/answers",
      status: 200,
      tenant: "acme",
      traceId: answer.headers.get("trace-id"),
      durationMs: expect.any(Number) as number,
    });
    expect(second).toMatchObject({ method: "GET", status: 401, code: "UNAUTHENTICATED" });
    expect(service.logged.join("\n")).not.toMatch(/secret|acme on/);
  });

  test("can ask whether it lives and whether it is ready", async () => {
    await using service = await startService();
    const statusOf = async (target: string) => (await fetch(`${service.adminUrl}${target}`)).status;
    expect([await statusOf("/live"), await statusOf("/ready"), await statusOf("/v1/answers")]).toEqual([200, 200, 404]);
    // the public port does not serve them
    expect((await fetch(new URL("/metrics", service.url))).status).toBe(404);
  });
});
