import { create, type FlowStats, payloadNode } from "penguiflow";
import { describe, expect, test } from "vitest";
import { brokenBounds, brokenEnd, leftBehind } from "../../src/testing/laws/stats-laws.ts";

const [enter, left, right] = ["enter", "left", "right"].map((name) => payloadNode(name, (text: string) => text));
const flow = create(
  (enter as ReturnType<typeof payloadNode>).to(left as never),
  (left as ReturnType<typeof payloadNode>).to(right as never),
  (right as ReturnType<typeof payloadNode>).to(left as never),
  { queueMaxSize: 2, allowCycles: true },
);
flow.run();
const empty = flow.stats();
void flow.stop();

const edge = (source: string, target: string, size: number): FlowStats => ({
  ...empty,
  edges: [{ source, target, size, capacity: 2, waiting: 0 }],
});
const node = (held: Partial<FlowStats["nodes"][number]>): FlowStats => ({
  ...empty,
  nodes: [{ ...(empty.nodes[0] as FlowStats["nodes"][number]), ...held }],
});

describe("the checkers of what a flow holds", () => {
  test("find nothing in a flow that holds nothing", () => {
    expect([...brokenBounds(flow.graph, empty), ...leftBehind(empty), ...brokenEnd(empty)]).toEqual([]);
  });

  test("notice an edge over its bound, and give a ring the room to drain", () => {
    expect(brokenBounds(flow.graph, edge("enter", "left", 2))).toEqual([]);
    expect(brokenBounds(flow.graph, edge("enter", "left", 3))).toEqual(['L3: edge "enter" → "left" holds 3 of 2']);
    expect(brokenBounds(flow.graph, edge("left", "right", 66))).toEqual([]);
    expect(brokenBounds(flow.graph, edge("left", "right", 67))).toEqual(['L3: edge "left" → "right" holds 67 of 66']);
    expect(brokenBounds(flow.graph, edge("left", "right", -1))).toHaveLength(1);
  });

  test("notice a node that uses more slots than it has, and counts that are below nothing", () => {
    expect(brokenBounds(flow.graph, node({ running: 3, concurrency: 2 }))).toHaveLength(1);
    for (const count of ["running", "queued", "lingering", "zombies"] as const)
      expect(brokenBounds(flow.graph, node({ [count]: -1 })), count).toHaveLength(1);
  });

  test.for(["queued", "running", "blocked", "parked", "lingering", "zombies"] as const)(
    "notice that a node is left with something %s",
    (count) => {
      expect(leftBehind(node({ [count]: 1 }))).toEqual([`L3: node "enter" is left with 1 ${count}`]);
    },
  );

  test("notice groups, timers, messages, traces and results that are left", () => {
    expect(leftBehind(node({ groups: [{ have: 1, want: 2 }] }))).toEqual(['L3: node "enter" is left with 1 groups']);
    expect(leftBehind({ ...empty, timers: 1 })).toEqual(["L3: 1 timers are left"]);
    expect(leftBehind(edge("enter", "left", 1))).toHaveLength(1);
    expect(brokenEnd({ ...empty, traces: 1 })).toEqual(["L2: 1 traces are left"]);
    expect(brokenEnd({ ...empty, unreadResults: 1 })).toEqual(["L3: 1 results are left unread, 0 fetchers wait"]);
    expect(brokenEnd({ ...empty, accepted: 1 })).toEqual(["L2: 1 traces began and 0 ended"]);
  });
});
