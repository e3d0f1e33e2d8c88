import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowErrorCode,
  type Message,
  node,
  type NodePolicy,
  payloadNode,
  seededRandom,
} from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const codeOf = (error: unknown) => (error instanceof FlowError ? error.code : error);

/** Creates a node that fails its first `failures` attempts of each message, and records the start of each attempt. */
function flaky(policy: NodePolicy, failures: number, thrown: () => unknown = () => new Error("busy")) {
  const startedAt: number[] = [];
  const clock = new TestClock();
  const seen = recorder();
  const made = payloadNode({ name: "flaky", policy }, async (value: number, ctx) => {
    startedAt.push(clock.now());
    if (ctx.attempt <= failures) throw thrown();
    return value;
  });
  return { node: made, startedAt, clock, seen };
}

describe("a node that fails for good", () => {
  test("with maxRetries 2 is tried three times, then fails once, and the events say so", async () => {
    const { node: made, clock, seen } = flaky({ maxRetries: 2, backoffBaseMs: 10, jitter: 0 }, 99);
    const flow = tidy(create(made.to(), { clock, middlewares: [seen.middleware] }).run());
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await within(1_000, outcome)).toMatchObject({
      status: "failed",
      error: { code: "NODE_EXCEPTION", node: "flaky", attempt: 3 },
    });
    await flow.flush();
    expect(seen.types().filter((type) => type.startsWith("node_"))).toEqual([
      "node_start",
      "node_error",
      "node_retry",
      "node_start",
      "node_error",
      "node_retry",
      "node_start",
      "node_error",
      "node_failed",
    ]);
    expect(seen.of("node_error").map((event) => event.attempt)).toEqual([1, 2, 3]);
    expect(seen.of("node_retry").map((event) => event.delayMs)).toEqual([10, 20]);
    for (const { error } of [...seen.of("node_error"), ...seen.of("node_failed")]) {
      expect(error).toMatchObject({
        code: "NODE_EXCEPTION",
        name: "FlowError",
        node: "flaky",
        tenant: "default",
        retryable: true,
        cause: { name: "Error", message: "busy" },
      });
      expect(error.stack).toContain("FlowError");
      expect(error.cause?.stack).toContain("retry.test.ts");
    }
  });

  test("takes the rest of its trace with it at once, and no other trace", async () => {
    const clock = new TestClock();
    const aborted: unknown[] = [];
    const breaking = payloadNode("breaking", async (value: number, ctx) => {
      await ctx.sleep(5);
      if (value === 1) throw new Error("broken");
      return value;
    });
    const slow = payloadNode("slow", async (value: number, ctx) => {
      ctx.signal.addEventListener("abort", () => aborted.push(codeOf(ctx.signal.reason)));
      await ctx.sleep(50);
      return value;
    });
    const source = payloadNode("source", (value: number) => value);
    const flow = tidy(create(source.to(breaking, slow), { clock }).run());
    const [failing, fine] = [flow.outcome(1), flow.outcome(2)];
    await clock.advance(5);
    expect(await within(1_000, failing)).toMatchObject({ status: "failed", error: { node: "breaking" } });
    expect(aborted).toEqual(["NODE_EXCEPTION"]);
    await clock.advance(50);
    expect(await fine).toMatchObject({ status: "completed", results: [2, 2] });
  });
});

describe("a node that succeeds in the end", () => {
  test("completes its trace, with one success told", async () => {
    const { node: made, clock, seen } = flaky({ maxRetries: 3, backoffBaseMs: 1, jitter: 0 }, 2);
    const flow = tidy(create(made.to(), { clock, middlewares: [seen.middleware] }).run());
    const call = flow.call(7);
    await clock.advance(10);
    expect(await within(1_000, call)).toBe(7);
    await flow.flush();
    expect(seen.of("node_success")).toHaveLength(1);
    expect(seen.of("node_success")[0]).toMatchObject({ attempt: 3 });
    expect(seen.of("node_failed")).toHaveLength(0);
  });

  test("is given the same message each time, also when its schema makes another of it", async () => {
    const { z } = await import("zod");
    const inputs: unknown[] = [];
    const tagged = node(
      {
        name: "tagged",
        input: z.string().transform((text) => `<${text}>`),
        policy: { maxRetries: 2, backoffBaseMs: 0 },
      },
      (message: Message<string>, ctx) => {
        inputs.push(message.payload);
        if (ctx.attempt < 3) throw new Error("again");
        return message.payload;
      },
    );
    const flow = tidy(create(tagged.to()).run());
    expect(await within(1_000, flow.call("a"))).toBe("<a>");
    expect(inputs).toEqual(["<a>", "<a>", "<a>"]);
  });

  test("without delay is retried beyond the thousandth attempt", async () => {
    const { node: made } = flaky({ maxRetries: 1_100, backoffBaseMs: 0 }, 1_080);
    const flow = tidy(create(made.to()).run());
    expect(await within(8_000, flow.call(3))).toBe(3);
  });
});

