import { describe, expect, test } from "vitest";
import {
  create,
  type FlowError,
  FlowErrorCode,
  joinK,
  type Message,
  type Outcome,
  payloadNode,
  shape,
  TraceCancelled,
} from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, isPending, passing, range, readAll, readOne, running } from "../fixtures/quiet-flow.ts";
import { recorder, rejection, within } from "../fixtures/watched-flow.ts";

const one = { concurrency: 1 } as const;
const echo = (name = "echo") => payloadNode(name, (payload: number) => payload);
/** Creates a node that works until it is aborted. */
const polite = (name: string, policy: { concurrency?: number; maxRetries?: number } = {}) =>
  payloadNode({ name, policy }, async (payload: number, ctx) => {
    await ctx.sleep(1e9);
    return payload;
  });

describe("cancel", () => {
  test("tells running handlers by their signal, whose reason is a TraceCancelled with the caller's reason as cause", async () => {
    const reasons: unknown[] = [];
    const worker = payloadNode("worker", (_: number, ctx): Promise<number> => {
      const { promise, reject } = Promise.withResolvers<number>();
      ctx.signal.addEventListener("abort", () => {
        reasons.push(ctx.signal.reason);
        reject(ctx.signal.reason as Error);
      });
      return promise;
    });
    const flow = running(create(worker.to()));
    const outcome = flow.outcome(1, { traceId: "t", tenant: "acme" });
    const why = new Error("not needed");
    expect(await flow.cancel("t", { tenant: "acme", reason: why })).toEqual({
      found: true,
      dropped: 0,
      aborted: 1,
      zombies: 0,
    });
    const ended = (await outcome) as Extract<Outcome, { status: "cancelled" }>;
    expect(ended).toMatchObject({ status: "cancelled", reason: why, error: { code: FlowErrorCode.TRACE_CANCELLED } });
    expect(reasons).toEqual([ended.error]);
    expect(ended.error).toBeInstanceOf(TraceCancelled);
    expect(ended.error.cause).toBe(why);
  });

  test("drops what waits, on edges and for room, and touches no other trace", async () => {
    const door = gate();
    const handled: string[] = [];
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: string) => {
      if (payload === "block") await door.passed;
      handled.push(payload);
      return payload;
    });
    const flow = running(create(worker.to(), { queueMaxSize: 4 }));
    const block = flow.call("block");
    const emits = range(9).map((index) =>
      flow.emit(`${index % 3 === 1 ? "bad" : "good"} ${index}`, { traceId: index % 3 === 1 ? "bad" : "good" }),
    );
    const refused = Promise.allSettled(emits.filter((_, index) => index % 3 === 1));
    await settle();
    expect(flow.stats().edges[0]).toMatchObject({ size: 4, waiting: 5 });
    expect(await flow.cancel("bad")).toEqual({ found: true, dropped: 3, aborted: 0, zombies: 0 });
    expect(flow.stats().edges[0]).toMatchObject({ size: 4, waiting: 2 });
    const settled = await within(500, refused);
    // one was accepted before; the others are rejected, because they never will be
    expect(settled.map((result) => result.status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect((settled[2] as { reason: FlowError }).reason.code).toBe(FlowErrorCode.TRACE_CANCELLED);
    door.open();
    await block;
    await within(500, Promise.all(emits.filter((_, index) => index % 3 !== 1)));
    const fetched: unknown[] = [];
    for (let left = 6; left > 0; left -= 1) fetched.push(((await within(500, flow.fetch())) as Message).payload);
    const good = [0, 2, 3, 5, 6, 8].map((index) => `good ${index}`);
    expect(handled).toEqual(["block", ...good]);
    expect(fetched).toEqual(good);
  });

  test("lets producers that were blocked by its messages proceed in order", async () => {
    const door = gate();
    const handled: number[] = [];
    const source = payloadNode("source", (payload: number) => payload);
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: number) => {
      if (payload === 0) await door.passed;
      handled.push(payload);
      return payload;
    });
    const flow = running(create(source.to(worker), { queueMaxSize: 2 }));
    const first = flow.call(0);
    const bad = range(2).map(() => flow.outcome(-1, { traceId: "bad" }));
    const calls = range(6).map((index) => flow.call(index + 1));
    await settle();
    expect(flow.stats().edges[0]).toMatchObject({ source: "source", size: 2, waiting: 6 });
    const report = await flow.cancel("bad");
    expect(report).toEqual({ found: true, dropped: 2, aborted: 0, zombies: 0 });
    await settle();
    expect(flow.stats().edges[0]).toMatchObject({ size: 2, waiting: 4 });
    door.open();
    expect(await within(500, Promise.all([first, ...calls]))).toEqual(range(7));
    expect(handled).toEqual(range(7));
    for (const outcome of await Promise.all(bad)) expect(outcome.status).toBe("cancelled");
  });

  test("releases backoffs, joins, sleeps, fetches, streams, blocked emits, timers and playbooks of the trace", async () => {
    const clock = new TestClock();
    const codes: Record<string, unknown> = {};
    const note = async (what: string, wait: Promise<unknown>): Promise<never> => {
      const error = (await rejection(wait)) as { code: string };
      codes[what] = error.code;
      throw error as unknown as Error;
    };
    const source = payloadNode("source", (payload: number) => payload);
    const failing = payloadNode({ name: "failing", policy: { maxRetries: 3, jitter: 0 } }, (_: number): number => {
      throw new Error("again");
    });
    const sleeper = payloadNode("sleeper", (_: number, ctx) => note("sleep", ctx.sleep(1e9)));
    const fetcher = payloadNode("fetcher", (_: number, ctx) => note("fetch", ctx.fetch({ timeoutMs: 1e9 })));
    const talker = payloadNode("talker", (_: number, ctx) =>
      note("chunk", Promise.all(range(5).map((index) => ctx.emitChunk({ text: String(index) })))),
    );
    const emitter = payloadNode("emitter", (_: number, ctx) =>
      note(
        "emit",
        (async () => {
          for (const index of range(5)) await ctx.emit(index);
        })(),
      ),
    );
    const innerTold: unknown[] = [];
    const inner = create(
      payloadNode("inner", async (_: number, ctx) => {
        ctx.signal.addEventListener("abort", () => innerTold.push((ctx.signal.reason as { code: string }).code));
        await ctx.sleep(1e9);
      }).to(),
    );
    const caller = payloadNode("caller", (_: number, ctx) => note("playbook", ctx.callPlaybook(inner, 1)));
    const join = joinK("join", 3, { input: shape<number>(), timeoutMs: 1e9 });
    const blocked = polite("blocked", one);
    const flow = running(
      create(
        source.to(failing, sleeper, fetcher, talker, emitter as never, caller, join),
        (emitter as never as typeof source).to(blocked),
        {
          clock,
          queueMaxSize: 1,
          streamWindow: 1,
        },
      ),
      clock,
    );
    const stream = flow.stream(1, { traceId: "t", timeoutMs: 1e8 });
    await stream.next();
    await clock.advance(10);
    expect(flow.stats().timers).toBeGreaterThan(4);
    const report = await within(500, flow.cancel("t"));
    // the parked retry, the joined message and those waiting for "blocked"; the waiting handlers, also in the playbook
    expect(report).toEqual({ found: true, dropped: 4, aborted: 7, zombies: 0 });
    const cancelled = FlowErrorCode.TRACE_CANCELLED;
    expect(codes).toEqual({
      sleep: cancelled,
      fetch: cancelled,
      chunk: cancelled,
      emit: cancelled,
      playbook: cancelled,
    });
    expect(innerTold).toEqual([cancelled]);
    expectEmpty(flow);
    expect(await rejection(readAll(stream))).toMatchObject({ code: cancelled });
  });

  test("of an unknown or finished trace finds nothing, and results that were there stay available", async () => {
    const flow = running(create(echo().to()));
    await flow.emit(7, { traceId: "t" });
    await settle();
    const nothing = { found: false, dropped: 0, aborted: 0, zombies: 0 };
    expect(await flow.cancel("t")).toEqual(nothing);
    expect(await flow.cancel("never")).toEqual(nothing);
    expect(await flow.fetch({ traceId: "t" })).toMatchObject({ payload: 7 });
  });

  test("keeps the results that had come before it", async () => {
    const source = payloadNode("source", async (payload: number, ctx) => {
      await ctx.emit(payload);
      await ctx.sleep(1e9);
      return 0;
    });
    const flow = running(create(source.to()));
    const outcome = flow.outcome(7, { traceId: "called" });
    await flow.emit(8, { traceId: "emitted" });
    await settle();
    await flow.cancel("called");
    await flow.cancel("emitted");
    expect(await outcome).toMatchObject({ status: "cancelled", results: [7] });
    expect(await flow.fetch({ traceId: "emitted" })).toMatchObject({ payload: 8 });
  });

  test("may be repeated at any time: the trace is ended once, and the second report finds nothing", async () => {
    const seen = recorder();
    const flow = running(create(polite("worker").to(), { middlewares: [seen.middleware] }));
    const outcome = flow.outcome(1, { traceId: "t" });
    await settle();
    const reports = await Promise.all(range(3).map(() => flow.cancel("t")));
    expect(reports.map(({ found }) => found)).toEqual([true, false, false]);
    expect(await outcome).toMatchObject({ status: "cancelled" });
    await flow.flush();
    expect(seen.of("trace_end")).toHaveLength(1);
    expect(seen.of("node_cancelled")).toHaveLength(1);
  });

  test("is reported as trace_cancel_start and, with its report, as trace_cancel_finish", async () => {
    const seen = recorder();
    const flow = running(create(polite("worker").to(), { middlewares: [seen.middleware] }));
    const outcome = flow.outcome(1, { traceId: "t" });
    const { found: _, ...report } = await flow.cancel("t", { reason: "enough" });
    await outcome;
    await flow.flush();
    expect(seen.of("trace_cancel_start")).toMatchObject([{ reason: "enough", traceId: "t" }]);
    expect(seen.of("trace_cancel_finish")).toMatchObject([{ traceId: "t", ...report }]);
  });

  test("ends all traces of that id and adds their reports up", async () => {
    const flow = running(create(polite("worker").to()));
    const outcomes = range(3).map((index) => flow.outcome(index, { traceId: "shared" }));
    expect(await flow.cancel("shared")).toEqual({ found: true, dropped: 0, aborted: 3, zombies: 0 });
    for (const outcome of await Promise.all(outcomes)) expect(outcome.status).toBe("cancelled");
  });

  test("counts a message that waits for room on several edges as dropped, too", async () => {
    const clock = new TestClock();
    const [x, y] = [polite("x", one), polite("y", one)];
    const flow = running(create(x.to(), y.to(), { queueMaxSize: 1, clock }), clock);
    const others = range(2).map((index) => flow.outcome(index, { traceId: `other ${index}` }));
    const outcome = flow.outcome(9, { traceId: "t" });
    await settle();
    const report = await flow.cancel("t");
    expect(await outcome).toMatchObject({ status: "cancelled" });
    for (const index of range(2)) await flow.cancel(`other ${index}`);
    await Promise.all(others);
    expect(report).toEqual({ found: true, dropped: 1, aborted: 0, zombies: 0 });
  });

  test("costs what the trace's own items cost, not what the others' do", async () => {
    const door = gate();
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: number) => {
      await door.passed;
      return payload;
    });
    const flow = running(create(worker.to(), { queueMaxSize: 0 }));
    const others = range(50_000).map((payload) => flow.call(payload));
    const ids = range(2_000).map(String);
    const outcomes = ids.map((traceId) => flow.outcome(1, { traceId }));
    const startedAt = performance.now();
    for (const id of ids) await flow.cancel(id);
    // 2 000 × 50 000 comparisons would take seconds
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    for (const outcome of await Promise.all(outcomes)) expect(outcome.status).toBe("cancelled");
    door.open();
    await Promise.all(others);
  });
});

