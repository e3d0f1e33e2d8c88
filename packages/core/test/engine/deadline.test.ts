import { describe, expect, test } from "vitest";
import {
  type Clock,
  create,
  FinalAnswer,
  FlowErrorCode,
  joinK,
  type Message,
  Message as Envelope,
  type Outcome,
  payloadNode,
  shape,
} from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { gate, isPending, passing, readAll, running } from "../fixtures/quiet-flow.ts";
import { recorder, rejection, within } from "../fixtures/watched-flow.ts";

const one = { concurrency: 1 } as const;

/** Creates a node that waits only for its signal. */
const stuck = (name: string) =>
  payloadNode(
    { name, policy: one },
    (_: number, ctx): Promise<number> =>
      new Promise((_resolve, reject) => {
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error), { once: true });
      }),
  );

/** Checks that the trace is in flight up to its deadline and ends at it. */
async function endsAtDeadline(
  clock: TestClock,
  outcome: Promise<Outcome>,
  deadlineMs: number,
  elapsedMs = 0,
): Promise<Outcome> {
  await clock.advance(deadlineMs - elapsedMs - 1);
  expect(await isPending(outcome)).toBe(true);
  await clock.advance(1);
  const ended = await within(500, outcome, "the outcome");
  expect(ended).toMatchObject({
    status: "exhausted",
    durationMs: deadlineMs,
    error: { code: FlowErrorCode.DEADLINE_EXCEEDED },
    finalAnswer: { text: "Deadline exceeded" },
  });
  return ended;
}

