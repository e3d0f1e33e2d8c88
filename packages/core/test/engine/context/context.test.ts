import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Context, create, type Flow, FlowError, type Message, node, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { rejection, tidy, within } from "../../fixtures/watched-flow.ts";

/** Builds a graph that the compiler cannot type. */
const build = (...args: unknown[]) =>
  Reflect.apply<undefined, unknown[], unknown>(create, undefined, args) as Flow<number, number>;

const codeOf = (error: unknown) => (error instanceof FlowError ? error.code : error);

describe("the context", () => {
  test("says where the handler is", async () => {
    const clock = new TestClock();
    let seen: unknown;
    const look = node("look", (message: Message<number>, ctx) => {
      seen = {
        node: ctx.node,
        successors: ctx.successors,
        traceId: ctx.traceId,
        tenant: ctx.tenant,
        headers: ctx.headers,
        isMessage: ctx.message === message,
        attempt: ctx.attempt,
        deadlineAt: ctx.deadlineAt,
        aborted: ctx.signal.aborted,
        sameSignal: ctx.signal === ctx.signal,
        resources: ctx.resources,
      };
    });
    const leaf = (name: string) => payloadNode(name, () => undefined);
    const flow = tidy(create(look.to(leaf("b"), leaf("a")), { clock }).run({ resources: "shared" }));
    await flow.outcome(1, { traceId: "t", tenant: "acme", topic: "birds", priority: 3, timeoutMs: 50 });
    expect(seen).toEqual({
      node: "look",
      successors: ["b", "a"],
      traceId: "t",
      tenant: "acme",
      headers: { tenant: "acme", topic: "birds", priority: 3 },
      isMessage: true,
      attempt: 1,
      deadlineAt: clock.epochNow() + 50,
      aborted: false,
      sameSignal: true,
      resources: "shared",
    });
  });

  test("stays that of its own attempt, even when another keeps it", async () => {
    const kept: Context[] = [];
    const keepRest = node("rest", function ({ payload }: Message<number>, ...rest: Context[]) {
      kept.push(rest[0] as Context);
      return payload;
    } as (message: Message<number>, ctx: Context) => number);
    const none = {} as Context;
    const withDefault = function ({ payload }: Message<number>, ctx: Context | undefined = none) {
      kept.push(ctx);
      return payload;
    };
    const keepDefault = node("default", withDefault);
    const keepArguments = node("arguments", function (message: Message<number>) {
      kept.push(arguments[1] as Context);
      return message.payload;
    });
    const receiver = {
      kept,
      take(...given: [Message<number>, Context]) {
        this.kept.push(given[1]);
        return given[0].payload;
      },
    };
    const keepBound = node("bound", receiver.take.bind(receiver));
    const keepList = payloadNode("list", function ([first]: readonly number[], ...rest: Context[]) {
      kept.push(rest[0] as Context);
      return first as number;
    } as (payload: readonly number[], ctx: Context) => number);
    const wrap = payloadNode("wrap", (value: number) => [value]);
    const last = payloadNode("last", (value: number) => value);
    const flow = tidy(
      create(keepRest.to(keepDefault).to(keepArguments).to(keepBound).to(wrap).to(keepList).to(last)).run(),
    );
    expect(await flow.call(1)).toBe(1);
    expect(kept.map((ctx) => ctx.node)).toEqual(["rest", "default", "arguments", "bound", "list"]);
    expect(new Set(kept.map((ctx) => ctx.idempotencyKey)).size).toBe(5);
    for (const ctx of kept) expect(codeOf(await rejection(within(500, ctx.sleep(1))))).toBe("ATTEMPT_OVER");
  });

  test("of an attempt that is over refuses everything with ATTEMPT_OVER, and its signal has aborted", async () => {
    const kept: Context[] = [];
    const keep = payloadNode("keep", (value: number, ctx: Context) => {
      kept.push(ctx);
      return value;
    });
    const flow = tidy(create(keep.to()).run());
    await flow.call(1, { traceId: "t" });
    const ctx = kept[0] as Context;
    const uses: (() => Promise<unknown>)[] = [
      () => ctx.emit(1),
      async () => ctx.emitNowait(1),
      () => ctx.emitChunk({ text: "x" }),
      () => ctx.fetch(),
      () => ctx.fetchAny(),
      () => ctx.sleep(1),
      () => ctx.callPlaybook(create(keep.to())),
    ];
    for (const use of uses) {
      const error = await rejection(within(500, use()));
      expect(error).toMatchObject({ code: "ATTEMPT_OVER", node: "keep", traceId: "t", attempt: 1 });
    }
    expect(ctx.signal.aborted).toBe(true);
    expect(codeOf(ctx.signal.reason)).toBe("ATTEMPT_OVER");
    expect(ctx.traceId).toBe("t");
  });

  test("signal does not abort when the attempt has succeeded", async () => {
    const signals: AbortSignal[] = [];
    const aborted: unknown[] = [];
    const look = payloadNode("look", (value: number, ctx) => {
      signals.push(ctx.signal);
      ctx.signal.addEventListener("abort", () => aborted.push(ctx.signal.reason));
      return value;
    });
    const flow = tidy(create(look.to()).run());
    await flow.call(1);
    await settle();
    expect(signals[0]?.aborted).toBe(false);
    expect(aborted).toEqual([]);
  });

  test("waits that are not awaited do not crash the process when the trace ends", async () => {
    const unhandled: unknown[] = [];
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (reason) => unhandled.push(reason));
    try {
      const forgetful = payloadNode("forgetful", async (value: number, ctx) => {
        void ctx.sleep(60_000);
        void ctx.fetch({ timeoutMs: 60_000 });
        await ctx.sleep(value);
        return value;
      });
      const flow = tidy(create(forgetful.to(), { clock: new TestClock() }).run());
      const outcome = flow.outcome(1_000, { traceId: "t" });
      await settle();
      await flow.cancel("t");
      expect((await outcome).status).toBe("cancelled");
      await settle();
      await settle();
      expect(unhandled.map(codeOf)).toEqual([]);
    } finally {
      process.removeAllListeners("unhandledRejection");
      for (const listener of others) process.on("unhandledRejection", listener);
    }
  });

  test("waits take part in the time of the flow's clock", async () => {
    const clock = new TestClock();
    const woke: number[] = [];
    const sleepy = payloadNode("sleepy", async (delays: readonly number[], ctx) => {
      await Promise.all(delays.map((delay) => ctx.sleep(delay).then(() => woke.push(delay))));
      return delays.length;
    });
    const flow = tidy(create(sleepy.to(), { clock }).run());
    const call = flow.call([30, 10, 20, 10, 0]);
    await clock.advance(15);
    expect(woke).toEqual([0, 10, 10]);
    await clock.advance(15);
    expect(await call).toBe(5);
    expect(woke).toEqual([0, 10, 10, 20, 30]);
  });

  test("a wait ends with its own signal or time, and the handler continues", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const gate = Promise.withResolvers<undefined>();
    const late = payloadNode("late", async (value: number) => {
      await gate.promise;
      return value;
    });
    const collect = payloadNode("collect", async (value: number, ctx) => {
      const controller = new AbortController();
      const waiting = rejection(ctx.fetch({ signal: controller.signal }));
      controller.abort(new Error("enough"));
      seen.push(codeOf(await waiting));
      seen.push(codeOf(await rejection(ctx.fetch({ timeoutMs: 10 }))));
      gate.resolve(undefined);
      const further = await ctx.fetch({ from: late });
      return [value, further.payload];
    });
    const split = payloadNode("split", (value: number) => value);
    const flow = tidy(create(split.to(late, collect), late.to(collect), { clock }).run());
    const call = flow.call(7);
    await clock.advance(10);
    await clock.advance(0);
    expect(await within(1_000, call)).toEqual([7, 7]);
    expect(seen).toEqual(["WAIT_ABORTED", "WAIT_TIMEOUT"]);
  });
});

