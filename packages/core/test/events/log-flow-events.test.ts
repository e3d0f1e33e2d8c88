import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  create,
  type FlowEvent,
  formatFlowEvent,
  logFlowEvents,
  type LogFlowEventsOptions,
  Message,
  payloadNode,
  shape,
} from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { z } from "zod";
import { logbook, recorder, tidy } from "../fixtures/watched-flow.ts";

const SECRET = "4111-1111-1111-1111";

/** Returns the log of a flow that succeeds, retries and fails on payloads that hold a secret. */
async function logs(options: LogFlowEventsOptions = {}) {
  const clock = new TestClock();
  const logger = logbook();
  const watch = recorder();
  const pay = payloadNode(
    { name: "pay", policy: { maxRetries: 1, backoffBaseMs: 1, jitter: 0 } },
    async (card: { number: string; fails: number }, ctx) => {
      await ctx.emitChunk({ text: card.number });
      if (ctx.attempt <= card.fails) throw new Error("declined");
      return card;
    },
  );
  const check = payloadNode(
    { name: "check", input: z.object({ number: z.string().length(19) }) },
    (card) => card.number,
  );
  const flow = tidy(
    create(pay.to(check), {
      clock,
      middlewares: [logFlowEvents(logger, options), watch.middleware],
      logger,
    }).run(),
  );
  const outcomes = [
    flow.outcome({ number: SECRET, fails: 0 }, { traceId: "fine", meta: { card: SECRET } }),
    flow.outcome({ number: SECRET, fails: 1 }, { traceId: "retried" }),
    flow.outcome({ number: SECRET, fails: 2 }, { traceId: "failed" }),
    flow.outcome({ number: `${SECRET}-`, fails: 0 }, { traceId: "invalid" }),
  ];
  await clock.advance(100);
  await Promise.all(outcomes);
  await flow.flush();
  return { lines: logger.lines, events: watch.events };
}

describe("logFlowEvents", () => {
  test("writes one structured line per event, named after its type, with everything but payloads", async () => {
    const { lines, events } = await logs();
    expect(lines.map((line) => line.message)).toEqual(events.map((event) => event.type));
    for (const [index, line] of lines.entries()) {
      const { type, ...rest } = events[index]!;
      expect(line.fields).toEqual(rest);
      expect(type).toBe(line.message);
    }
    expect(JSON.stringify(lines)).not.toContain(SECRET);
  });

  test("writes failures as errors, what may still go well as warnings, the rest as information", async () => {
    const { lines } = await logs();
    const level = (message: string, traceId: string) =>
      lines.find((line) => line.message === message && line.fields?.["traceId"] === traceId)?.level;
    expect(level("node_start", "fine")).toBe("info");
    expect(level("node_success", "fine")).toBe("info");
    expect(level("trace_end", "fine")).toBe("info");
    expect(level("node_error", "retried")).toBe("warn");
    expect(level("node_retry", "retried")).toBe("warn");
    expect(level("node_failed", "failed")).toBe("error");
    expect(level("trace_end", "failed")).toBe("error");
  });

  test("writes only the types it was asked for, and still tells every latency of those", async () => {
    const { lines } = await logs({ types: ["node_failed", "trace_end"] });
    expect(new Set(lines.map((line) => line.message))).toEqual(new Set(["node_failed", "trace_end"]));
    expect(lines).toHaveLength(6);
  });

  test("lets fields be changed or a line be left out before it is written", async () => {
    const { lines, events } = await logs({
      redact: ({ tenant, ...fields }, event) =>
        event.type === "node_start" ? undefined : { ...fields, tenant: `#${String(tenant).length}` },
    });
    expect(lines.some((line) => line.message === "node_start")).toBe(false);
    expect(lines).toHaveLength(events.filter((event) => event.type !== "node_start").length);
    for (const line of lines) expect(line.fields?.["tenant"]).toBe("#7");
  });

  test("calls onLatency once for each finished attempt", async () => {
    const latencies: [string, number][] = [];
    const { events } = await logs({ onLatency: (event, latencyMs) => latencies.push([event.type, latencyMs]) });
    const finished = events.filter((event) => /^node_(success|error|timeout)$/.test(event.type));
    expect(latencies.map(([type]) => type)).toEqual(finished.map((event) => event.type));
    for (const [, latencyMs] of latencies) expect(latencyMs).toBeGreaterThanOrEqual(0);
  });

  test("that fails, because its redaction or logger does, is isolated like any middleware", async () => {
    const { lines, events } = await logs({
      redact: () => {
        throw new Error("redaction broke");
      },
    });
    expect(lines).toHaveLength(events.length);
    for (const line of lines) expect(line.message).toBe("middleware_failed");
  });
});

describe("formatFlowEvent", () => {
  const event: FlowEvent = {
    type: "node_success",
    at: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    flow: "docs",
    traceId: "t1",
    tenant: "acme",
    seq: 2,
    node: "search",
    lineage: "0123456789abcdef",
    from: "plan",
    attempt: 1,
    queueDepth: 0,
    inflight: 1,
    queueMs: 0,
    runMs: 1.2345,
    emitMs: 0,
    latencyMs: 1.2345,
  };

  test("is one readable line with time, flow, node, type, trace and figures", () => {
    expect(formatFlowEvent(event)).toBe(
      '2026-01-02T03:04:05.006Z docs search node_success trace=t1 from="plan" attempt=1 queueDepth=0 inflight=1 queueMs=0 runMs=1.23 emitMs=0 latencyMs=1.23',
    );
  });

  test("shows an error by name and message, without its stack", async () => {
    const { events } = await logs();
    const failed = events.find((one) => one.type === "node_failed" && one.node === "pay")!;
    expect(formatFlowEvent(failed)).toContain('error="FlowError: Node \\"pay\\" failed: declined"');
    expect(formatFlowEvent(failed)).not.toContain("    at ");
  });

  test("is one line for any event, whatever names, ids and texts come from outside", async () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.constantFrom("\n", "\r", "\u2028", "\u0000", "\u001b[31m", ""),
        (text, evil) => {
          const hostile = `${text}${evil}2026-01-01T00:00:00.000Z docs forged trace=x`;
          for (const one of [
            { ...event, traceId: hostile },
            { ...event, node: hostile },
            { ...event, flow: hostile },
          ]) {
            // eslint-disable-next-line no-control-regex
            expect(formatFlowEvent(one)).not.toMatch(/[\u0000-\u001f\u007f\u2028\u2029]/);
          }
        },
      ),
    );
    const { events } = await logs();
    for (const one of events) expect(formatFlowEvent(one)).not.toContain("\n");
  });
});

test("validation errors do not carry the payload into events", async () => {
  const watch = recorder();
  const check = payloadNode(
    { name: "check", input: z.object({ pin: z.number() }), output: shape<number>() },
    (it) => it.pin,
  );
  const flow = tidy(create(check.to(), { middlewares: [watch.middleware] }).run());
  await flow.outcome(new Message({ payload: { pin: SECRET as never } }));
  await flow.flush();
  expect(watch.types()).toContain("node_failed");
  expect(JSON.stringify(watch.events)).not.toContain(SECRET);
});