describe("the delay before a retry", () => {
  test("is base · mult^(k-1), capped, to the millisecond, without jitter", async () => {
    const {
      node: made,
      clock,
      startedAt,
    } = flaky({ maxRetries: 5, backoffBaseMs: 100, backoffMult: 3, maxBackoffMs: 1_000, jitter: 0 }, 99);
    const flow = tidy(create(made.to(), { clock }).run());
    const outcome = flow.outcome(1);
    await clock.advance(10_000);
    await within(1_000, outcome);
    const delays = startedAt.slice(1).map((at, index) => at - (startedAt[index] as number));
    expect(delays).toEqual([100, 300, 900, 1_000, 1_000]);
  });

  test("is 0 with a base of 0, at any multiplier", async () => {
    const {
      node: made,
      clock,
      startedAt,
    } = flaky({ maxRetries: 4, backoffBaseMs: 0, backoffMult: 1e200, jitter: 0 }, 99);
    const flow = tidy(create(made.to(), { clock }).run());
    const outcome = flow.outcome(1);
    for (let turn = 0; turn < 10; turn += 1) await clock.advance(0);
    expect((await within(1_000, outcome)).status).toBe("failed");
    expect(startedAt).toEqual([0, 0, 0, 0, 0]);
  });

  test("with a multiplier beyond all numbers is the cap", async () => {
    const {
      node: made,
      clock,
      startedAt,
    } = flaky({ maxRetries: 4, backoffBaseMs: 1, backoffMult: 1e200, maxBackoffMs: 50, jitter: 0 }, 99);
    const flow = tidy(create(made.to(), { clock }).run());
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect((await within(1_000, outcome)).status).toBe("failed");
    expect(startedAt).toEqual([0, 1, 51, 101, 151]);
  });

  test("lies within its jitter, is drawn from the flow's random source and so is the same for the same seed", async () => {
    const delaysOf = async (seed: number, jitter: number | undefined, retries: number) => {
      const {
        node: made,
        clock,
        seen,
      } = flaky({ maxRetries: retries, backoffBaseMs: 100, ...(jitter === undefined ? {} : { jitter }) }, 99);
      const flow = create(made.to(), { clock, random: seededRandom(seed), middlewares: [seen.middleware] }).run();
      const outcome = flow.outcome(1);
      await clock.advance(100 * 2 ** (retries + 1));
      await within(1_000, outcome);
      await flow.stop();
      return seen.of("node_retry").map((event) => event.delayMs);
    };
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.constantFrom(undefined, 0.25, 1), async (seed, jitter) => {
        const delays = await delaysOf(seed, jitter, 4);
        expect(delays).toHaveLength(4);
        for (const [index, delay] of delays.entries()) {
          const full = 100 * 2 ** index;
          expect(delay).toBeLessThanOrEqual(full);
          expect(delay).toBeGreaterThanOrEqual(full * (1 - (jitter ?? 1)));
        }
        expect(await delaysOf(seed, jitter, 4)).toEqual(delays);
      }),
      { numRuns: 10 },
    );
    expect(await delaysOf(1, 1, 4)).not.toEqual(await delaysOf(2, 1, 4));
  });

  test("holds no slot: others pass through the node meanwhile, even at concurrency 1", async () => {
    const clock = new TestClock();
    const finished: [number, number][] = [];
    const made = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 600, jitter: 0, concurrency: 1 } },
      async (value: number, ctx) => {
        await ctx.sleep(1);
        if (value === 0 && ctx.attempt === 1) throw new Error("busy");
        finished.push([value, clock.now()]);
        return value;
      },
    );
    const flow = tidy(create(made.to(), { clock }).run());
    const calls = [0, 1, 2].map((value) => flow.call(value));
    await clock.advance(3);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0, queued: 0 });
    await clock.advance(1_000);
    expect(await Promise.all(calls)).toEqual([0, 1, 2]);
    expect(finished).toEqual([
      [1, 2],
      [2, 3],
      [0, 602],
    ]);
  });
});