describe("the idempotency key", () => {
  test("is the same for every attempt of a message, timeouts included", async () => {
    const clock = new TestClock();
    const keys: string[] = [];
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 3, timeoutMs: 20, backoffBaseMs: 5, jitter: 0 } },
      async (value: number, ctx) => {
        keys.push(ctx.idempotencyKey);
        if (ctx.attempt === 1) throw new Error("busy");
        if (ctx.attempt === 2) await ctx.sleep(100);
        return value;
      },
    );
    const flow = tidy(create(flaky.to(), { clock }).run());
    const call = flow.call(1);
    await clock.advance(1_000);
    await within(1_000, call);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).not.toBe("");
  });

  test("is the same behind a retry: what the attempt that succeeds sends is what the first would have sent", async () => {
    const keysOf = async (failures: number) => {
      const keys: string[] = [];
      const sender = payloadNode(
        { name: "sender", policy: { maxRetries: 3, backoffBaseMs: 0 } },
        async (value: number, ctx) => {
          await ctx.emit(value + 1);
          if (ctx.attempt <= failures) throw new Error("again");
          return value;
        },
      );
      const next = payloadNode("next", (_: number, ctx) => void keys.push(ctx.idempotencyKey));
      const flow = create(sender.to(next), { random: () => 0.25 }).run();
      await within(1_000, flow.outcome(1));
      await flow.stop();
      return keys;
    };
    const keys = await keysOf(0);
    expect(new Set(keys).size).toBe(2);
    expect(await keysOf(2)).toEqual(keys);
  });

  test("differs between any two messages: of every trace, node, sender and output", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 3 }),
        async (outputs, traces) => {
          const keys: string[] = [];
          const spread = (name: string, many: number) =>
            payloadNode({ name, policy: { ordering: "none" } }, async (value: number, ctx) => {
              keys.push(ctx.idempotencyKey);
              for (let index = 0; index < many; index += 1) await ctx.emit(value);
              return value;
            });
          const nodes = outputs.map((many, index) => spread(`n${index}`, many));
          const last = spread("last", 0);
          const beside = spread("beside", 0);
          const edges = nodes.map((from, index) => from.to((nodes[index + 1] ?? last) as never, beside as never));
          const flow = build(...edges, {
            queueMaxSize: 0,
          }).run();
          await Promise.all(Array.from({ length: traces }, () => flow.outcome(1, { traceId: "same" })));
          await flow.stop();
          let expected = traces;
          let level = traces;
          for (const many of outputs) {
            level *= many + 1;
            expected += 2 * level;
          }
          expect(keys).toHaveLength(expected);
          expect(new Set(keys).size).toBe(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("differs between the same message of a flow that was stopped and run again", async () => {
    const keys: string[] = [];
    const flow = create(payloadNode("a", (_: number, ctx) => void keys.push(ctx.idempotencyKey)).to());
    for (let run = 0; run < 3; run += 1) {
      flow.run();
      await flow.outcome(1, { traceId: "t" });
      await flow.stop();
    }
    expect(new Set(keys).size).toBe(3);
  });

  test("of one seed is the same in the next run of the same program", async () => {
    const keysOf = async () => {
      const keys: string[] = [];
      const { seededRandom } = await import("penguiflow");
      const flow = create(
        payloadNode("a", (value: number, ctx) => {
          keys.push(ctx.idempotencyKey);
          return value;
        }).to(payloadNode("b", (_: number, ctx) => void keys.push(ctx.idempotencyKey))),
        { random: seededRandom(7), clock: new TestClock() },
      ).run();
      await flow.outcome(1);
      await flow.stop();
      return keys;
    };
    expect(await keysOf()).toEqual(await keysOf());
  });
});