describe("a deadline ends the trace when it passes", () => {
  test("in an attempt, whose signal aborts with the reason", async () => {
    const clock = new TestClock();
    const reasons: unknown[] = [];
    const worker = payloadNode("worker", (_: number, ctx): Promise<number> => {
      const { promise, reject } = Promise.withResolvers<number>();
      ctx.signal.addEventListener("abort", () => {
        reasons.push((ctx.signal.reason as { code: string }).code);
        reject(ctx.signal.reason as Error);
      });
      return promise;
    });
    const flow = running(create(worker.to(), { clock }), clock);
    await endsAtDeadline(clock, flow.outcome(1, { timeoutMs: 100 }), 100);
    expect(reasons).toEqual([FlowErrorCode.DEADLINE_EXCEEDED]);
  });

  test("on an edge, without its handler ever being called", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const handled: number[] = [];
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: number, ctx) => {
      handled.push(payload);
      await ctx.sleep(1_000);
      return payload;
    });
    const flow = running(create(worker.to(), { clock, middlewares: [seen.middleware] }), clock);
    const first = flow.call(1);
    const second = flow.outcome(2, { timeoutMs: 100 });
    await endsAtDeadline(clock, second, 100);
    expect(flow.stats().edges[0]).toMatchObject({ size: 0 });
    await clock.advance(1_000);
    expect(await first).toBe(1);
    expect(handled).toEqual([1]);
    expect(seen.of("deadline_skip")).toMatchObject([{ node: "worker" }]);
  });

  test("while it waits for room on a full edge", async () => {
    const clock = new TestClock();
    const handled: number[] = [];
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: number, ctx) => {
      handled.push(payload);
      await ctx.sleep(1_000);
      return payload;
    });
    const flow = running(create(worker.to(), { clock, queueMaxSize: 1 }), clock);
    const calls = [flow.call(1), flow.call(2)];
    await endsAtDeadline(clock, flow.outcome(3, { timeoutMs: 100 }), 100);
    await clock.advance(3_000);
    await Promise.all(calls);
    expect(handled).toEqual([1, 2]);
  });

  test("while it waits for room on several edges", async () => {
    const clock = new TestClock();
    const [x, y] = [stuck("x"), stuck("y")];
    const flow = running(create(x.to(), y.to(), { clock, queueMaxSize: 1 }), clock);
    const others = [flow.outcome(1, { timeoutMs: 500 }), flow.outcome(2, { timeoutMs: 500 })];
    await endsAtDeadline(clock, flow.outcome(3, { timeoutMs: 100 }), 100);
    expect(flow.stats().edges.map(({ waiting }) => waiting)).toEqual([0, 0]);
    await clock.advance(500);
    await Promise.all(others);
  });

  test("in a backoff", async () => {
    const clock = new TestClock();
    let attempts = 0;
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 5, backoffBaseMs: 1_000, jitter: 0 } },
      (): number => {
        attempts += 1;
        throw new Error("no");
      },
    );
    const flow = running(create(flaky.to(), { clock }), clock);
    await endsAtDeadline(clock, flow.outcome(1, { timeoutMs: 100 }), 100);
    await clock.advance(5_000);
    expect(attempts).toBe(1);
  });

  test.each(["ctx.emit", "the value it returned"])("while a handler waits for room for %s", async (how) => {
    const clock = new TestClock();
    const errors: unknown[] = [];
    const source = payloadNode({ name: "source", policy: one }, async (count: number, ctx) => {
      for (let left = count; left > 1; left -= 1) {
        await ctx.emit(left).catch((error: unknown) => {
          errors.push((error as { code: string }).code);
          throw error;
        });
      }
      return count;
    });
    const flow = running(create(source.to(stuck("worker")), { clock, queueMaxSize: 1 }), clock);
    const outcome = flow.outcome(how === "ctx.emit" ? 4 : 3, { timeoutMs: 100 });
    await clock.advance(1);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 1, blocked: 1 });
    await endsAtDeadline(clock, outcome, 100, 1);
    expect(errors).toEqual(how === "ctx.emit" ? [FlowErrorCode.DEADLINE_EXCEEDED] : []);
  });

  test("in ctx.sleep and in ctx.fetch, which reject with the reason", async () => {
    const clock = new TestClock();
    const codes: unknown[] = [];
    const note = async (wait: Promise<unknown>) => {
      const error = (await rejection(wait)) as { code: string };
      codes.push(error.code);
      throw error as unknown as Error;
    };
    const source = payloadNode("source", (payload: number) => payload);
    const sleeper = payloadNode("sleeper", async (_: number, ctx) => note(ctx.sleep(1e9)));
    const fetcher = payloadNode("fetcher", async (_: number, ctx) => note(ctx.fetch()));
    const flow = running(create(source.to(sleeper, fetcher), { clock }), clock);
    await endsAtDeadline(clock, flow.outcome(1, { timeoutMs: 100 }), 100);
    expect(codes).toEqual([FlowErrorCode.DEADLINE_EXCEEDED, FlowErrorCode.DEADLINE_EXCEEDED]);
  });

  test("in a join that waits for more", async () => {
    const clock = new TestClock();
    const source = payloadNode("source", async (payload: number, ctx) => {
      await ctx.emit(payload);
      await ctx.sleep(1e6);
      return payload;
    });
    const flow = running(create(source.to(joinK("join", 2, { input: shape<number>() })), { clock }), clock);
    const ended = await endsAtDeadline(clock, flow.outcome(1, { timeoutMs: 100 }), 100);
    expect(ended.results).toEqual([]);
  });

  test("while a chunk or a result waits to be read", async () => {
    const clock = new TestClock();
    const talker = payloadNode("talker", async (count: number, ctx) => {
      for (let index = 0; index < count; index += 1) await ctx.emitChunk({ text: String(index) });
      for (let index = 0; index < count; index += 1) await ctx.emit(index);
      return count;
    });
    const flow = running(create(talker.to(), { clock, streamWindow: 2 }), clock);
    for (const skip of [1, 12]) {
      const stream = flow.stream(10, { timeoutMs: 100 });
      for (let left = skip; left > 0; left -= 1) await stream.next();
      await clock.advance(100);
      expect(flow.stats().traces).toBe(0);
      expect(await rejection(readAll(stream))).toMatchObject({ code: FlowErrorCode.DEADLINE_EXCEEDED });
    }
  });

  test("in a playbook and in its playbook, whose handlers are told", async () => {
    const clock = new TestClock();
    const told: unknown[] = [];
    const inner = create(
      payloadNode("innermost", async (_: number, ctx): Promise<number> => {
        ctx.signal.addEventListener("abort", () => told.push((ctx.signal.reason as { code: string }).code));
        await ctx.sleep(1e6);
        return 0;
      }).to(),
    );
    const middle = create(payloadNode("middle", (payload: number, ctx) => ctx.callPlaybook(inner, payload)).to());
    const outer = payloadNode("outer", (payload: number, ctx) => ctx.callPlaybook(middle, payload));
    const flow = running(create(outer.to(), { clock }), clock);
    await endsAtDeadline(clock, flow.outcome(1, { timeoutMs: 100 }), 100);
    await settle();
    expect(told).toHaveLength(1);
    expect([FlowErrorCode.DEADLINE_EXCEEDED, FlowErrorCode.TRACE_CANCELLED]).toContain(told[0]);
  });
});