describe("what is retried", () => {
  const triesOf = async (policy: NodePolicy, thrown: () => unknown) => {
    const { node: made, clock, startedAt } = flaky({ backoffBaseMs: 1, jitter: 0, ...policy }, 99, thrown);
    const flow = tidy(create(made.to(), { clock }).run());
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    const ended = await within(1_000, outcome);
    return { tries: startedAt.length, error: ended.status === "failed" ? ended.error : undefined };
  };

  test.each<[string, () => unknown, number]>([
    ["an Error", () => new Error("busy"), 3],
    ["text", () => "busy", 3],
    ["nothing", () => undefined, 3],
    ["null", () => null, 3],
    ["a number", () => 0, 3],
    ["a user's TimeoutError", () => new DOMException("too slow", "TimeoutError"), 3],
    ["a user's AbortError", () => new DOMException("aborted", "AbortError"), 3],
    ["an error that may be retried", () => Object.assign(new Error("x"), { retryable: true }), 3],
    ["an error that says it may not", () => Object.assign(new Error("x"), { retryable: false }), 1],
    ["a plain object that says it may not", () => ({ retryable: false }), 1],
  ])("%s: as documented", async (_what, thrown, tries) => {
    const result = await triesOf({ maxRetries: 2 }, thrown);
    expect(result.tries).toBe(tries);
    expect(result.error).toMatchObject({ code: "NODE_EXCEPTION", attempt: tries });
    expect(result.error?.retryable).toBe(tries > 1);
  });

  test("nothing without maxRetries", async () => {
    expect((await triesOf({}, () => new Error("busy"))).tries).toBe(1);
  });

  test("what retryIf says, which is asked with the error itself and what would happen without it", async () => {
    const asked: unknown[] = [];
    const error = new Error("maybe");
    const result = await triesOf(
      {
        maxRetries: 5,
        retryIf: (cause, question) => {
          asked.push([cause, question.attempt, question.node, question.retryable]);
          return question.attempt < 2;
        },
      },
      () => error,
    );
    expect(result.tries).toBe(2);
    expect(asked).toEqual([
      [error, 1, "flaky", true],
      [error, 2, "flaky", true],
    ]);
  });

  test("retryIf may ask for a retry of what is not retried by default", async () => {
    const stubborn = () => Object.assign(new Error("x"), { retryable: false });
    expect((await triesOf({ maxRetries: 2, retryIf: () => true }, stubborn)).tries).toBe(3);
  });

  test("retryIf that throws ends the retries, is logged, and the node's own error stays the cause", async () => {
    const error = new Error("the node's own");
    const { node: made, clock } = flaky(
      {
        maxRetries: 2,
        retryIf: () => {
          throw new Error("retryIf itself");
        },
      },
      99,
      () => error,
    );
    const lines: string[] = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (message: string) => void lines.push(message) };
    const flow = tidy(create(made.to(), { clock, logger }).run());
    const outcome = await within(1_000, flow.outcome(1));
    expect(outcome.status === "failed" && outcome.error.cause).toBe(error);
    expect(lines).toEqual(["retry_if_failed"]);
  });

  test("a routing error is not, unless retryIf says so", async () => {
    for (const [policy, tries] of [
      [{ maxRetries: 2, backoffBaseMs: 0 }, 1],
      [{ maxRetries: 2, backoffBaseMs: 0, retryIf: () => true }, 3],
    ] as [NodePolicy, number][]) {
      let count = 0;
      const lost = payloadNode({ name: "lost", policy }, async (value: number, ctx) => {
        count += 1;
        await ctx.emit(value, { to: "nowhere" });
      });
      const flow = tidy(create(lost.to()).run());
      const outcome = await within(1_000, flow.outcome(1));
      expect(outcome).toMatchObject({ status: "failed", error: { code: "ROUTE_UNKNOWN", node: "lost" } });
      expect(count).toBe(tries);
    }
  });
});

