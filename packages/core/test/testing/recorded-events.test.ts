import { describe, expect, test } from "vitest";
import { create, payloadNode } from "penguiflow";
import { assertNodeSequence, getRecordedEvents, recordFlowEvents, runOne, TestClock } from "penguiflow/testing";
import { rejection, tidy } from "../fixtures/watched-flow.ts";

const pass = (name: string) => payloadNode(name, (value: number) => value);
const chain = () => {
  const [a, b, c] = [pass("a"), pass("b"), pass("c")];
  return create(a.to(b).to(c));
};
let count = 0;
const fresh = () => `recorded-${(count += 1)}`;
const failure = (act: () => void): string => {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("Expected an assertion to fail");
};

describe("getRecordedEvents", () => {
  test("has what runOne ran, in order", async () => {
    const { traceId } = await runOne(chain(), 1, { traceId: fresh() });
    const events = getRecordedEvents(traceId);
    expect(events.map((event) => event.type)).toEqual([
      "trace_start",
      "node_start",
      "node_success",
      "node_start",
      "node_success",
      "node_start",
      "node_success",
      "trace_end",
    ]);
  });

  test("has the events of a failed run too", async () => {
    const traceId = fresh();
    const failing = payloadNode("failing", (): number => {
      throw new Error("boom");
    });
    await rejection(runOne(create(failing.to()), 1, { traceId }));
    expect(getRecordedEvents(traceId).map((event) => event.type)).toContain("node_failed");
  });

  test("has each event once, also in a flow that records already", async () => {
    const traceId = fresh();
    const a = pass("a");
    await runOne(create(a.to(), { middlewares: [recordFlowEvents] }), 1, { traceId });
    expect(getRecordedEvents(traceId).filter((event) => event.type === "trace_start")).toHaveLength(1);
  });

  test("has those of playbooks, once, also of playbooks that were run by themselves before", async () => {
    const playbook = create(pass("inner").to(), { name: "inner" });
    await runOne(playbook, 1);
    const traceId = fresh();
    const outer = payloadNode("outer", (value: number, ctx) => ctx.callPlaybook(playbook, value));
    await runOne(create(outer.to()), 1, { traceId });
    expect(() => assertNodeSequence(traceId, ["outer", "inner"])).not.toThrow();
  });

  test("has nothing of an unknown trace", () => {
    expect(getRecordedEvents("never")).toEqual([]);
  });

  test("has the events of a running flow with the middleware", async () => {
    const flow = tidy(create(pass("a").to(), { middlewares: [recordFlowEvents] }).run());
    const traceId = fresh();
    await flow.call(1, { traceId });
    await flow.flush();
    expect(() => assertNodeSequence(traceId, ["a"])).not.toThrow();
  });

  test("keeps a bounded number of traces: the newest", async () => {
    const flow = tidy(create(pass("a").to(), { middlewares: [recordFlowEvents] }).run());
    const first = fresh();
    await flow.call(1, { traceId: first });
    for (let index = 0; index < 1_000; index += 1) await flow.call(1, { traceId: `bulk-${index}` });
    await flow.flush();
    expect(getRecordedEvents(first)).toEqual([]);
    expect(getRecordedEvents("bulk-999")).not.toEqual([]);
  });
});

describe("assertNodeSequence", () => {
  test("holds for exactly the nodes that ran, in their order", async () => {
    const { traceId } = await runOne(chain(), 1, { traceId: fresh() });
    expect(() => assertNodeSequence(traceId, ["a", "b", "c"])).not.toThrow();
  });

  test.each([[["a", "b"]], [["a", "b", "c", "d"]], [["a", "c", "b"]], [["b", "c"]], [[]], [["a", "a", "b", "c"]]])(
    "fails for %j and shows both sequences",
    async (expected) => {
      const { traceId } = await runOne(chain(), 1, { traceId: fresh() });
      const text = failure(() => assertNodeSequence(traceId, expected));
      expect(text).toContain(traceId);
      expect(text).toContain("a → b → c");
      expect(text).toContain(expected.join(" → "));
    },
  );

  test("counts every attempt by default, and the attempts of one message once on request", async () => {
    const traceId = fresh();
    const flaky = payloadNode({ name: "flaky", policy: { maxRetries: 2, backoffBaseMs: 0 } }, (value: number, ctx) => {
      if (ctx.attempt < 3) throw new Error("busy");
      return value;
    });
    await runOne(create(flaky.to(pass("b"))), 1, { traceId });
    expect(() => assertNodeSequence(traceId, ["flaky", "flaky", "flaky", "b"])).not.toThrow();
    expect(() => assertNodeSequence(traceId, ["flaky", "b"], { mode: "collapseRetries" })).not.toThrow();
    failure(() => assertNodeSequence(traceId, ["flaky", "b"]));
    failure(() => assertNodeSequence(traceId, ["flaky", "flaky", "b"], { mode: "collapseRetries" }));
  });

  test("takes branches in any order where names stand in an inner array", async () => {
    const clock = new TestClock();
    const traceId = fresh();
    const source = pass("source");
    const flow = tidy(create(source.to(pass("x"), pass("y")), { middlewares: [recordFlowEvents], clock }).run());
    await flow.outcome(1, { traceId });
    await flow.flush();
    expect(() => assertNodeSequence(traceId, ["source", ["y", "x"]])).not.toThrow();
    expect(() => assertNodeSequence(traceId, [["x", "source"], "y"])).not.toThrow();
    failure(() => assertNodeSequence(traceId, ["source", ["x", "x"]]));
    failure(() => assertNodeSequence(traceId, [["x", "y"], "source"]));
  });

  test("says how to record when there is nothing of the trace", () => {
    expect(failure(() => assertNodeSequence("never", []))).toMatch(/No events of trace "never".*runOne/);
  });

  test("sees only the last run when tests use a trace id again", async () => {
    await runOne(chain(), 1, { traceId: "used-again" });
    await runOne(create(pass("other").to()), 1, { traceId: "used-again" });
    expect(() => assertNodeSequence("used-again", ["other"])).not.toThrow();
  });

  test("refuses a mode it does not know", async () => {
    const { traceId } = await runOne(chain(), 1, { traceId: fresh() });
    expect(failure(() => assertNodeSequence(traceId, ["a", "b", "c"], { mode: "loose" as never }))).toMatch(/mode/);
  });
});