describe("a deadline", () => {
  test.each([
    ["timeoutMs: 0", () => ({ timeoutMs: 0 })],
    ["a past deadlineAt", (clock: TestClock) => ({ deadlineAt: clock.epochNow() - 1 })],
  ])("that has passed on arrival (%s) ends the trace before any handler is called", async (_, options) => {
    const clock = new TestClock();
    let calls = 0;
    const worker = payloadNode("worker", (payload: number) => {
      calls += 1;
      return payload;
    });
    const flow = running(create(worker.to(), { clock }), clock);
    const outcome = flow.outcome(1, options(clock));
    await clock.advance(0);
    expect(await within(500, outcome)).toMatchObject({ status: "exhausted" });
    expect(await rejection(flow.call(1, options(clock)))).toMatchObject({ code: FlowErrorCode.DEADLINE_EXCEEDED });
    expect(calls).toBe(0);
  });

  test("is the sooner of deadlineAt and timeoutMs, whichever came with the message or the call", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const look = payloadNode("look", (payload: number, ctx) => {
      seen.push(ctx.deadlineAt === undefined ? undefined : ctx.deadlineAt - clock.epochNow());
      return payload;
    });
    const flow = running(create(look.to(), { clock }), clock);
    const at = (ms: number) => clock.epochNow() + ms;
    await flow.call(1);
    await flow.call(1, { timeoutMs: 50 });
    await flow.call(1, { deadlineAt: at(70) });
    await flow.call(1, { deadlineAt: at(70), timeoutMs: 90 });
    await flow.call(new Envelope({ payload: 1, deadlineAt: at(30) }), { timeoutMs: 90 });
    await flow.call(new Envelope({ payload: 1, deadlineAt: at(30) }));
    expect(seen).toEqual([undefined, 50, 70, 70, 30, 30]);
    expect(flow.stats().timers).toBe(0);
  });

  test("is measured with the monotonic clock: when the machine's time jumps nothing is given up early or late", async () => {
    const inner = new TestClock();
    let jump = 0;
    const clock: Clock = {
      now: () => inner.now(),
      epochNow: () => inner.epochNow() + jump,
      setTimer: (callback, delayMs) => inner.setTimer(callback, delayMs),
    };
    const flow = running(create(stuck("worker").to(), { clock }), inner);
    const outcome = flow.outcome(1, { timeoutMs: 100 });
    jump = 3_600_000;
    await inner.advance(99);
    expect(await isPending(outcome)).toBe(true);
    jump = -3_600_000;
    await inner.advance(1);
    expect(await within(500, outcome)).toMatchObject({ status: "exhausted" });
  });

  test("that passes leaves nothing to the trace's late handlers: what they emit and return is fenced off", async () => {
    const clock = new TestClock();
    const door = gate();
    const late: unknown[] = [];
    const after: number[] = [];
    const deaf = payloadNode("deaf", async (payload: number, ctx) => {
      await door.passed;
      late.push(((await rejection(ctx.emit(payload))) as { code: string }).code);
      return payload;
    });
    const next = payloadNode("next", (payload: number) => after.push(payload));
    const flow = running(create(deaf.to(next), { clock, graceMs: 10_000 }), clock);
    const outcome = flow.outcome(1, { timeoutMs: 100 });
    await clock.advance(100);
    expect(await outcome).toMatchObject({ status: "exhausted", results: [] });
    door.open();
    await settle();
    expect(late).toEqual([FlowErrorCode.DEADLINE_EXCEEDED]);
    expect(after).toEqual([]);
    expect(flow.stats()).toMatchObject({ lateResults: 1, traces: 0 });
  });

  test("that passes keeps the results that were there before", async () => {
    const clock = new TestClock();
    const source = payloadNode("source", async (payload: number, ctx) => {
      await ctx.emit(payload);
      await ctx.sleep(1_000);
      return 0;
    });
    const flow = running(create(source.to(), { clock }), clock);
    const outcome = flow.outcome(7, { timeoutMs: 100 });
    await clock.advance(100);
    expect(await outcome).toMatchObject({ status: "exhausted", results: [7] });
  });

  test("that passes gives fetch users the closing text as a FinalAnswer", async () => {
    const clock = new TestClock();
    const flow = running(create(stuck("worker").to(), { clock }), clock);
    await flow.emit(1, { traceId: "t", tenant: "acme", timeoutMs: 100 });
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(100);
    const message = (await within(500, fetched)) as Message;
    expect(message.payload).toBeInstanceOf(FinalAnswer);
    expect(message).toMatchObject({
      traceId: "t",
      headers: { tenant: "acme" },
      payload: { text: "Deadline exceeded" },
    });
  });

  test("that did not pass leaves no timer behind", async () => {
    const clock = new TestClock();
    const flow = running(create(payloadNode("echo", (payload: number) => payload).to(), { clock }), clock);
    await flow.call(1, { timeoutMs: 1e9 });
    await flow.outcome(1, { timeoutMs: 1e9 });
    await flow.emit(1, { timeoutMs: 1e9 });
    await flow.fetch();
    expect(flow.stats().timers).toBe(0);
    expect(clock.timers).toBe(0);
  });

  test("farther away than a timer of the machine can wait does not pass at once", async () => {
    const clock = new TestClock();
    const flow = running(
      create(
        payloadNode("nap", async (payload: number, ctx) => {
          await ctx.sleep(5);
          return payload;
        }).to(),
        { clock },
      ),
      clock,
    );
    const call = flow.call(1, { timeoutMs: 2 ** 40 });
    expect(await passing(clock, call, 5)).toBe(1);
  });
});

