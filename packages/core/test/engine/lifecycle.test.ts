import { describe, expect, test } from "vitest";
import { create, FlowError, FlowErrorCode, type Message, node, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { leftovers, NOTHING, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const same = payloadNode("same", (value: number) => value);
const codeOf = (error: unknown) => (error instanceof FlowError ? error.code : error);

/** Creates a node whose handlers return on demand, or when their signal aborts. */
function gate(concurrency = 64) {
  const waiting: (() => void)[] = [];
  return {
    node: payloadNode(
      { name: "gate", policy: { concurrency } },
      (value: number, ctx) =>
        new Promise<number>((resolve, reject) => {
          waiting.push(() => resolve(value));
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
        }),
    ),
    open: () => waiting.splice(0).forEach((go) => go()),
    get inside() {
      return waiting.length;
    },
  };
}

/** Creates a node whose handlers ignore their signal and return only on demand. */
function deaf() {
  const waiting: (() => void)[] = [];
  return {
    node: payloadNode("deaf", (value: number) => new Promise<number>((resolve) => waiting.push(() => resolve(value)))),
    open: () => waiting.splice(0).forEach((go) => go()),
  };
}

describe("run", () => {
  test("twice throws and leaves the first run as it is", async () => {
    const flow = tidy(create(same.to()).run());
    expect(() => flow.run()).toThrow(TypeError);
    expect(() => flow.run()).toThrow('Cannot run flow "flow" twice: stop it first');
    expect(await flow.call(1)).toBe(1);
  });

  test("returns the flow, and isRunning tells", async () => {
    const flow = create(same.to());
    expect(flow.isRunning).toBe(false);
    expect(flow.run()).toBe(flow);
    expect(flow.isRunning).toBe(true);
    const stopping = flow.stop();
    expect(flow.isRunning).toBe(false);
    await stopping;
    expect(flow.isRunning).toBe(false);
  });

  test("refuses an option it does not know", () => {
    const flow = create(same.to());
    const run = flow.run.bind(flow) as (options: object) => unknown;
    expect(() => run({ resource: {} })).toThrow(
      'Unknown option "resource" of run: expected one of "registry", "resources"',
    );
    expect(flow.isRunning).toBe(false);
  });

  test("hands its resources to every handler, the object itself", async () => {
    const resources = { index: new Map([["a", 1]]) };
    const look = node("look", (message: Message<string>, ctx: { resources: typeof resources }) => {
      expect(ctx.resources).toBe(resources);
      return ctx.resources.index.get(message.payload) ?? 0;
    });
    const flow = tidy(create(look.to()).run({ resources }));
    expect(await flow.call("a")).toBe(1);
  });

  test("after stop may be given other resources", async () => {
    const look = payloadNode("look", (_: number, ctx: { resources: { name: string } }) => ctx.resources.name);
    const flow = create(look.to()).run({ resources: { name: "first" } });
    expect(await flow.call(1)).toBe("first");
    await flow.stop();
    tidy(flow.run({ resources: { name: "second" } }));
    expect(await flow.call(1)).toBe("second");
  });
});

describe("a flow that does not run", () => {
  const uses: [string, (flow: ReturnType<typeof idle>) => unknown][] = [
    ["call", (flow) => flow.call(1)],
    ["outcome", (flow) => flow.outcome(1)],
    ["stream", (flow) => flow.stream(1).next()],
    ["emit", (flow) => flow.emit(1)],
    ["emitNowait", async (flow) => flow.emitNowait(1)],
    ["fetch", (flow) => flow.fetch()],
    ["fetch of a trace", (flow) => flow.fetch({ traceId: "t" })],
    ["fetchAny", (flow) => flow.fetchAny()],
    ["cancel", (flow) => flow.cancel("t")],
    ["emitChunk", (flow) => flow.emitChunk({ traceId: "t", text: "x" })],
    ["stats", async (flow) => flow.stats()],
  ];
  const ran: number[] = [];
  const idle = () => create(payloadNode("note", (value: number) => void ran.push(value)).to(), { name: "docs" });

  test.each(uses)("refuses %s before run, with its name", async (_what, use) => {
    const error = await rejection(within(1_000, use(idle()) as Promise<unknown>));
    expect(codeOf(error)).toBe(FlowErrorCode.FLOW_NOT_RUNNING);
    expect(String(error)).toContain('Flow "docs" is not running');
  });

  test.each(uses)("refuses %s after stop, and a later run does not find it", async (_what, use) => {
    const flow = idle().run();
    await flow.stop();
    const error = await rejection(within(1_000, use(flow) as Promise<unknown>));
    expect(codeOf(error)).toBe(FlowErrorCode.FLOW_NOT_RUNNING);
    tidy(flow.run());
    await settle();
    expect(ran).toEqual([]);
    expect(flow.stats().accepted).toBe(0);
  });

  test("flushes at once", async () => {
    await expect(within(1_000, idle().flush())).resolves.toBe(true);
  });
});

describe("addMiddleware", () => {
  test("works before run, throws while the flow runs, and works again after stop", async () => {
    const [first, second] = [recorder(), recorder()];
    const flow = create(same.to());
    expect(flow.addMiddleware(first.middleware)).toBe(flow);
    flow.run();
    expect(() => flow.addMiddleware(second.middleware)).toThrow(TypeError);
    expect(() => flow.addMiddleware(second.middleware)).toThrow("add it before run");
    await flow.call(1);
    await flow.stop();
    flow.addMiddleware(second.middleware);
    tidy(flow.run());
    await flow.call(1);
    await flow.flush();
    expect(first.of("trace_start")).toHaveLength(2);
    expect(second.of("trace_start")).toHaveLength(1);
  });

  test("takes nothing but functions", () => {
    expect(() => create(same.to()).addMiddleware("log" as never)).toThrow("got string");
  });
});

describe("stop", () => {
  const clock = () => new TestClock();

  test("of a flow that does not run does nothing, any number of times", async () => {
    const flow = create(same.to());
    const nothing = { completed: 0, cancelled: 0, abandoned: 0 };
    expect(await flow.stop()).toEqual(nothing);
    flow.run();
    expect(await flow.stop()).toEqual(nothing);
    expect(await flow.stop()).toEqual(nothing);
  });

  test("twice at once is one stop", async () => {
    const held = gate();
    const flow = create(held.node.to()).run();
    const outcome = flow.outcome(1);
    await settle();
    const reports = await Promise.all([flow.stop(), flow.stop()]);
    expect(reports[0]).toEqual({ completed: 0, cancelled: 1, abandoned: 0 });
    expect(reports[1]).toEqual(reports[0]);
    expect((await outcome).status).toBe("stopped");
  });

  test("happens at the end of an await using block", async () => {
    let outside: { readonly isRunning: boolean } | undefined;
    {
      await using flow = create(same.to()).run();
      outside = flow;
      expect(await flow.call(4)).toBe(4);
    }
    expect(outside.isRunning).toBe(false);
  });

  test.each([[-1], [Number.NaN], ["5"]])("refuses drainMs %j by name and continues running", async (drainMs) => {
    const flow = tidy(create(same.to()).run());
    const error = await rejection((async () => flow.stop({ drainMs: drainMs as number }))());
    expect(String(error)).toContain('Option "drainMs" must be a number of 0 or more: got');
    expect(await flow.call(1)).toBe(1);
  });

  test("refuses an option it does not know", async () => {
    const flow = tidy(create(same.to()).run());
    expect(String(await rejection((async () => flow.stop({ drain: 5 } as object))()))).toContain(
      'Unknown option "drain" of stop: expected one of "drainMs"',
    );
  });

  test("without draining ends every trace as stopped and releases everyone who waits", async () => {
    const held = gate();
    const flow = create(held.node.to(), { queueMaxSize: 1, clock: clock() }).run();
    const waiting = {
      call: rejection(flow.call(1)),
      outcome: flow.outcome(2),
      stream: rejection(flow.stream(3).next()),
      emitted: flow.emit(4, { traceId: "four" }),
      fetch: rejection(flow.fetch()),
      one: rejection(flow.fetch({ traceId: "four" })),
      late: rejection(flow.fetch({ timeoutMs: 60_000 })),
    };
    await settle();
    const report = await within(2_000, flow.stop(), "stop");
    expect(report).toEqual({ completed: 0, cancelled: 4, abandoned: 0 });
    expect(codeOf(await waiting.call)).toBe("FLOW_STOPPED");
    expect(await waiting.outcome).toMatchObject({ status: "stopped", error: { code: "FLOW_STOPPED" } });
    expect(codeOf(await waiting.stream)).toBe("FLOW_STOPPED");
    expect(await waiting.emitted).toBe("four");
    for (const fetcher of [waiting.fetch, waiting.one, waiting.late])
      expect(codeOf(await within(1_000, fetcher, "a fetcher"))).toBe("FLOW_STOPPED");
  });

  test("releases emitters that wait for room with a typed error", async () => {
    const held = gate(1);
    const flow = create(held.node.to(), { queueMaxSize: 1 }).run();
    await flow.emit(1);
    await flow.emit(2);
    const blocked = rejection(flow.emit(3));
    await settle();
    await flow.stop();
    expect(codeOf(await within(1_000, blocked))).toBe("FLOW_STOPPED");
  });

  test("refuses new work while it drains, lets accepted work finish and counts it", async () => {
    const held = gate();
    const time = clock();
    const flow = create(same.to(held.node), { clock: time }).run();
    const accepted = [flow.outcome(1), flow.outcome(2)];
    await settle();
    const stopping = flow.stop({ drainMs: 100 });
    const uses: Promise<unknown>[] = [flow.call(3), flow.outcome(3), flow.emit(3), flow.stream(3).next()];
    for (const use of uses) expect(codeOf(await rejection(within(1_000, use)))).toBe("FLOW_STOPPED");
    expect(() => flow.emitNowait(3)).toThrow(FlowError);
    held.open();
    expect(await within(1_000, stopping, "stop")).toEqual({ completed: 2, cancelled: 0, abandoned: 0 });
    expect((await Promise.all(accepted)).map((outcome) => outcome.status)).toEqual(["completed", "completed"]);
    expect(time.timers).toBe(0);
  });

  test("while draining refuses an emit that will not wait as stopped, even if its edge is full", async () => {
    const held = gate(1);
    const flow = create(held.node.to(), { queueMaxSize: 1, clock: clock() }).run();
    const accepted = [flow.outcome(1), flow.outcome(2)];
    await settle();
    const stopping = flow.stop({ drainMs: 100 });
    let error: unknown;
    try {
      flow.emitNowait(3);
    } catch (caught) {
      error = caught;
    }
    expect(codeOf(error)).toBe("FLOW_STOPPED");
    held.open();
    await settle();
    held.open();
    await within(1_000, stopping);
    await Promise.all(accepted);
  });

  test("cancels what has not finished when the time to drain is over", async () => {
    const held = gate();
    const time = clock();
    const flow = create(held.node.to(), { clock: time }).run();
    const outcome = flow.outcome(1);
    await settle();
    const stopping = flow.stop({ drainMs: 100 });
    await time.advance(99);
    expect(held.inside).toBe(1);
    await time.advance(1);
    expect(await within(1_000, stopping, "stop")).toEqual({ completed: 0, cancelled: 1, abandoned: 0 });
    expect((await outcome).status).toBe("stopped");
    expect(time.timers).toBe(0);
  });

  test("a handler that ignores its signal delays it for the grace period and no longer, and is counted", async () => {
    const stuck = deaf();
    const time = clock();
    const seen = recorder();
    const flow = create(stuck.node.to(), { clock: time, graceMs: 50, middlewares: [seen.middleware] }).run();
    const outcome = flow.outcome(1);
    await settle();
    const stopping = flow.stop();
    expect((await within(1_000, outcome, "the outcome does not wait for the handler")).status).toBe("stopped");
    await time.advance(49);
    expect(seen.of("node_zombie")).toHaveLength(0);
    await time.advance(1);
    expect(await within(1_000, stopping, "stop")).toEqual({ completed: 0, cancelled: 1, abandoned: 1 });
    expect(seen.of("node_zombie")).toHaveLength(1);
    stuck.open();
    await settle();
  });

  test("waits for the handler of an attempt that timed out as for any other, and counts it", async () => {
    const stuck = payloadNode({ name: "stuck", policy: { timeoutMs: 10 } }, () => new Promise<number>(() => {}));
    const time = clock();
    const flow = create(stuck.to(), { clock: time, graceMs: 50 }).run();
    const outcome = flow.outcome(1);
    await time.advance(10);
    expect(await outcome).toMatchObject({ status: "failed", error: { code: "NODE_TIMEOUT" } });
    expect(flow.stats().nodes[0]).toMatchObject({ lingering: 1 });
    const stopping = flow.stop();
    await time.advance(50);
    expect(await within(1_000, stopping, "stop")).toEqual({ completed: 0, cancelled: 0, abandoned: 1 });
  });

  test("by a handler of the flow itself ends after the grace period", async () => {
    const time = clock();
    let report: unknown;
    const own = payloadNode("own", async () => {
      report = await flow.stop();
      return 1;
    });
    const flow = create(own.to(), { clock: time, graceMs: 50 }).run();
    const outcome = flow.outcome(1);
    await time.advance(50);
    expect((await within(1_000, outcome)).status).toBe("stopped");
    await within(1_000, flow.stop());
    expect(report).toEqual({ completed: 0, cancelled: 1, abandoned: 1 });
  });

  test("ends backoff, sleep and joins of the trace at once", async () => {
    const time = clock();
    const flaky = payloadNode({ name: "flaky", policy: { maxRetries: 5, backoffBaseMs: 10_000, jitter: 0 } }, () => {
      throw new Error("no");
    });
    const sleepy = payloadNode("sleepy", (_: number, ctx) => ctx.sleep(10_000));
    const flow = create(same.to(flaky, sleepy), { clock: time }).run();
    const outcome = flow.outcome(1);
    await settle();
    expect(flow.stats()).toMatchObject({ timers: 2 });
    await within(1_000, flow.stop(), "stop");
    expect((await outcome).status).toBe("stopped");
    expect(time.timers).toBe(0);
  });

  test("does not wait for a middleware that hangs", async () => {
    const flow = create(same.to(), { middlewares: [() => new Promise<void>(() => {})], graceMs: 20 }).run();
    expect(await flow.call(1)).toBe(1);
    await within(2_000, flow.stop(), "stop");
  });

  test("releases waits that begin while observers are still being notified", async () => {
    const told = Promise.withResolvers<undefined>();
    const flow = create(same.to(), { middlewares: [() => told.promise] }).run();
    await flow.call(1);
    const stopping = flow.stop();
    await settle();
    const fetching = rejection(flow.fetch());
    await settle();
    told.resolve(undefined);
    await within(1_000, stopping, "stop");
    expect(codeOf(await within(1_000, fetching, "the fetch"))).toMatch(/FLOW_STOPPED|FLOW_NOT_RUNNING/);
  });
});

describe("a flow that was stopped and runs again", () => {
  test("starts empty: no message, result, waiter or count of the run before is left", async () => {
    const held = gate();
    const clock = new TestClock();
    const flow = create(same.to(held.node), { clock, queueMaxSize: 2 }).run();
    await flow.emit(1, { traceId: "old" });
    await flow.emit(2, { traceId: "read" });
    await settle();
    held.open();
    await settle();
    expect(flow.stats().unreadResults).toBe(2);
    await flow.emit(3, { traceId: "running" });
    await settle();
    await flow.stop();
    tidy(flow.run());
    expect(leftovers(flow.stats())).toEqual(NOTHING);
    expect(flow.stats()).toMatchObject({ accepted: 0, unreadResults: 0, fetchers: 0, zombies: 0 });
    expect(Object.values(flow.stats().outcomes).every((count) => count === 0)).toBe(true);
    expect(codeOf(await rejection(flow.fetch({ traceId: "old" })))).toBe("TRACE_UNKNOWN");
    const next = flow.outcome(9);
    await settle();
    expect(held.inside).toBeGreaterThan(0);
    held.open();
    expect((await next).results).toEqual([9]);
  });

  test("is not disturbed by a zombie of the run before", async () => {
    const stuck = deaf();
    const clock = new TestClock();
    const seen = recorder();
    const flow = create(stuck.node.to(same), { clock, graceMs: 10, middlewares: [seen.middleware] }).run();
    const old = flow.outcome(1, { traceId: "t" });
    await settle();
    const stopping = flow.stop();
    await clock.advance(10);
    await stopping;
    expect((await old).status).toBe("stopped");
    tidy(flow.run());
    stuck.open();
    await settle();
    expect(leftovers(flow.stats())).toEqual(NOTHING);
    const next = flow.outcome(2, { traceId: "t" });
    await settle();
    stuck.open();
    expect((await next).results).toEqual([2]);
    expect(seen.of("node_start").map((event) => event.node)).toEqual(["deaf", "deaf", "same"]);
  });
});

describe("once all traces have ended", () => {
  test("a sleep that the handler did not await is released with its attempt", async () => {
    const clock = new TestClock();
    const leaving = payloadNode("leaving", (value: number, ctx) => {
      void ctx.sleep(60_000).catch(() => {});
      return value;
    });
    const flow = tidy(create(leaving.to(), { clock }).run());
    expect(await flow.call(1)).toBe(1);
    await settle();
    expect(leftovers(flow.stats())).toEqual(NOTHING);
    expect(clock.timers).toBe(0);
  });

  test("no wait of a handler that has returned is left open", async () => {
    const clock = new TestClock();
    const settled: unknown[] = [];
    const note = (wait: Promise<unknown>) =>
      void wait.then(
        () => settled.push("went on"),
        (error: unknown) => settled.push(codeOf(error)),
      );
    const leaving = payloadNode("leaving", (value: number, ctx) => {
      note(ctx.sleep(60_000));
      note(ctx.emitChunk({ text: "one" }));
      note(ctx.emitChunk({ text: "two" }));
      return value;
    });
    const flow = tidy(create(leaving.to(), { clock, streamWindow: 1 }).run());
    const stream = flow.stream(1);
    await stream.next();
    await settle();
    expect(settled).toContain("ATTEMPT_OVER");
    expect(settled).toHaveLength(3);
    await stream.return(undefined);
  });

  test("timers of deadlines, timeouts and waits are gone, whatever way the traces ended", async () => {
    const clock = new TestClock();
    const timed = payloadNode(
      { name: "timed", policy: { timeoutMs: 1_000, maxRetries: 1, backoffBaseMs: 10, jitter: 0 } },
      async (value: number, ctx) => {
        await ctx.sleep(5);
        if (value < 0) throw new Error("negative");
        return value === 0 ? undefined : value;
      },
    );
    const flow = tidy(create(timed.to(), { clock }).run());
    const outcomes = Promise.all([1, 0, -1].map((value) => flow.outcome(value, { timeoutMs: 5_000 })));
    await clock.advance(100);
    expect((await outcomes).map((outcome) => outcome.status)).toEqual(["completed", "empty", "failed"]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
    expect(clock.timers).toBe(0);
  });
});
