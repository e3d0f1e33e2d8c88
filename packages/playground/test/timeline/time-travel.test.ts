import * as fc from "fast-check";
import type { FlowEvent } from "penguiflow";
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/protocol.ts";
import { TimeTravel } from "../../src/timeline/time-travel.ts";

const base = { flow: "support", traceId: "t", tenant: "acme", attempt: 1, queueDepth: 0, inflight: 0 };
const error = { code: "NODE_EXCEPTION", message: "503", retryable: true } as const;

function eventsOf(type: string, node: string, more: object = {}): FlowEvent {
  return { ...base, at: 0, type, node, error, reason: "x", delayMs: 1, ...more } as unknown as FlowEvent;
}

function record(at: number, event: FlowEvent, more: Partial<RunEvent> = {}): RunEvent {
  return { seq: at, at, event, lineage: "m", ...more };
}

const RUN: RunEvent[] = [
  record(1, eventsOf("node_start", "plan"), { lineage: "a", edges: { "OpenSea>plan": 0 } }),
  record(2, eventsOf("node_success", "plan"), { lineage: "a", edges: { "plan>orders": 2 }, memory: { step: 1 } }),
  record(3, eventsOf("node_start", "orders"), { lineage: "b", from: "plan", edges: { "plan>orders": 1 } }),
  record(4, eventsOf("node_error", "orders"), { lineage: "b", from: "plan" }),
  record(5, eventsOf("node_retry", "orders"), { lineage: "b", from: "plan" }),
  record(6, eventsOf("node_start", "orders", { attempt: 2 }), { lineage: "b", from: "plan" }),
  record(7, eventsOf("node_success", "orders", { attempt: 2 }), { lineage: "b", edges: { "plan>orders": 0 } }),
  record(8, eventsOf("node_start", "refund"), { lineage: "c", from: "orders", memory: { step: 2 } }),
  record(9, eventsOf("node_pause", "refund"), { lineage: "c", from: "orders" }),
  record(10, { ...base, at: 10, seq: 10, type: "trace_end", status: "cancelled", durationMs: 9, results: 0 }),
];

describe("time travel", () => {
  const travel = new TimeTravel(RUN, "support");
  const nodeAt = (index: number, node: string) => travel.at(index).nodes.get(node);

  it("begins with nothing, and ends with the outcome", () => {
    expect(travel.at(0)).toMatchObject({ index: 0, messages: [], status: undefined, memory: undefined });
    expect(travel.at(0).nodes.size).toBe(0);
    expect(travel.at(10)).toMatchObject({ status: "cancelled", messages: [] });
    expect(travel.at(10).edges.size).toBe(0);
  });

  it("has each node as it was", () => {
    expect(nodeAt(1, "plan")).toEqual({ state: "running", running: 1, done: 0, retries: 0 });
    expect(nodeAt(2, "plan")).toEqual({ state: "done", running: 0, done: 1, retries: 0 });
    expect(nodeAt(4, "orders")).toMatchObject({ state: "failed", running: 0 });
    expect(nodeAt(5, "orders")).toMatchObject({ state: "backoff", retries: 1 });
    expect(nodeAt(6, "orders")).toMatchObject({ state: "running", running: 1 });
    expect(nodeAt(9, "refund")).toMatchObject({ state: "paused", running: 0 });
  });

  it("has the queues as they were", () => {
    expect([...travel.at(2).edges]).toEqual([["plan>orders", 2]]);
    expect([...travel.at(3).edges]).toEqual([["plan>orders", 1]]);
    expect([...travel.at(7).edges]).toEqual([]);
  });

  it("has the memory of that record, also after records that did not change it", () => {
    expect(travel.at(1).memory).toBeUndefined();
    expect(travel.at(7).memory).toEqual({ step: 1 });
    expect(travel.at(8).memory).toEqual({ step: 2 });
  });

  it("knows where each message was", () => {
    expect(travel.at(5).messages).toEqual([
      { lineage: "b", node: "orders", from: "plan", state: "backoff", attempt: 1 },
    ]);
    expect(travel.at(9).messages).toEqual([
      { lineage: "c", node: "refund", from: "orders", state: "paused", attempt: 1 },
    ]);
  });

  it("names the edge that a message has just taken, but not for another attempt", () => {
    expect(travel.at(3).moved).toEqual(["plan>orders"]);
    expect(travel.at(6).moved).toEqual([]);
    expect(travel.at(1).moved).toEqual(["OpenSea>plan"]);
  });

  it("keeps nodes of a playbook apart from those of the flow", () => {
    const inner = new TimeTravel(
      [record(1, { ...eventsOf("node_start", "plan"), flow: "support/research" })],
      "support",
    );
    expect([...inner.at(1).nodes.keys()]).toEqual(["research/plan"]);
  });

  it("finds the record of an instant", () => {
    expect([0, 1, 4.5, 10, 99].map((at) => travel.indexAt(at))).toEqual([0, 1, 4, 10, 10]);
  });

  it("stays within the run", () => {
    expect(travel.at(-5).index).toBe(0);
    expect(travel.at(1e9).index).toBe(10);
  });

  it("shows the same moment whichever way it is reached", () => {
    const long = Array.from({ length: 1_000 }, (_, index) =>
      record(index, eventsOf(index % 2 === 0 ? "node_start" : "node_success", `n${Math.floor(index / 2) % 7}`), {
        lineage: `${Math.floor(index / 2)}`,
        edges: { [`n${index % 5}>n${index % 3}`]: index % 4 },
      }),
    );
    const shared = new TimeTravel(long, "support");
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { minLength: 1, maxLength: 5 }), (stops) => {
        for (const stop of stops) expect(shared.at(stop)).toEqual(new TimeTravel(long, "support").at(stop));
      }),
      { numRuns: 20 },
    );
  });
});
