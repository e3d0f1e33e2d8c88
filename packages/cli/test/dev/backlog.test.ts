import type { FlowStats } from "penguiflow";
import type { FeedEvent, RunSummary } from "@penguiflow/playground/protocol";
import { expect, test } from "vitest";
import { Backlog } from "../../src/dev/feed/backlog.ts";

const event = (seq: number, flow = "a"): FeedEvent => ({
  seq,
  at: seq,
  flow,
  type: "node_start",
  traceId: "t",
  tenant: "default",
});
const run = (id: string, state: RunSummary["state"]): RunSummary => ({
  id,
  flow: "a",
  tenant: "default",
  state,
  startedAt: 0,
  input: "",
  retries: 0,
  openPauses: 0,
});
const figures = (accepted: number): FlowStats => ({ accepted }) as FlowStats;

test("what waits for a slow reader is merged: the newest figures, each run once, the latest of each kind", () => {
  const backlog = new Backlog();
  for (const accepted of [1, 2, 3]) backlog.setStats("a", figures(accepted));
  for (const state of ["running", "paused", "completed"] as const)
    backlog.addItem({ type: "run", run: run("r", state) });
  for (const open of [2, 1]) backlog.addItem({ type: "pause", open });
  backlog.addEvent(event(1));
  const items = backlog.take();
  expect(items.map(({ type }) => type)).toEqual(["pause", "run", "frame"]);
  expect(items).toMatchObject([
    { open: 1 },
    { run: { state: "completed" } },
    { stats: [{ flow: "a", stats: { accepted: 3 } }], events: [{ seq: 1 }] },
  ]);
  expect(backlog.take()).toEqual([]);
});

test("however long a reader is away, a bounded number of things waits for it, the latest, and it is told how many are missing", () => {
  const backlog = new Backlog();
  for (let seq = 1; seq <= 10_000; seq += 1) {
    backlog.addEvent(event(seq));
    backlog.addItem({ type: "run", run: run(`r${seq}`, "completed") });
    backlog.addLog({ at: seq, stream: "stdout", text: "line" });
  }
  const items = backlog.take();
  const frame = items.find((item) => item.type === "frame");
  expect(frame?.events.length).toBe(400);
  expect([frame?.events.at(-1)?.seq, frame?.skipped]).toEqual([10_000, 9_600]);
  expect(items.filter(({ type }) => type === "run")).toHaveLength(200);
  const log = items.find((item) => item.type === "log");
  expect([log?.lines.length, log?.lines.at(-1)?.at]).toEqual([200, 10_000]);
});

test("a page of one flow is sent that flow alone", () => {
  const backlog = new Backlog();
  backlog.addEvent(event(1, "a"));
  backlog.addEvent(event(2, "b"));
  backlog.setStats("b", figures(1));
  expect(backlog.take("a")).toMatchObject([{ type: "frame", events: [{ flow: "a" }], stats: [] }]);
});