describe("a handler that ignores its signal", () => {
  const deaf = () => {
    const doors: (() => void)[] = [];
    const made = payloadNode({ name: "deaf", policy: one }, async (payload: number, ctx) => {
      if (payload === 0) await new Promise<void>((resolve) => doors.push(resolve));
      await ctx.emit(payload).catch(() => undefined);
      return payload;
    });
    return { node: made, open: () => doors.shift()?.() };
  };

  test("does not delay cancel beyond the grace period: it is a zombie then, its slot goes to others, its results are fenced off", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const { node: worker, open } = deaf();
    const after: number[] = [];
    const sink = payloadNode("sink", (payload: number) => after.push(payload));
    const flow = running(create(worker.to(sink), { clock, graceMs: 100, middlewares: [seen.middleware] }), clock);
    const outcome = flow.outcome(0, { traceId: "t" });
    const next = flow.outcome(5);
    await settle();
    const cancelled = flow.cancel("t");
    // the trace's outcome does not wait for its handler
    expect(await within(500, outcome)).toMatchObject({ status: "cancelled" });
    await clock.advance(99);
    expect(await isPending(cancelled)).toBe(true);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 1, lingering: 1, zombies: 0 });
    await clock.advance(1);
    expect(await within(500, cancelled)).toEqual({ found: true, dropped: 0, aborted: 1, zombies: 1 });
    expect(await within(500, next)).toMatchObject({ status: "completed" });
    expect(flow.stats()).toMatchObject({ zombies: 1, traces: 0 });
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0, lingering: 1, zombies: 1 });
    open();
    await settle();
    expect(flow.stats()).toMatchObject({ zombies: 1, lateResults: 1 });
    expect(flow.stats().nodes[0]).toMatchObject({ lingering: 0, zombies: 0 });
    expect(after).toEqual([5, 5]);
    await flow.flush();
    expect(seen.of("node_zombie")).toMatchObject([{ node: "deaf", traceId: "t" }]);
    expect(seen.of("node_late")).toMatchObject([{ node: "deaf", traceId: "t" }]);
  });

  test("within the grace period keeps its slot, and the report counts no zombie", async () => {
    const clock = new TestClock();
    const { node: worker, open } = deaf();
    const flow = running(create(worker.to(), { clock, graceMs: 100 }), clock);
    const outcome = flow.outcome(0, { traceId: "t" });
    const next = flow.outcome(5);
    await settle();
    const cancelled = flow.cancel("t");
    await clock.advance(50);
    expect(await isPending(next)).toBe(true);
    open();
    expect(await within(500, cancelled)).toEqual({ found: true, dropped: 0, aborted: 1, zombies: 0 });
    expect(await within(500, next)).toMatchObject({ status: "completed", results: [5, 5] });
    expect(await outcome).toMatchObject({ status: "cancelled", results: [] });
  });

  test("cannot use its context any more: every use is refused with the reason", async () => {
    const door = gate();
    const refusals: unknown[] = [];
    const worker = payloadNode("worker", async (payload: number, ctx) => {
      await door.passed;
      const inner = create(echo().to());
      const uses = [
        () => ctx.emit(1),
        () => ctx.emitChunk({ text: "late" }),
        () => ctx.fetch(),
        () => ctx.sleep(1),
        () => ctx.callPlaybook(inner, 1),
        async () => ctx.emitNowait(1),
      ];
      for (const use of uses) refusals.push(((await rejection(use())) as { code: string }).code);
      refusals.push(ctx.signal.aborted, (ctx.signal.reason as { code: string }).code);
      return payload;
    });
    const flow = running(create(worker.to()));
    const outcome = flow.outcome(1, { traceId: "t" });
    const cancelled = flow.cancel("t");
    door.open();
    await within(500, cancelled);
    await outcome;
    const code = FlowErrorCode.TRACE_CANCELLED;
    expect(refusals.slice(0, 5)).toEqual(range(5).map(() => code));
    expect([code, FlowErrorCode.ATTEMPT_OVER]).toContain(refusals[5]);
    expect(refusals.slice(6)).toEqual([true, code]);
  });

  test("that cancels its own trace is given up after the grace period and does not hang", async () => {
    const clock = new TestClock();
    const worker = payloadNode("worker", async (_: number, ctx) => {
      await flow.cancel(ctx.traceId);
      return 1;
    });
    const flow = create(worker.to(), { clock, graceMs: 100 });
    running(flow, clock);
    const outcome = flow.outcome(1);
    expect(await within(500, outcome)).toMatchObject({ status: "cancelled" });
    await clock.advance(100);
    expect(flow.stats()).toMatchObject({ traces: 0 });
  });
});

