import { describe, expect, it } from "vitest";
import type { FeedEvent, Frame } from "../../../src/protocol.ts";
import { LiveFlow } from "../../../src/screens/flow/live-flow.ts";
import { LifelikeFlow, wideGraph } from "../../load/lifelike-flow.ts";

const graph = wideGraph();
const event = (more: Partial<FeedEvent>): FeedEvent => ({
  seq: 1,
  at: 1000,
  flow: "wide",
  type: "node_start",
  traceId: "t1",
  tenant: "acme",
  ...more,
});
const frame = (events: readonly FeedEvent[], more: Partial<Frame> = {}): Frame => ({
  seq: 1,
  at: 1000,
  skipped: 0,
  events,
  stats: [],
  ...more,
});

function watched(): { live: LiveFlow; sent: string[] } {
  const sent: string[] = [];
  return { live: new LiveFlow("wide", graph, (edge) => sent.push(edge)), sent };
}

describe("a flow watched live", () => {
  it("sends a dot for each message along the edge that it took", () => {
    const { live, sent } = watched();
    live.take(
      frame([
        event({ node: "parse-1", lineage: "a" }),
        event({ node: "embed-1", from: "parse-1", lineage: "b" }),
        event({ type: "node_success", node: "store-1", lineage: "c", ms: 3 }),
      ]),
    );
    expect(sent).toEqual(["OpenSea>parse-1", "parse-1>embed-1", "store-1>Rookery"]);
  });

  it("sends none when a message starts again after a backoff", () => {
    const { live, sent } = watched();
    const message = { node: "embed-1", from: "parse-1", lineage: "b" };
    live.take(frame([event(message), event({ ...message, type: "node_retry" }), event(message)]));
    expect(sent).toEqual(["parse-1>embed-1"]);
  });

  it("leaves out other flows", () => {
    const { live, sent } = watched();
    live.take(frame([event({ flow: "other", node: "parse-1" })]));
    expect(sent).toEqual([]);
    expect(live.events).toEqual([]);
  });

  it("counts what the server has skipped as events, and comes to rest", () => {
    const { live } = watched();
    live.take(frame([event({})], { at: 10_000, skipped: 199 }));
    live.take(frame([], { at: 12_000 }));
    expect(live.rates(12_000).events).toBe(100);
    expect(live.rates(20_000)).toEqual({ events: 0, accepted: 0, failed: 0 });
  });

  it("has p50 and p95 of each node from the handlers that it has seen", () => {
    const { live } = watched();
    expect(live.latencyOf("parse-1")).toBeUndefined();
    const handled = (ms: number) => event({ type: "node_success", node: "parse-1", ms });
    live.take(frame([3, 1, 2].map(handled), { at: 10_000 }));
    expect(live.latencyOf("parse-1")).toEqual({ p50: 2, p95: 3 });
    live.take(frame([handled(9)], { at: 10_999 }));
    expect(live.latencyOf("parse-1")).toEqual({ p50: 2, p95: 3 });
    live.take(frame([], { at: 11_000 }));
    expect(live.latencyOf("parse-1")).toEqual({ p50: 2, p95: 9 });
  });

  it("counts by tenant, and puts tenants beyond the fiftieth together", () => {
    const { live } = watched();
    live.take(frame(Array.from({ length: 60 }, (_, index) => event({ type: "trace_start", tenant: `t${index}` }))));
    live.take(frame([event({ type: "trace_end", tenant: "t1", code: "DEADLOCK" })]));
    expect(live.tenants.size).toBe(51);
    expect(live.tenants.get("others")!.started).toBe(10);
    expect(live.tenants.get("t1")).toMatchObject({ started: 1, failed: 1, completed: 0 });
  });

  it("keeps the cycle of a deadlock", () => {
    const { live } = watched();
    live.take(frame([event({ type: "deadlock", cycle: ["a", "b", "a"] })]));
    expect(live.deadlock).toEqual({ cycle: ["a", "b", "a"], at: 1000, traceId: "t1" });
  });

  it("stays bounded under 1 000 events a second, and sees edges fill and nodes held back", () => {
    const flow = new LifelikeFlow({ perSecond: 60, slow: { "score-1": 400, "embed-2": 300 } });
    const { live } = watched();
    let last: Frame | undefined;
    for (let count = 0; count < 300; count++) live.take((last = flow.frame()));
    const { events, accepted } = live.rates(last!.at);
    expect(events).toBeGreaterThan(700);
    expect(accepted).toBeGreaterThan(55);
    expect(accepted).toBeLessThan(65);
    expect(live.events.length).toBe(500);
    expect(live.stats!.edges.some(({ size, capacity }) => size === capacity)).toBe(true);
    expect(live.stats!.nodes.some(({ blocked }) => blocked > 0)).toBe(true);
    expect([...live.tenants.keys()].sort()).toEqual(["acme", "globex", "initech"]);
  });
});
