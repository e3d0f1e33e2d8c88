import { describe, expect, test } from "vitest";
import { create, type FlowOptions, MemoryStateStore, payloadNode, type RemoteBinding } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { leftovers, logbook, NOTHING, rejection, tidy, within } from "../fixtures/watched-flow.ts";

function sleeping(options: FlowOptions = {}) {
  const clock = new TestClock();
  const sleeper = payloadNode("sleeper", async (ms: number, ctx) => {
    await ctx.sleep(Math.abs(ms));
    if (ms < 0) throw new Error("boom");
    return ms;
  });
  const flow = tidy(create(sleeper.to(), { clock, ...options }).run());
  return { clock, flow };
}

describe("ensureTraceSignal", () => {
  test("aborts with TraceCancelled when the trace is cancelled", async () => {
    const { flow } = sleeping();
    const outcome = flow.outcome(100, { traceId: "t" });
    const signal = flow.ensureTraceSignal("t");
    expect(signal.aborted).toBe(false);
    await within(1_000, flow.cancel("t"));
    await outcome;
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ name: "TraceCancelled", traceId: "t" });
  });

  test.each<[string, number, { timeoutMs?: number }, string]>([
    ["fails", -10, {}, "NODE_EXCEPTION"],
    ["passes its deadline", 100, { timeoutMs: 5 }, "DEADLINE_EXCEEDED"],
  ])("aborts with the error when the trace %s", async (_, ms, options, code) => {
    const { clock, flow } = sleeping();
    const outcome = flow.outcome(ms, { traceId: "t", ...options });
    const signal = flow.ensureTraceSignal("t");
    await clock.advance(50);
    await outcome;
    expect(signal.reason).toMatchObject({ code });
  });

  test("aborts when the flow stops", async () => {
    const { flow } = sleeping();
    const outcome = flow.outcome(100, { traceId: "t" });
    const signal = flow.ensureTraceSignal("t");
    await within(1_000, flow.stop());
    expect((await outcome).status).toBe("stopped");
    expect(signal.reason).toMatchObject({ code: "FLOW_STOPPED" });
  });

  test("never aborts when the trace completes", async () => {
    const { clock, flow } = sleeping();
    const call = flow.call(10, { traceId: "t" });
    const signal = flow.ensureTraceSignal("t");
    await clock.advance(10);
    expect(await call).toBe(10);
    await flow.cancel("t");
    expect(signal.aborted).toBe(false);
  });

  test("of a trace that is unknown or over has aborted already", async () => {
    const { clock, flow } = sleeping();
    expect(flow.ensureTraceSignal("never").reason).toMatchObject({ code: "TRACE_UNKNOWN", traceId: "never" });
    const call = flow.call(10, { traceId: "t" });
    await clock.advance(10);
    await call;
    expect(flow.ensureTraceSignal("t").reason).toMatchObject({ code: "TRACE_UNKNOWN" });
  });

  test("asks for the tenant when several use the id, and never crosses tenants", async () => {
    const { flow } = sleeping();
    const outcomes = ["acme", "rival"].map((tenant) => flow.outcome(100, { traceId: "t", tenant }));
    expect(() => flow.ensureTraceSignal("t")).toThrow(expect.objectContaining({ code: "TENANT_REQUIRED" }) as Error);
    const [acme, rival] = [
      flow.ensureTraceSignal("t", { tenant: "acme" }),
      flow.ensureTraceSignal("t", { tenant: "rival" }),
    ];
    await within(1_000, flow.cancel("t", { tenant: "acme" }));
    expect([acme.aborted, rival.aborted]).toEqual([true, false]);
    expect(flow.ensureTraceSignal("t", { tenant: "other" }).aborted).toBe(true);
    await flow.cancel("t", { tenant: "rival" });
    await Promise.all(outcomes);
  });

  test("needs a flow that runs", () => {
    const { flow } = sleeping();
    void flow.stop();
    const idle = create(payloadNode("echo", (value: number) => value).to());
    expect(() => idle.ensureTraceSignal("t")).toThrow(expect.objectContaining({ code: "FLOW_NOT_RUNNING" }) as Error);
  });
});