describe("a trace id that is still unwinding", () => {
  test("is refused with TRACE_UNWINDING until the last handler has returned, for that tenant alone", async () => {
    const clock = new TestClock();
    const door = gate();
    const worker = payloadNode("worker", async (payload: number) => {
      if (payload === 0) await door.passed;
      return payload;
    });
    const flow = running(create(worker.to(), { clock, graceMs: 1_000 }), clock);
    const outcome = flow.outcome(0, { traceId: "t" });
    const cancelled = flow.cancel("t");
    expect(await outcome).toMatchObject({ status: "cancelled" });
    const refused = { code: FlowErrorCode.TRACE_UNWINDING, traceId: "t", retryable: true };
    for (const again of [
      () => flow.call(1, { traceId: "t" }),
      () => flow.outcome(1, { traceId: "t" }),
      () => flow.emit(1, { traceId: "t" }),
      async () => flow.emitNowait(1, { traceId: "t" }),
      () => flow.stream(1, { traceId: "t" }).next(),
    ])
      expect(await rejection(again())).toMatchObject(refused);
    expect(await flow.call(1, { traceId: "t", tenant: "other" })).toBe(1);
    door.open();
    await within(500, cancelled);
    expect(await flow.call(1, { traceId: "t" })).toBe(1);
  });

  test("is free again when the handler became a zombie", async () => {
    const clock = new TestClock();
    const door = gate();
    const worker = payloadNode("worker", async (payload: number) => {
      if (payload === 0) await door.passed;
      return payload;
    });
    const flow = running(create(worker.to(), { clock, graceMs: 10 }), clock);
    const outcome = flow.outcome(0, { traceId: "t" });
    const report = passing(clock, flow.cancel("t"), 10);
    expect(await report).toMatchObject({ zombies: 1 });
    await outcome;
    expect(await flow.call(1, { traceId: "t" })).toBe(1);
    door.open();
    await settle();
  });
});