describe("messages of a failed attempt", () => {
  const talkative = (maxRetries: number) =>
    payloadNode(
      { name: "talkative", policy: { maxRetries, backoffBaseMs: 10, jitter: 0 } },
      async (value: number, ctx) => {
        await ctx.emit(value + ctx.attempt);
        ctx.emitNowait(value + ctx.attempt + 0.5);
        await ctx.sleep(1);
        if (ctx.attempt < 3) throw new Error("again");
        return value;
      },
    );
  const arrived: [number, number][] = [];
  const note = (clock: TestClock) =>
    payloadNode("note", (value: number) => {
      arrived.push([value, clock.now()]);
      return value;
    });

  test("are not delivered when the node retries; those of the attempt that succeeds are, before its result", async () => {
    arrived.length = 0;
    const clock = new TestClock();
    const flow = tidy(create(talkative(2).to(note(clock)), { clock }).run());
    const outcome = flow.outcome(10);
    await clock.advance(100);
    expect((await within(1_000, outcome)).results).toEqual([13, 13.5, 10]);
    expect(arrived.map(([value]) => value)).toEqual([13, 13.5, 10]);
  });

  test("go at once when the node has no retries", async () => {
    arrived.length = 0;
    const clock = new TestClock();
    const flow = tidy(create(talkative(0).to(note(clock)), { clock }).run());
    const outcome = flow.outcome(10);
    await clock.advance(0);
    expect(arrived).toEqual([
      [11, 0],
      [11.5, 0],
    ]);
    await clock.advance(1);
    expect((await within(1_000, outcome)).status).toBe("failed");
  });

  test("are not delivered when the attempt times out and is retried, nor what it emits afterwards", async () => {
    arrived.length = 0;
    const clock = new TestClock();
    const late: unknown[] = [];
    const slow = payloadNode(
      { name: "slow", policy: { maxRetries: 1, timeoutMs: 20, backoffBaseMs: 10, jitter: 0 } },
      async (value: number, ctx) => {
        await ctx.emit(value + ctx.attempt);
        if (ctx.attempt === 1) {
          await new Promise((resolve) => clock.setTimer(() => resolve(undefined), 25));
          late.push(codeOf(await rejection(ctx.emit(value + 100))));
          return value + 200;
        }
        return value;
      },
    );
    const flow = tidy(create(slow.to(note(clock)), { clock }).run());
    const outcome = flow.outcome(10);
    await clock.advance(100);
    expect((await within(1_000, outcome)).results).toEqual([12, 10]);
    expect(late).toEqual(["NODE_TIMEOUT"]);
    expect(flow.stats()).toMatchObject({ lateResults: 1, zombies: 0 });
  });

  test("more than maxHeldEmits are refused with HELD_LIMIT, which is not retried", async () => {
    const tries: number[] = [];
    const flood = payloadNode(
      { name: "flood", policy: { maxRetries: 3, backoffBaseMs: 0 } },
      async (count: number, ctx) => {
        tries.push(ctx.attempt);
        for (let index = 0; index < count; index += 1) await ctx.emit(index);
      },
    );
    const flow = tidy(create(flood.to(), { limits: { maxHeldEmits: 5 } }).run());
    expect((await flow.outcome(5)).results).toEqual([0, 1, 2, 3, 4]);
    const outcome = await flow.outcome(6);
    expect(outcome).toMatchObject({ status: "failed", results: [], error: { code: "HELD_LIMIT", node: "flood" } });
    expect(String(outcome.status === "failed" && outcome.error)).toContain("maxHeldEmits");
    expect(tries).toEqual([1, 1]);
  });
});