describe("the deadline of a playbook", () => {
  const lookInto = (clock: TestClock) => {
    const seen: (number | undefined)[] = [];
    const inner = create(
      payloadNode("inner", (payload: number, ctx) => {
        seen.push(ctx.deadlineAt === undefined ? undefined : ctx.deadlineAt - clock.epochNow());
        return payload;
      }).to(),
    );
    return { inner, seen };
  };

  test("is its caller's, or its own timeoutMs if that is sooner", async () => {
    const clock = new TestClock();
    const { inner, seen } = lookInto(clock);
    const outer = payloadNode("outer", async (timeoutMs: number | undefined, ctx) => {
      await ctx.sleep(10);
      return ctx.callPlaybook(inner, 1, timeoutMs === undefined ? {} : { timeoutMs });
    });
    const flow = running(create(outer.to(), { clock }), clock);
    for (const [own, callers] of [
      [undefined, undefined],
      [undefined, 100],
      [40, 100],
      [400, 100],
      [40, undefined],
    ]) {
      const call = flow.call(own, callers === undefined ? {} : { timeoutMs: callers });
      await clock.advance(10);
      await within(500, call);
    }
    expect(seen).toEqual([undefined, 90, 40, 90, 40]);
  });

  test("that is its own fails the call and not the caller, who may continue", async () => {
    const clock = new TestClock();
    const inner = create(stuck("inner").to());
    const outer = payloadNode("outer", async (_: number, ctx) => {
      const error = (await rejection(ctx.callPlaybook(inner, 1, { timeoutMs: 20 }))) as { code: string };
      return error.code;
    });
    const flow = running(create(outer.to(), { clock }), clock);
    const call = flow.call(1);
    await clock.advance(20);
    expect(await within(500, call)).toBe(FlowErrorCode.DEADLINE_EXCEEDED);
  });
});
