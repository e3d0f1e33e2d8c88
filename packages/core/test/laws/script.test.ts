import { expect, test } from "vitest";
import { type RunSpec, shapeOf } from "./run-spec.ts";
import { deedOf, fallsBack } from "./script.ts";
import { seededRun } from "./seeded-run.ts";

/** Returns a graph of one node, whose handler cannot see its abort, stalls, and is replaced by a value. */
function stalling(): RunSpec {
  for (let seed = 0; ; seed += 1) {
    const spec: RunSpec = {
      seed,
      nodes: [
        {
          kind: "bare",
          parents: [],
          back: undefined,
          concurrency: 1,
          ordering: "trace",
          maxRetries: 1,
          backoffBaseMs: 0,
          timeoutMs: 40,
          slow: 0,
          failing: 100,
          emitting: 0,
          silent: 0,
          gather: { count: 1, timeoutMs: undefined, whenShort: "fail", late: "drop", isFaulty: false },
        },
      ],
      allowCycles: false,
      isExact: true,
      queueMaxSize: 1,
      streamWindow: 1,
      rookeryMaxSize: 1,
      emitErrorsToRookery: false,
      traces: [
        {
          by: "outcome",
          tenant: "ada",
          traceId: undefined,
          priority: 0,
          fuel: 0,
          timeoutMs: undefined,
          messages: 1,
          fetches: 0,
          change: "nothing",
        },
      ],
      weights: { ada: 1, bob: 1, cy: 1 },
      isKept: false,
      stop: undefined,
    };
    const shape = shapeOf(spec);
    if (fallsBack(shape, 0) && deedOf(shape, 0, { id: "t0", fuel: 0 }, 0).failsBy === "stall") return spec;
  }
}

test("a handler that returns after its timeout and its fallback has broken no law: what it returns is fenced off (L7)", async () => {
  for (const audience of ["none", "good"] as const) {
    const { broken, statuses, faults } = await seededRun(stalling(), audience);
    expect(broken).toEqual([]);
    expect(statuses).toEqual(new Map([["completed", 1]]));
    expect([faults.get("a handler stalls"), faults.get("a failure becomes a value")]).toEqual([2, 1]);
  }
});
