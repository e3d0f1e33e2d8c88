import { describe, expect, test } from "vitest";
import { create, FlowError, FlowErrorCode, type Message, node, payloadNode, TraceCancelled } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { z } from "zod";
import { recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const failing = (thrown: unknown, options: { maxRetries?: number } = {}) =>
  payloadNode({ name: "failing", policy: { backoffBaseMs: 0, ...options } }, () => {
    throw thrown;
  });
const failureOf = async (thrown: unknown) => {
  const flow = tidy(create(failing(thrown).to()).run());
  return (await rejection(within(1_000, flow.call(1, { traceId: "t", tenant: "acme" })))) as FlowError;
};

/** One way to produce each code. */
const ways: Partial<Record<FlowErrorCode, () => Promise<unknown>>> = {
  NODE_EXCEPTION: () => failureOf(new Error("x")),
  NODE_TIMEOUT: async () => {
    const clock = new TestClock();
    const slow = payloadNode({ name: "slow", policy: { timeoutMs: 5 } }, (_: number, ctx) => ctx.sleep(10));
    const error = rejection(tidy(create(slow.to(), { clock }).run()).call(1));
    await clock.advance(5);
    return error;
  },
  INPUT_INVALID: () =>
    rejection(tidy(create(payloadNode({ name: "a", input: z.string() }, () => 1).to()).run()).call(1 as never)),
  OUTPUT_INVALID: () =>
    rejection(tidy(create(payloadNode({ name: "a", output: z.string() }, () => 1 as never).to()).run()).call(1)),
  ROUTE_UNKNOWN: () =>
    rejection(
      tidy(create(payloadNode("a", (value: number, ctx) => ctx.emit(value, { to: "stranger" })).to()).run()).call(1),
    ),
  TRACE_CANCELLED: async () => {
    const flow = tidy(create(payloadNode("a", (_: number, ctx) => ctx.sleep(1e9)).to()).run());
    const error = rejection(flow.call(1, { traceId: "t" }));
    await settle();
    await flow.cancel("t");
    return error;
  },
  TRACE_UNWINDING: async () => {
    const gate = Promise.withResolvers<number>();
    const flow = tidy(create(payloadNode("a", () => gate.promise).to()).run());
    const first = rejection(flow.call(1, { traceId: "t" }));
    await settle();
    const cancelling = flow.cancel("t");
    const error = await rejection(flow.call(1, { traceId: "t" }));
    gate.resolve(1);
    await Promise.all([first, cancelling]);
    return error;
  },
  TRACE_UNKNOWN: () => rejection(tidy(create(failing(0).to()).run()).fetch({ traceId: "t" })),
  TENANT_REQUIRED: async () => {
    const gate = Promise.withResolvers<number>();
    const flow = tidy(create(payloadNode("a", () => gate.promise).to()).run());
    await flow.emit(1, { traceId: "t", tenant: "a" });
    await flow.emit(1, { traceId: "t", tenant: "b" });
    const error = await rejection(flow.cancel("t"));
    gate.resolve(1);
    await Promise.all([flow.fetch(), flow.fetch()]);
    return error;
  },
  DEADLINE_EXCEEDED: async () => {
    const clock = new TestClock();
    const flow = tidy(create(payloadNode("a", (_: number, ctx) => ctx.sleep(1e9)).to(), { clock }).run());
    const error = rejection(flow.call(1, { timeoutMs: 5 }));
    await clock.advance(5);
    return error;
  },
  NO_RESULT: () => rejection(tidy(create(payloadNode("a", () => undefined).to()).run()).call(1)),
  QUEUE_FULL: async () => {
    const gate = Promise.withResolvers<number>();
    const a = payloadNode({ name: "a", policy: { concurrency: 1 } }, () => gate.promise);
    const flow = tidy(create(a.to(), { queueMaxSize: 1 }).run());
    flow.emitNowait(1);
    flow.emitNowait(2);
    const error = await rejection((async () => flow.emitNowait(3))());
    gate.resolve(1);
    await Promise.all([flow.fetch(), flow.fetch()]);
    return error;
  },
  HELD_LIMIT: () =>
    rejection(
      tidy(
        create(
          payloadNode({ name: "a", policy: { maxRetries: 1 } }, async (value: number, ctx) => {
            await ctx.emit(value);
            await ctx.emit(value);
          }).to(),
          { limits: { maxHeldEmits: 1 } },
        ).run(),
      ).call(1),
    ),
  WAIT_TIMEOUT: async () => {
    const clock = new TestClock();
    const error = rejection(tidy(create(failing(0).to(), { clock }).run()).fetch({ timeoutMs: 5 }));
    await clock.advance(5);
    return error;
  },
  WAIT_ABORTED: () => rejection(tidy(create(failing(0).to()).run()).fetch({ signal: AbortSignal.abort() })),
  FETCH_STARVED: () => rejection(tidy(create(payloadNode("a", (_: number, ctx) => ctx.fetch()).to()).run()).call(1)),
  STREAM_BUSY: async () => {
    const talk = payloadNode({ name: "talk", policy: { ordering: "none" } }, async (_: number, ctx) => {
      await ctx.emitChunk({ text: "x", streamId: "shared" });
      await settle();
      return 1;
    });
    const source = payloadNode("source", async (_: number, ctx) => {
      await ctx.emit(1);
      await ctx.emit(2);
    });
    const error = await rejection(tidy(create(source.to(talk)).run()).call(1));
    await settle();
    await settle();
    return error;
  },
  ATTEMPT_OVER: async () => {
    let kept: { emit(value: number): Promise<void> } | undefined;
    const keep = payloadNode("keep", (value: number, ctx) => {
      kept = ctx;
      return value;
    });
    await tidy(create(keep.to()).run()).call(1);
    return rejection(within(500, (kept as NonNullable<typeof kept>).emit(1)));
  },
  FLOW_NOT_RUNNING: () => rejection(create(failing(0).to()).call(1)),
  FLOW_STOPPED: async () => {
    const flow = create(payloadNode("a", (_: number, ctx) => ctx.sleep(1e9)).to()).run();
    const error = rejection(flow.call(1));
    await settle();
    await flow.stop();
    return error;
  },
};

describe("the codes", () => {
  test.each(Object.entries(ways))("%s really happens", async (code, way) => {
    const error = await within(2_000, way());
    expect(error).toBeInstanceOf(FlowError);
    expect((error as FlowError).code).toBe(code);
    expect((error as FlowError).message).toMatch(/^[A-Z"].*[^.]$/s);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code, message: (error as FlowError).message });
  });

  test("are their own names", () => {
    for (const [name, code] of Object.entries(FlowErrorCode)) expect(code).toBe(name);
  });
});

describe("the error of a failed node", () => {
  test("says which trace, tenant, node and attempt, and keeps what was thrown", async () => {
    const cause = new RangeError("too many penguins");
    const error = await failureOf(cause);
    expect(error).toMatchObject({
      name: "FlowError",
      code: "NODE_EXCEPTION",
      traceId: "t",
      tenant: "acme",
      node: "failing",
      attempt: 1,
      message: 'Node "failing" failed: too many penguins',
    });
    expect(error.cause).toBe(cause);
    expect(error.unwrap()).toBe(cause);
  });

  test("includes the duration of the attempt, with or without observers, from any time of the clock", async () => {
    for (const isWatched of [false, true]) {
      for (const from of [0, 500]) {
        const clock = new TestClock();
        await clock.advance(from);
        const slow = payloadNode("slow", async (_: number, ctx) => {
          await ctx.sleep(30);
          throw new Error("late");
        });
        const seen = recorder();
        const flow = tidy(create(slow.to(), { clock, middlewares: isWatched ? [seen.middleware] : [] }).run());
        const failed = rejection(flow.call(1));
        await clock.advance(30);
        expect([isWatched, from, ((await failed) as FlowError).latencyMs]).toEqual([isWatched, from, 30]);
        await flow.flush();
        expect(seen.of("node_error").map((event) => event.latencyMs)).toEqual(isWatched ? [30] : []);
      }
    }
  });

  test("has the failed message for cleaning up, but never when it is printed or serialised", async () => {
    const secret = { token: "secret" };
    const flow = tidy(create(payloadNode("failing", (_: typeof secret) => Promise.reject(new Error("x"))).to()).run());
    const error = (await rejection(flow.call(secret, { traceId: "t" }))) as FlowError;
    expect((error.failedMessage as Message).payload).toBe(secret);
    expect((error.failedMessage as Message).traceId).toBe("t");
    expect(Object.keys(error)).not.toContain("failedMessage");
    expect(JSON.stringify(error)).not.toContain("secret");
    expect(JSON.stringify(error.toPayload())).not.toContain("secret");
    const { inspect } = await import("node:util");
    expect(inspect(error)).not.toContain("secret");
  });

  test("of a retry has the attempt and message of the last try", async () => {
    const tries: number[] = [];
    const last = node({ name: "last", policy: { maxRetries: 2, backoffBaseMs: 0 } }, (_: Message<number>, ctx) => {
      tries.push(ctx.attempt);
      throw new Error(`try ${ctx.attempt}`);
    });
    const flow = tidy(create(last.to()).run());
    const error = (await rejection(within(1_000, flow.call(1)))) as FlowError;
    expect(error).toMatchObject({ attempt: 3, cause: { message: "try 3" }, failedMessage: { payload: 1 } });
    expect(tries).toEqual([1, 2, 3]);
  });

  test.each<[string, unknown, string]>([
    ["text", "plain text", "plain text"],
    ["undefined", undefined, "undefined"],
    ["null", null, "null"],
    ["a symbol", Symbol("s"), "Symbol(s)"],
    ["a big number", 5n, "5"],
    ["a plain object", { why: "because" }, '{"why":"because"}'],
    ["an object without prototype", Object.create(null), "{}"],
    ["an error without text", new Error(""), ""],
  ])("is readable when %s was thrown, and unwrap gives it back", async (_what, thrown, text) => {
    const error = await failureOf(thrown);
    expect(error.code).toBe("NODE_EXCEPTION");
    expect(error.message).toContain('Node "failing" failed');
    expect(error.message).toContain(text);
    expect(() => JSON.stringify(error)).not.toThrow();
    expect(error.unwrap()).toBe(thrown === undefined ? error : thrown);
  });

  const hostile: [string, () => unknown][] = [
    [
      "an error whose message cannot be read",
      () =>
        Object.defineProperty(new Error("x"), "message", {
          get() {
            throw new Error("no message");
          },
        }),
    ],
    [
      "an object that cannot be printed in any way",
      () => ({
        toJSON() {
          throw new Error("no JSON");
        },
        get [Symbol.toStringTag](): string {
          throw new Error("no tag");
        },
      }),
    ],
    [
      "an error whose retryable cannot be read",
      () =>
        Object.defineProperty(new Error("x"), "retryable", {
          get() {
            throw new Error("no retryable");
          },
        }),
    ],
    [
      "a revoked proxy",
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      },
    ],
    [
      "an error that is its own cause",
      () => {
        const error = new Error("round");
        error.cause = error;
        return error;
      },
    ],
  ];
  test.each(hostile)("settles the trace also when what was thrown is %s", async (_what, make) => {
    const seen = recorder();
    const flow = tidy(create(failing(make(), { maxRetries: 1 }).to(), { middlewares: [seen.middleware] }).run());
    const outcome = await within(1_000, flow.outcome(1), "the outcome");
    expect(outcome.status).toBe("failed");
    expect(() => JSON.stringify(outcome.status === "failed" && outcome.error)).not.toThrow();
  });
});

describe("a FlowError", () => {
  test("as payload has the chain of causes with class, message and stack, and stops at eight", () => {
    let error: Error = new TypeError("deepest");
    for (let level = 0; level < 20; level += 1) error = new Error(`level ${level}`, { cause: error });
    const made = new FlowError({ code: "NODE_EXCEPTION", message: "Top", cause: error, node: "n", details: { a: 1 } });
    const payload = made.toPayload();
    expect(payload).toMatchObject({
      name: "FlowError",
      code: "NODE_EXCEPTION",
      message: "Top",
      node: "n",
      details: { a: 1 },
    });
    const chain: string[] = [];
    for (let at = payload.cause; at !== undefined; at = at.cause) {
      chain.push(at.message);
      expect(at.stack).toContain(at.message);
    }
    expect(chain).toEqual([19, 18, 17, 16, 15, 14, 13, 12].map((level) => `level ${level}`));
    expect(payload).toEqual(JSON.parse(JSON.stringify(made)));
  });

  test("names classes of its causes, also where they call themselves Error", () => {
    class QuotaError extends Error {}
    const payload = new FlowError({ code: "NODE_EXCEPTION", message: "m", cause: new QuotaError("full") }).toPayload();
    expect(payload.cause).toMatchObject({ name: "QuotaError", message: "full" });
    const text = new FlowError({ code: "NODE_EXCEPTION", message: "m", cause: "text" }).toPayload();
    expect(text.cause).toEqual({ name: "string", message: "text" });
  });

  test("keeps codes of system errors in its causes", () => {
    const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    expect(new FlowError({ code: "NODE_EXCEPTION", message: "m", cause }).toPayload().cause?.code).toBe("ECONNREFUSED");
  });

  test("without a cause unwraps to itself", () => {
    const error = new FlowError({ code: "NO_RESULT", message: "Nothing" });
    expect(error.unwrap()).toBe(error);
    expect("cause" in error).toBe(false);
    expect(error.retryable).toBe(false);
  });

  test("unwraps to what was thrown, falsy or not", () => {
    for (const cause of [null, 0, "", false]) {
      const error = new FlowError({ code: "NODE_EXCEPTION", message: "m", cause });
      expect(error.unwrap()).toBe(cause);
    }
  });

  test("is an Error in every respect: instanceof, name, stack and text", () => {
    const error = new TraceCancelled({ traceId: "t", cause: new Error("why") });
    expect(error).toBeInstanceOf(FlowError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "TraceCancelled", code: "TRACE_CANCELLED", traceId: "t" });
    expect(String(error)).toBe('TraceCancelled: Trace "t" was cancelled');
    expect(error.stack).toContain("errors.test.ts");
  });

  test("that user code throws becomes the cause, whatever its code, and is not confused with the runtime's own", async () => {
    for (const code of ["NODE_TIMEOUT", "INPUT_INVALID", "ROUTE_UNKNOWN", "FETCH_STARVED", "HELD_LIMIT"] as const) {
      const own = new FlowError({ code, message: "Mine", node: "elsewhere", retryable: true });
      const error = await failureOf(own);
      expect([code, error.code, error.cause === own]).toEqual([code, "NODE_EXCEPTION", true]);
    }
  });
});

describe("cancellation as user code sees it", () => {
  test("is the signal's reason and what waits reject with: one TraceCancelled with the caller's reason", async () => {
    const seen: unknown[] = [];
    const waits = payloadNode("waits", async (_: number, ctx) => {
      const rejected = await rejection(ctx.sleep(1e9));
      seen.push(rejected, ctx.signal.reason, ctx.signal.aborted);
    });
    const flow = tidy(create(waits.to(), { clock: new TestClock() }).run());
    const outcome = flow.outcome(1, { traceId: "t" });
    await settle();
    const reason = { user: "left" };
    await flow.cancel("t", { reason });
    expect(seen[0]).toBeInstanceOf(TraceCancelled);
    expect(seen[1]).toBe(seen[0]);
    expect(seen[2]).toBe(true);
    expect((seen[0] as TraceCancelled).cause).toBe(reason);
    expect(await outcome).toMatchObject({ status: "cancelled", reason });
  });

  test("an AbortError that the runtime did not cause is an error of the node", async () => {
    const error = await failureOf(new DOMException("This operation was aborted", "AbortError"));
    expect(error).toMatchObject({ code: "NODE_EXCEPTION", cause: { name: "AbortError" } });
  });

  test("an error thrown because the trace was cancelled changes nothing of the outcome", async () => {
    const seen = recorder();
    const rude = payloadNode("rude", async (_: number, ctx) => {
      await ctx.sleep(1e9).catch(() => {});
      throw new Error("because of you");
    });
    const flow = tidy(create(rude.to(), { clock: new TestClock(), middlewares: [seen.middleware] }).run());
    const outcome = flow.outcome(1, { traceId: "t" });
    await settle();
    await flow.cancel("t");
    expect((await outcome).status).toBe("cancelled");
    await flow.flush();
    expect(seen.of("node_error")).toEqual([]);
    expect(seen.of("node_failed")).toEqual([]);
  });
});
