import { describe, expect, it } from "vitest";
import { paintOfMoment, paintOfStats } from "../../src/graph/graph-paint.ts";
import { graphToSvg } from "../../src/graph/graph-to-svg.ts";
import { layoutGraph } from "../../src/graph/layout-graph.ts";
import { neighbourOf } from "../../src/graph/neighbour.ts";
import { TimeTravel } from "../../src/timeline/time-travel.ts";
import { LifelikeFlow, wideGraph } from "../load/lifelike-flow.ts";
import { eventsOf, supportGraph, supportRun } from "../load/support-run.ts";

const latencyOf = () => ({ p50: 12, p95: 240 });

describe("the paint of a graph", () => {
  it("shows each edge of a running flow as a pipe, and each node with its slots", () => {
    const flow = new LifelikeFlow({ perSecond: 60, slow: { "score-1": 400 } });
    for (let count = 0; count < 200; count++) flow.frame();
    const paint = paintOfStats(flow.stats(), latencyOf);
    expect(paint.edges.size).toBe(67);
    expect(paint.nodes.size).toBe(50);
    expect([...paint.edges.values()].some(({ pressure }) => pressure === "full")).toBe(true);
    expect([...paint.nodes.values()].some(({ look }) => look === "held")).toBe(true);
  });

  it("shows latencies of nodes that hold nothing", () => {
    const paint = paintOfStats(new LifelikeFlow({ perSecond: 0 }).stats(), latencyOf);
    expect(paint.nodes.get("parse-1")!.parts).toEqual(["p50 12 ms", "p95 240 ms"]);
  });

  it("shows a run as it was: what ran, what had failed, what had moved", () => {
    const run = supportRun("run-1", 1_000_000);
    const travel = new TimeTravel(eventsOf(run), "support");
    const paint = paintOfMoment(travel.at(travel.indexAt(run.startedAt + 1_200)));
    expect(paint.nodes.get("plan")!.look).toBe("done");
    expect(paint.nodes.get("orders")!.look).toBe("running");
    const later = paintOfMoment(travel.at(travel.indexAt(run.startedAt + 1_400)));
    expect(later.nodes.get("orders")).toMatchObject({ look: "backoff", parts: ["in backoff", "↻1"] });
    const paused = paintOfMoment(travel.at(travel.indexAt(run.startedAt + 2_000)));
    expect(paused.nodes.get("refund")!.look).toBe("paused");
  });
});

describe("a graph as an SVG file", () => {
  it("has every node and edge, and the state that it is given", async () => {
    const flow = new LifelikeFlow({ perSecond: 60, slow: { "score-1": 400 } });
    for (let count = 0; count < 200; count++) flow.frame();
    const svg = graphToSvg(await layoutGraph(wideGraph()), paintOfStats(flow.stats(), latencyOf));
    expect(svg.match(/<path class="head /g)).toHaveLength(67);
    expect(svg.match(/<title>/g)).toHaveLength(52);
    expect(svg).toContain("16/16");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 \d+ \d+"/);
  });

  it("escapes names, and draws without a state", async () => {
    const [first, ...rest] = supportGraph.nodes;
    const graph = { nodes: [{ ...first!, name: '<img "&\u0000' }, ...rest], edges: [], rings: [] };
    const svg = graphToSvg(await layoutGraph(graph));
    expect(svg).toContain("&#60;img &#34;&#38;\ufffd");
    expect(svg).not.toContain("<img");
  });
});

describe("the arrow keys", () => {
  it("lead to the nearest node in their direction, and Home and End to the endpoints", async () => {
    const drawn = await layoutGraph(supportGraph);
    const nodeOf = (name: string) => drawn.nodes.find((node) => node.name === name)!;
    expect(neighbourOf(drawn, nodeOf("guard"), "ArrowRight")!.name).toBe("plan");
    expect(neighbourOf(drawn, nodeOf("guard"), "ArrowLeft")!.name).toBe("OpenSea");
    expect(["orders", "policies"]).toContain(neighbourOf(drawn, nodeOf("plan"), "ArrowRight")!.name);
    const [upper, lower] = [nodeOf("orders"), nodeOf("policies")].sort((a, b) => a.y - b.y);
    expect(neighbourOf(drawn, upper!, "ArrowDown")!.name).toBe(lower!.name);
    expect(neighbourOf(drawn, nodeOf("guard"), "Home")!.name).toBe("OpenSea");
    expect(neighbourOf(drawn, nodeOf("guard"), "End")!.name).toBe("Rookery");
    expect(neighbourOf(drawn, nodeOf("guard"), "x")).toBeUndefined();
  });
});