describe("what cancels a trace beside flow.cancel", () => {
  test("is the caller's signal, before and during the call, and its listener goes with the trace", async () => {
    const flow = running(create(polite("worker").to()));
    const controller = new AbortController();
    const outcome = flow.outcome(1, { signal: controller.signal });
    await settle();
    const why = new Error("closed");
    controller.abort(why);
    expect(await within(500, outcome)).toMatchObject({ status: "cancelled", reason: why });
    let calls = 0;
    const counting = running(create(payloadNode("count", () => (calls += 1)).to()));
    expect(await within(500, counting.outcome(1, { signal: AbortSignal.abort(why) }))).toMatchObject({
      status: "cancelled",
      reason: why,
    });
    expect(calls).toBe(0);
  });

  test("is the signal of an emit, also one that has aborted before", async () => {
    const flow = running(create(echo().to()));
    const error = (await rejection(
      flow
        .emit(1, { traceId: "t", signal: AbortSignal.abort(new Error("too late")) })
        .then(() => flow.fetch({ traceId: "t" })),
    )) as FlowError;
    expect(error).toMatchObject({ code: FlowErrorCode.TRACE_CANCELLED });
    await settle();
  });

  test("is a reader who leaves the loop over its stream, unless it detaches", async () => {
    const clock = new TestClock();
    const ends: string[] = [];
    const talker = payloadNode("talker", async (count: number, ctx) => {
      ctx.signal.addEventListener("abort", () => ends.push("aborted"));
      for (const index of range(count)) await ctx.emitChunk({ text: String(index) });
      ends.push("finished");
      return count;
    });
    const flow = running(create(talker.to(), { clock, streamWindow: 2 }), clock);
    await readOne(flow.stream(50));
    expect(ends).toEqual(["aborted"]);
    expectEmpty(flow);
    await readOne(flow.stream(50, { onLeave: "detach" }));
    await settle();
    expect(ends).toEqual(["aborted", "finished"]);
    expect(flow.stats().outcomes).toMatchObject({ cancelled: 1, completed: 1 });
  });
});

