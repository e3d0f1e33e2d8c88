import { describe, expect, it } from "vitest";
import type { RunSummary } from "../../../src/protocol.ts";
import { alike, belongs, filterOf, merged, requestOf } from "../../../src/screens/runs/run-filter.ts";
import { manyRuns } from "../../load/support-run.ts";

const NOW = 1_800_000_000_000;
const runs = manyRuns(30, NOW);
const failed = runs.find(({ state }) => state === "failed")!;

describe("the filters of the list of runs", () => {
  it("stand in the address, and empty ones do not count", () => {
    expect(filterOf(new URLSearchParams("flow=support&q=%20&state=failed&other=1"))).toEqual({
      flow: "support",
      state: "failed",
    });
  });

  it("ask the server for a whole minute, so that the same filter is the same request", () => {
    expect(requestOf({ flow: "a", since: "1h" }, NOW)).toEqual({ flow: "a", from: String(NOW - 3_600_000) });
    expect(requestOf({ since: "1h" }, NOW + 59_000)).toEqual(requestOf({ since: "1h" }, NOW));
    expect(requestOf({ since: "nonsense" }, NOW)).toEqual({});
  });

  it("decide whether a run that changes belongs into the list", () => {
    expect(belongs(failed, {}, NOW)).toBe(true);
    expect(
      belongs(failed, { flow: failed.flow, state: "failed", code: "NODE_EXCEPTION", tenant: failed.tenant }, NOW),
    ).toBe(true);
    expect(belongs(failed, { state: "completed" }, NOW)).toBe(false);
    expect(belongs(failed, { code: "DEADLOCK" }, NOW)).toBe(false);
    expect(belongs(failed, { since: "5m" }, failed.startedAt + 300_001)).toBe(false);
  });

  it("leave it to the server where its events or messages are searched", () => {
    expect(belongs(failed, { node: "orders" }, NOW)).toBeUndefined();
    expect(belongs(failed, { q: "shop" }, NOW)).toBeUndefined();
    expect(belongs(failed, { q: "shop", flow: "none" }, NOW)).toBe(false);
  });

  it("name what runs like one have in common", () => {
    expect(alike(failed)).toEqual({ flow: failed.flow, state: "failed", code: "NODE_EXCEPTION", node: "orders" });
    expect(alike(runs.find(({ state }) => state === "completed")!)).toEqual({ flow: "support", state: "completed" });
  });
});

describe("a run that changes", () => {
  const ids = (list: readonly RunSummary[]) => list.map(({ id }) => id);

  it("is replaced where it stands", () => {
    const next = merged(runs, { ...failed, state: "completed" }, true);
    expect(ids(next)).toEqual(ids(runs));
    expect(next.find(({ id }) => id === failed.id)!.state).toBe("completed");
  });

  it("comes to the top when it is new, and to its place when it is older", () => {
    expect(merged(runs, { ...failed, id: "new", startedAt: NOW }, true)[0]!.id).toBe("new");
    const older = merged(runs, { ...failed, id: "old", startedAt: runs[3]!.startedAt + 1 }, true);
    expect(older[3]!.id).toBe("old");
    expect(merged(runs, { ...failed, id: "oldest", startedAt: 0 }, true).at(-1)!.id).toBe("oldest");
  });

  it("leaves the list when it no longer belongs into it", () => {
    expect(ids(merged(runs, failed, false))).toEqual(ids(runs).filter((id) => id !== failed.id));
    expect(merged(runs, { ...failed, id: "unknown" }, false)).toBe(runs);
  });

  it("of another flow is another run, although its id is the same", () => {
    expect(merged(runs, { ...failed, flow: "other" }, true)).toHaveLength(runs.length + 1);
  });
});
