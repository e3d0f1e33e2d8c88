import { describe, expect, it } from "vitest";
import type { FeedEvent } from "../../../src/protocol.ts";
import { latestMatching, toneOfEvent } from "../../../src/screens/flow/event-filter.ts";

const event = (seq: number, more: Partial<FeedEvent> = {}): FeedEvent => ({
  seq,
  at: seq,
  flow: "wide",
  type: "node_start",
  traceId: `t${seq}`,
  tenant: "acme",
  ...more,
});

describe("the filter of the event list", () => {
  const events = [
    event(1, { node: "parse-1" }),
    event(2, { node: "rank-2" }),
    event(3, { node: "parse-2", tenant: "globex" }),
  ];
  const found = (filter: string, most = 9) => latestMatching(events, filter, most).map(({ seq }) => seq);

  it("shows the newest first", () => {
    expect(found("")).toEqual([3, 2, 1]);
    expect(found("", 2)).toEqual([3, 2]);
  });

  it("wants every word, in any field and in any case", () => {
    expect(found("PARSE")).toEqual([3, 1]);
    expect(found("parse globex")).toEqual([3]);
    expect(found("t2")).toEqual([2]);
    expect(found("nothing")).toEqual([]);
  });
});

describe("the tone of an event", () => {
  it("tells failures, retries, waits and successes apart", () => {
    const toneOf = (type: string, code?: string) => toneOfEvent(event(1, { type, ...(code && { code }) }));
    expect(["node_error", "node_timeout", "node_failed", "deadlock"].map((type) => toneOf(type))).toEqual(
      Array.from({ length: 4 }, () => "failed"),
    );
    expect([toneOf("node_retry"), toneOf("node_pause"), toneOf("node_success"), toneOf("node_start")]).toEqual([
      "retry",
      "paused",
      "completed",
      "running",
    ]);
    expect([toneOf("trace_end"), toneOf("trace_end", "DEADLOCK"), toneOf("signal_accept")]).toEqual([
      "completed",
      "failed",
      "idle",
    ]);
  });
});