describe("handlers of both styles", () => {
  test("synchronous or not, mix in any order and with any watcher, with the same result", async () => {
    const styles = ["message", "payload"] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            style: fc.constantFrom(...styles),
            isAsync: fc.boolean(),
            returns: fc.constantFrom("payload", "message"),
            usesContext: fc.boolean(),
            timeoutMs: fc.constantFrom(undefined, 1_000),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        fc.boolean(),
        async (steps, isWatched) => {
          const nodes = steps.map(({ style, isAsync, returns, usesContext, timeoutMs }, index) => {
            const policy = timeoutMs === undefined ? {} : { timeoutMs };
            const answer = (message: Message<number>) => {
              const next = returns === "message" ? message.with({ payload: message.payload + 1 }) : message.payload + 1;
              return isAsync ? settleThen(next) : next;
            };
            const name = `n${index}`;
            if (style === "message")
              return usesContext
                ? node({ name, policy }, (message: Message<number>, ctx) => answer(ctx.message as typeof message))
                : node({ name, policy }, (message: Message<number>) => answer(message));
            return usesContext || returns === "message"
              ? payloadNode({ name, policy }, (_: number, ctx) => answer(ctx.message as Message<number>))
              : payloadNode({ name, policy }, (value: number) => (isAsync ? settleThen(value + 1) : value + 1));
          });
          const edges = nodes.map((from, index) => {
            const to = nodes[index + 1] as unknown;
            return (from as unknown as { to(...targets: unknown[]): unknown }).to(...(to === undefined ? [] : [to]));
          });
          const flow = build(...edges, isWatched ? { middlewares: [() => {}] } : {}).run();
          const outcomes = await Promise.all(
            [0, 10, 20].map((value) => flow.outcome(value, { traceId: "t", tenant: "acme", meta: { value } })),
          );
          const results = await Promise.all([0, 10, 20].map((value) => flow.call(value, { traceId: "t" })));
          await flow.stop();
          expect(results).toEqual([0, 10, 20].map((value) => value + steps.length));
          for (const [index, outcome] of outcomes.entries()) {
            expect(outcome.results).toEqual([index * 10 + steps.length]);
            expect(outcome.messages[0]).toMatchObject({
              traceId: "t",
              headers: { tenant: "acme" },
              meta: { value: index * 10 },
            });
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

async function settleThen<Value>(value: Value): Promise<Value> {
  await Promise.resolve();
  return value;
}
