import { describe, expect, test } from "vitest";
import { create, type FlowError, type Message, node, payloadNode } from "penguiflow";
import { getRecordedEvents, runOne, simulateError } from "penguiflow/testing";
import { rejection, tidy } from "../fixtures/watched-flow.ts";

const nodesOf = (traceId: string) =>
  getRecordedEvents(traceId).flatMap((event) => (event.type === "node_start" ? [event.node] : []));
const retries = { maxRetries: 3, backoffBaseMs: 0 } as const;
const work = () => payloadNode({ name: "work", policy: retries }, (value: number) => value * 2);

describe("simulateError makes a handler that", () => {
  test("fails as often as it is told with the code, and then returns the result", async () => {
    const flaky = node(
      { name: "flaky", policy: retries },
      simulateError("flaky", "NODE_TIMEOUT", { failTimes: 2, result: "ok" }),
    );
    const { payload, traceId } = await runOne(create(flaky.to()), 1);
    expect(payload).toBe("ok");
    expect(nodesOf(traceId)).toEqual(["flaky", "flaky", "flaky"]);
  });

  test("fails the trace when it fails more often than there are attempts, its error the cause", async () => {
    const flaky = node(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 0 } },
      simulateError("flaky", "NODE_TIMEOUT", { failTimes: 5 }),
    );
    const error = (await rejection(runOne(create(flaky.to()), 1))) as FlowError;
    expect(error).toMatchObject({ node: "flaky", attempt: 2 });
    expect(error.unwrap()).toMatchObject({ code: "NODE_TIMEOUT", message: expect.stringContaining("flaky") as string });
  });

  test("fails once by default and then passes its message on", async () => {
    const flaky = node({ name: "flaky", policy: retries }, simulateError("flaky", "NODE_EXCEPTION"));
    const result = await runOne(create(flaky.to()), 7, { meta: { a: 1 } });
    expect(result).toMatchObject({ payload: 7, meta: { a: 1 } });
  });

  test("does not fail with failTimes: 0", async () => {
    const fine = node("fine", simulateError("fine", "NODE_EXCEPTION", { failTimes: 0, result: 1 }));
    expect((await runOne(create(fine.to()), 1)).payload).toBe(1);
  });

  test("counts over all traces, or for each trace apart", async () => {
    const failures = async (perTrace: boolean) => {
      const handler = simulateError("flaky", "NODE_EXCEPTION", { failTimes: 1, result: 1, perTrace });
      const flow = tidy(create(node("flaky", handler).to()).run());
      const statuses = [];
      for (const traceId of ["a", "b", "a", "b"]) statuses.push((await flow.outcome(1, { traceId })).status);
      return statuses;
    };
    expect(await failures(false)).toEqual(["failed", "completed", "completed", "completed"]);
    expect(await failures(true)).toEqual(["failed", "failed", "completed", "completed"]);
  });

  test("counts tenants apart when it counts traces apart", async () => {
    const handler = simulateError("flaky", "NODE_EXCEPTION", { perTrace: true, result: 1 });
    const flow = tidy(create(node("flaky", handler).to()).run());
    const statuses = [];
    for (const tenant of ["a", "b", "a"]) statuses.push((await flow.outcome(1, { traceId: "t", tenant })).status);
    expect(statuses).toEqual(["failed", "failed", "completed"]);
  });

  test.each([-1, 1.5, Number.NaN])("is refused with failTimes: %s", (failTimes) => {
    expect(() => simulateError("x", "NODE_EXCEPTION", { failTimes })).toThrow(/failTimes/);
  });
});

describe("simulateError makes a node fail", () => {
  const boom = new Error("simulated");

  test("at its first attempt, with the very error, until it is mended", async () => {
    const one = work();
    const mend = simulateError(one, { error: boom });
    const flow = create(one.to());
    const { traceId } = await runOne(flow, 1);
    expect(nodesOf(traceId)).toEqual(["work", "work"]);
    mend();
    expect(nodesOf((await runOne(flow, 1)).traceId)).toEqual(["work"]);
  });

  test("at chosen attempts", async () => {
    const one = work();
    const mend = simulateError(one, { error: boom, onAttempt: [1, 2, 3] });
    const { traceId, payload } = await runOne(create(one.to()), 4);
    expect(payload).toBe(8);
    expect(nodesOf(traceId)).toEqual(["work", "work", "work", "work"]);
    mend();
    const mendSecond = simulateError(one, { error: boom, onAttempt: 2 });
    expect(nodesOf((await runOne(create(one.to()), 4)).traceId)).toEqual(["work"]);
    mendSecond();
  });

  test("with every attempt failing the trace fails, the error its cause", async () => {
    const one = work();
    const mend = simulateError(one, { error: boom, onAttempt: [1, 2, 3, 4] });
    const error = (await rejection(runOne(create(one.to()), 4))) as FlowError;
    expect(error.unwrap()).toBe(boom);
    mend();
  });

  test("in one trace only", async () => {
    const one = work();
    const mend = simulateError(one, { error: boom, traceId: "bad" });
    const flow = create(one.to());
    await runOne(flow, 1, { traceId: "good" });
    await runOne(flow, 1, { traceId: "bad" });
    expect(nodesOf("good")).toEqual(["work"]);
    expect(nodesOf("bad")).toEqual(["work", "work"]);
    mend();
  });

  test("by several faults at once: a plan by node, trace and attempt, each ended by itself", async () => {
    const one = work();
    const mendFirst = simulateError(one, { error: boom, traceId: "plan-a", onAttempt: 1 });
    const mendSecond = simulateError(one, { error: boom, traceId: "plan-b", onAttempt: [1, 2] });
    const flow = create(one.to());
    await runOne(flow, 1, { traceId: "plan-a" });
    await runOne(flow, 1, { traceId: "plan-b" });
    expect(nodesOf("plan-a")).toEqual(["work", "work"]);
    expect(nodesOf("plan-b")).toEqual(["work", "work", "work"]);
    mendFirst();
    mendFirst();
    const third = `plan-b-${Math.random()}`;
    const mendThird = simulateError(one, { error: boom, traceId: third });
    await runOne(flow, 1, { traceId: third });
    expect(nodesOf(third)).toEqual(["work", "work"]);
    mendSecond();
    mendThird();
    expect(nodesOf((await runOne(flow, 1)).traceId)).toEqual(["work"]);
  });

  test("of either style, without a change of the node or of other flows' nodes of that name", async () => {
    const style = node({ name: "work", policy: retries }, (message: Message<number>) => message.payload);
    const mend = simulateError(style, { error: boom });
    expect(nodesOf((await runOne(create(style.to()), 1)).traceId)).toEqual(["work", "work"]);
    expect(nodesOf((await runOne(create(work().to()), 1)).traceId)).toEqual(["work"]);
    mend();
  });

  test("no longer than until it is mended, also in a flow that runs meanwhile", async () => {
    const one = payloadNode("work", (value: number) => value);
    const mend = simulateError(one, { error: boom });
    const flow = tidy(create(one.to()).run());
    expect((await flow.outcome(1)).status).toBe("failed");
    mend();
    expect((await flow.outcome(1)).status).toBe("completed");
  });

  test.each([0, -1, 1.5])("is refused at attempt %s", (onAttempt) => {
    expect(() => simulateError(work(), { error: boom, onAttempt })).toThrow(/onAttempt/);
  });
});