describe("a timeout", () => {
  test("ends the attempt at exactly its time, with the signal aborted and the waits rejected", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const noted: unknown[] = [];
    const slow = payloadNode({ name: "slow", policy: { timeoutMs: 100 } }, async (value: number, ctx) => {
      ctx.signal.addEventListener("abort", () => noted.push(["signal", codeOf(ctx.signal.reason), clock.now()]));
      noted.push(["sleep", codeOf(await rejection(ctx.sleep(1_000))), clock.now()]);
      return value;
    });
    const flow = tidy(create(slow.to(), { clock, middlewares: [seen.middleware] }).run());
    await clock.advance(7);
    const outcome = flow.outcome(1, { traceId: "t" });
    await clock.advance(99);
    expect(noted).toEqual([]);
    await clock.advance(1);
    expect(await within(1_000, outcome)).toMatchObject({
      status: "failed",
      durationMs: 100,
      error: {
        code: "NODE_TIMEOUT",
        node: "slow",
        attempt: 1,
        latencyMs: 100,
        traceId: "t",
        retryable: true,
        failedMessage: { payload: 1, traceId: "t" },
      },
    });
    expect(noted).toEqual([
      ["signal", "NODE_TIMEOUT", 107],
      ["sleep", "NODE_TIMEOUT", 107],
    ]);
    await flow.flush();
    expect(seen.of("node_timeout")).toMatchObject([{ latencyMs: 100, error: { code: "NODE_TIMEOUT", attempt: 1 } }]);
    expect(seen.of("node_failed")).toMatchObject([{ error: { code: "NODE_TIMEOUT" } }]);
    expect(seen.of("node_error")).toEqual([]);
    expect(seen.of("node_late")).toHaveLength(1);
  });

  test("covers validation of what comes in and of what goes out", async () => {
    const slowSchema = (clock: TestClock, delayMs: number) => ({
      "~standard": {
        version: 1 as const,
        vendor: "test",
        validate: (value: unknown) =>
          new Promise<{ value: number }>((resolve) =>
            clock.setTimer(() => resolve({ value: value as number }), delayMs),
          ),
      },
    });
    for (const side of ["input", "output"] as const) {
      const clock = new TestClock();
      let calls = 0;
      const checked = node(
        { name: "checked", [side]: slowSchema(clock, 200), policy: { timeoutMs: 100 } } as { name: "checked" },
        (message: Message<number>) => {
          calls += 1;
          return message.payload;
        },
      );
      const flow = tidy(create(checked.to(), { clock }).run());
      const outcome = flow.outcome(1);
      await clock.advance(100);
      expect(await within(1_000, outcome)).toMatchObject({ status: "failed", error: { code: "NODE_TIMEOUT" } });
      await clock.advance(500);
      expect(calls).toBe(side === "input" ? 0 : 1);
    }
  });

  test("does not cover the delivery of the result", async () => {
    const clock = new TestClock();
    const quick = payloadNode({ name: "quick", policy: { timeoutMs: 10 } }, (value: number) => value);
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (value: number, ctx) => {
      await ctx.sleep(100);
      return value;
    });
    const flow = tidy(create(quick.to(slow), { clock, queueMaxSize: 1 }).run());
    const outcomes = [1, 2, 3, 4].map((value) => flow.outcome(value));
    await clock.advance(1_000);
    expect((await within(1_000, Promise.all(outcomes))).map((outcome) => outcome.status)).toEqual(
      Array.from({ length: 4 }, () => "completed"),
    );
  });

  test("begins with the handler, not with the wait for its slot", async () => {
    const clock = new TestClock();
    const one = payloadNode({ name: "one", policy: { timeoutMs: 50, concurrency: 1 } }, async (value: number, ctx) => {
      await ctx.sleep(40);
      return value;
    });
    const flow = tidy(create(one.to(), { clock }).run());
    const calls = [1, 2, 3].map((value) => flow.call(value));
    await clock.advance(120);
    expect(await within(1_000, Promise.all(calls))).toEqual([1, 2, 3]);
  });

  test("is retried like any failure, each attempt with the full time", async () => {
    const clock = new TestClock();
    const started: number[] = [];
    const slow = payloadNode(
      { name: "slow", policy: { timeoutMs: 100, maxRetries: 2, backoffBaseMs: 10, jitter: 0 } },
      async (value: number, ctx) => {
        started.push(clock.now());
        await ctx.sleep(ctx.attempt === 3 ? 99 : 1_000);
        return value;
      },
    );
    const flow = tidy(create(slow.to(), { clock }).run());
    const call = flow.call(1);
    await clock.advance(1_000);
    expect(await within(1_000, call)).toBe(1);
    expect(started).toEqual([0, 110, 230]);
  });

  test("of a handler that ignores its signal gives the slot back after the grace period", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const never = payloadNode({ name: "never", policy: { timeoutMs: 10, concurrency: 1 } }, (value: number) =>
      value === 0 ? new Promise<number>(() => {}) : value,
    );
    const flow = create(never.to(), { clock, graceMs: 50, middlewares: [seen.middleware] }).run();
    const stuck = flow.outcome(0);
    const next = flow.outcome(1);
    await clock.advance(10);
    expect((await within(1_000, stuck)).status).toBe("failed");
    await clock.advance(49);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 1, queued: 1, lingering: 1, zombies: 0 });
    await clock.advance(1);
    expect(await within(1_000, next)).toMatchObject({ status: "completed", results: [1] });
    expect(flow.stats()).toMatchObject({ zombies: 1 });
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0, lingering: 1, zombies: 1 });
    await flow.flush();
    expect(seen.of("node_zombie")).toMatchObject([{ node: "never", attempt: 1 }]);
    await within(1_000, flow.stop());
  });

  test("thrown by user code is an ordinary error of the node", async () => {
    const own = payloadNode({ name: "own", policy: { timeoutMs: 1_000 } }, () => {
      throw new DOMException("mine", "TimeoutError");
    });
    const flow = tidy(create(own.to()).run());
    expect(await flow.outcome(1)).toMatchObject({
      status: "failed",
      error: { code: "NODE_EXCEPTION", cause: { name: "TimeoutError", message: "mine" } },
    });
  });

  test("of another flow that a handler calls is an ordinary error of the node too, with the other's error as cause", async () => {
    const clock = new TestClock();
    const inner = tidy(
      create(payloadNode({ name: "inner", policy: { timeoutMs: 10 } }, (_: number, ctx) => ctx.sleep(100)).to(), {
        clock,
      }).run(),
    );
    const outer = tidy(create(payloadNode("outer", (value: number) => inner.call(value)).to(), { clock }).run());
    const outcome = outer.outcome(1);
    await clock.advance(10);
    const ended = await within(1_000, outcome);
    expect(ended).toMatchObject({
      status: "failed",
      error: { code: "NODE_EXCEPTION", node: "outer", cause: { code: "NODE_TIMEOUT", node: "inner" } },
    });
  });

  test("late results are fenced off: neither result, nor message, nor chunk of the attempt arrives", async () => {
    const clock = new TestClock();
    const tries: FlowErrorCode[] = [];
    const gate = Promise.withResolvers<undefined>();
    const deaf = payloadNode({ name: "deaf", policy: { timeoutMs: 10 } }, async (value: number, ctx) => {
      await gate.promise;
      const acts: (() => Promise<unknown>)[] = [
        () => ctx.emit(value),
        async () => ctx.emitNowait(value),
        () => ctx.emitChunk({ text: "late" }),
        () => ctx.fetch(),
        () => ctx.sleep(1),
      ];
      for (const act of acts) tries.push(codeOf(await rejection(within(500, act()))) as FlowErrorCode);
      return value;
    });
    const ran: number[] = [];
    const next = payloadNode("next", (value: number) => void ran.push(value));
    const flow = tidy(create(deaf.to(next), { clock }).run());
    const outcome = flow.outcome(1);
    await clock.advance(10);
    expect((await within(1_000, outcome)).status).toBe("failed");
    gate.resolve(undefined);
    await settle();
    await settle();
    expect(tries).toEqual(["NODE_TIMEOUT", "NODE_TIMEOUT", "NODE_TIMEOUT", "NODE_TIMEOUT", "NODE_TIMEOUT"]);
    expect(ran).toEqual([]);
    expect(flow.stats()).toMatchObject({ lateResults: 1 });
  });
});