test("an AbortError that the runtime did not cause is an ordinary error of its node", async () => {
  const worker = payloadNode("worker", (_: number): number => {
    throw new DOMException("The user's own", "AbortError");
  });
  const flow = running(create(worker.to()));
  const outcome = await flow.outcome(1);
  expect(outcome).toMatchObject({
    status: "failed",
    error: { code: FlowErrorCode.NODE_EXCEPTION, node: "worker", cause: { name: "AbortError" } },
  });
});

test("a TraceCancelled that a handler throws by itself is an ordinary error of its node, too", async () => {
  const worker = payloadNode("worker", (_: number, ctx): number => {
    throw new TraceCancelled({ traceId: ctx.traceId });
  });
  const flow = running(create(worker.to()));
  expect(await flow.outcome(1)).toMatchObject({ status: "failed", error: { code: FlowErrorCode.NODE_EXCEPTION } });
});

test("a failing branch releases the rest of its trace: siblings are told, waiting messages dropped", async () => {
  const clock = new TestClock();
  const told: unknown[] = [];
  const source = payloadNode("source", (payload: number) => payload);
  const sibling = payloadNode("sibling", async (_: number, ctx) => {
    ctx.signal.addEventListener("abort", () => told.push((ctx.signal.reason as { code: string }).code));
    await ctx.sleep(1e9);
  });
  const failing = payloadNode("failing", async (_: number, ctx) => {
    await ctx.sleep(10);
    throw new Error("broken");
  });
  const flow = running(create(source.to(sibling, failing), { clock }), clock);
  const outcome = flow.outcome(1);
  await clock.advance(10);
  expect(await within(500, outcome)).toMatchObject({ status: "failed", error: { node: "failing" } });
  expect(told).toEqual([FlowErrorCode.NODE_EXCEPTION]);
  expectEmpty(flow);
});

test("the report of a cancel counts the handlers of playbooks and waits for them", async () => {
  const clock = new TestClock();
  const door = gate();
  const inner = create(
    payloadNode("deaf", async (payload: number) => {
      await door.passed;
      return payload;
    }).to(),
    { graceMs: 50 },
  );
  const outer = payloadNode("outer", (payload: number, ctx) => ctx.callPlaybook(inner, payload));
  const flow = running(create(outer.to(), { clock, graceMs: 100 }), clock);
  const outcome = flow.outcome(1, { traceId: "t" });
  await settle();
  const cancelled = flow.cancel("t");
  expect(await within(500, outcome)).toMatchObject({ status: "cancelled" });
  expect(await isPending(cancelled)).toBe(true);
  expect(await passing(clock, cancelled, 50)).toEqual({ found: true, dropped: 0, aborted: 2, zombies: 1 });
  door.open();
  await settle();
});