describe("registerExternalTask", () => {
  test("has the task cancelled once, with the reason, when its trace is", async () => {
    const { flow, clock } = sleeping();
    const outcome = flow.outcome(100, { traceId: "t" });
    const reasons: unknown[] = [];
    flow.registerExternalTask("t", { cancel: (reason) => reasons.push(reason) });
    await clock.advance(10);
    await within(1_000, flow.cancel("t"));
    await flow.cancel("t");
    await outcome;
    await clock.advance(0);
    expect(reasons).toMatchObject([{ name: "TraceCancelled" }]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("leaves the task alone when its trace completes, and when it was taken back", async () => {
    const { flow, clock } = sleeping();
    let cancelled = 0;
    const call = flow.call(10, { traceId: "done" });
    flow.registerExternalTask("done", { cancel: () => (cancelled += 1) });
    const outcome = flow.outcome(100, { traceId: "back" });
    const takeBack = flow.registerExternalTask("back", { cancel: () => (cancelled += 1) });
    takeBack();
    takeBack();
    await clock.advance(10);
    await call;
    await flow.cancel("back");
    await outcome;
    await clock.advance(0);
    expect(cancelled).toBe(0);
  });

  test("cancels the task at once when its trace is over", async () => {
    const { flow, clock } = sleeping();
    const reasons: unknown[] = [];
    flow.registerExternalTask("never", { cancel: (reason) => reasons.push(reason) });
    await clock.advance(0);
    expect(reasons).toMatchObject([{ code: "TRACE_UNKNOWN" }]);
  });

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("agent away");
      },
    ],
    ["rejects", () => Promise.reject(new Error("agent away"))],
  ])("a cancel that %s is logged and harms no trace", async (_, cancel) => {
    const logger = logbook();
    const { flow, clock } = sleeping({ logger });
    const outcome = flow.outcome(100, { traceId: "t" });
    flow.registerExternalTask("t", { cancel });
    expect(await within(1_000, flow.cancel("t"))).toMatchObject({ found: true });
    expect((await outcome).status).toBe("cancelled");
    await clock.advance(0);
    expect(logger.lines).toHaveLength(1);
    expect(JSON.stringify(logger.lines)).toContain("agent away");
  });

  test("a task that takes forever to be cancelled does not delay cancel or stop", async () => {
    const { flow } = sleeping();
    const outcome = flow.outcome(100, { traceId: "t" });
    flow.registerExternalTask("t", { cancel: () => new Promise(() => {}) });
    expect(await within(1_000, flow.cancel("t"))).toMatchObject({ found: true });
    expect((await outcome).status).toBe("cancelled");
    await within(1_000, flow.stop());
  });

  test("a handler may register a task for its own trace", async () => {
    const clock = new TestClock();
    const cancelled: unknown[] = [];
    const remote = payloadNode("remote", async (ms: number, ctx) => {
      const done = flow.registerExternalTask(
        ctx.traceId,
        { cancel: (reason) => cancelled.push(reason) },
        { tenant: ctx.tenant },
      );
      await ctx.sleep(ms);
      done();
      return ms;
    });
    const flow: {
      registerExternalTask: (
        id: string,
        task: { cancel(reason: unknown): unknown },
        options: { tenant: string },
      ) => () => void;
    } & ReturnType<typeof build> = build();
    function build() {
      return create(remote.to(), { clock });
    }
    tidy(flow.run());
    const [fine, cut] = [flow.outcome(10, { traceId: "fine" }), flow.outcome(1_000, { traceId: "cut" })];
    await clock.advance(10);
    await flow.cancel("cut");
    await clock.advance(0);
    expect([(await fine).status, (await cut).status]).toEqual(["completed", "cancelled"]);
    expect(cancelled).toHaveLength(1);
  });
});

describe("saveRemoteBinding", () => {
  const binding: RemoteBinding = {
    tenant: "acme",
    traceId: "t",
    node: "remote",
    agentUrl: "https://agent.example",
    taskId: "task",
    contextId: "c",
  };

  test("keeps the binding in the flow's store, for its tenant", async () => {
    const stateStore = new MemoryStateStore();
    const { flow } = sleeping({ stateStore });
    await flow.saveRemoteBinding(binding);
    expect(await stateStore.findRemoteBindings({ tenant: "acme", traceId: "t" })).toEqual([binding]);
    expect(await stateStore.findRemoteBindings({ tenant: "rival", traceId: "t" })).toEqual([]);
  });

  test("says so when the flow has no store", async () => {
    expect(await rejection(sleeping().flow.saveRemoteBinding(binding))).toMatchObject({
      name: "TypeError",
      message: expect.stringMatching(/remote binding.*stateStore/) as string,
    });
  });
});