describe("a success", () => {
  test("and its latency, waiting, running and sending apart, is told once", async () => {
    for (const from of [0, 1_000]) {
      const clock = new TestClock();
      await clock.advance(from);
      const seen = recorder();
      const work = payloadNode({ name: "work", policy: { concurrency: 1 } }, async (value: number, ctx) => {
        await ctx.sleep(30);
        return value;
      });
      const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (value: number, ctx) => {
        await ctx.sleep(100);
        return value;
      });
      const flow = tidy(create(work.to(slow), { clock, queueMaxSize: 1, middlewares: [seen.middleware] }).run());
      const outcomes = [1, 2, 3].map((value) => flow.outcome(value, { traceId: `t${value}` }));
      await clock.advance(1_000);
      await within(1_000, Promise.all(outcomes));
      await flow.flush();
      const told = seen.of("node_success").filter((event) => event.node === "work");
      // the third finishes its work at 90, finds the edge taken by the second until 130, and then gets its place
      expect(
        told.map(({ traceId, queueMs, runMs, emitMs, latencyMs }) => [traceId, queueMs, runMs, emitMs, latencyMs]),
      ).toEqual([
        ["t1", 0, 30, 0, 30],
        ["t2", 30, 30, 0, 30],
        ["t3", 60, 30, 40, 70],
      ]);
    }
  });
});
