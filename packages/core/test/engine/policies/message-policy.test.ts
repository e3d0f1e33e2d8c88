import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "vitest";
import { create, type Message, node, type NodePolicy, payloadNode, shape } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { z } from "zod";
import { logbook, recorder, tidy, within } from "../../fixtures/watched-flow.ts";

/** A call of a tool, with the limits that this tool needs. */
interface Call {
  readonly tool: string;
  readonly limits: NodePolicy | undefined;
}
const call = (tool: string, limits?: NodePolicy): Call => ({ tool, limits });
const perMessage = (message: Message<Call>): never => message.payload.limits as never;

describe("a policy that looks at the message", () => {
  test("gives each message its own timeout and retries; options it leaves out are the node's", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const policy = { maxRetries: 1, backoffBaseMs: 10, jitter: 0, timeoutMs: 20, perMessage };
    const tool = payloadNode({ name: "tool", policy }, async (_: Call, ctx) => {
      await ctx.sleep(50);
      return ctx.attempt;
    });
    const flow = tidy(create(tool.to(), { clock, middlewares: [seen.middleware] }).run());
    const outcomes = Promise.all([
      flow.outcome(call("usual")),
      flow.outcome(call("patient", { timeoutMs: 60 })),
      flow.outcome(call("once", { maxRetries: 0 })),
      flow.outcome(call("more", { maxRetries: 2, backoffBaseMs: 1 })),
    ]);
    for (let ms = 0; ms < 30; ms += 1) await clock.advance(10);
    expect(
      (await within(1_000, outcomes)).map((outcome) => outcome.status === "failed" && outcome.error.attempt),
    ).toEqual([2, false, 1, 3]);
    await flow.flush();
    expect(seen.of("node_retry").map(({ delayMs }) => delayMs)).toEqual([10, 1, 2]);
  });

  test("may be the whole policy", async () => {
    const clock = new TestClock();
    const policy = (message: Message<Call>) => ({ timeoutMs: message.payload.tool.length, maxRetries: 0 });
    const tool = node({ name: "tool", policy }, async (_: Message<Call>, ctx) => {
      await ctx.sleep(5);
      return "done";
    });
    const flow = tidy(create(tool.to(), { clock }).run());
    const outcomes = Promise.all([flow.outcome(call("abc")), flow.outcome(call("abcdefg"))]);
    await clock.advance(10);
    expect((await within(1_000, outcomes)).map(({ status }) => status)).toEqual(["failed", "completed"]);
  });

  test("is asked once for each attempt, with the message as it was sent, in the trace's async context", async () => {
    const clock = new TestClock();
    const caller = new AsyncLocalStorage<string>();
    const asked: unknown[] = [];
    const tool = payloadNode(
      {
        name: "tool",
        input: z.string().transform(Number),
        policy: (message) => {
          asked.push([message.payload, caller.getStore()]);
          return { maxRetries: 1, backoffBaseMs: 0 };
        },
      },
      (value, ctx) => {
        if (ctx.attempt === 1) throw new Error("busy");
        return value;
      },
    );
    const flow = tidy(create(tool.to(), { clock }).run());
    const result = caller.run("ada", () => flow.call("5"));
    await clock.advance(1);
    expect(await within(1_000, result)).toBe(5);
    expect(asked).toEqual([
      ["5", "ada"],
      ["5", "ada"],
    ]);
  });

  test("holds back what an attempt emits exactly where the message may be retried", async () => {
    const clock = new TestClock();
    const tool = payloadNode(
      { name: "tool", policy: { backoffBaseMs: 5, jitter: 0, perMessage } },
      async ({ tool: name }: Call, ctx) => {
        await ctx.emit(`${name} ${ctx.attempt}`);
        throw new Error("busy");
      },
    );
    const end = payloadNode("end", (text: string) => text);
    const flow = tidy(create(tool.to(end as never), { clock }).run());
    const outcomes = Promise.all([flow.outcome(call("early")), flow.outcome(call("held", { maxRetries: 1 }))]);
    await clock.advance(50);
    expect((await within(1_000, outcomes)).map(({ results }) => results)).toEqual([["early 1"], []]);
  });

  test("may give some messages a fallback", async () => {
    const tool = payloadNode(
      {
        name: "tool",
        policy: (message: Message<string>) => (message.payload === "optional" ? { onFailed: () => "skipped" } : {}),
      },
      (_: string): string => {
        throw new Error("broken");
      },
    );
    const flow = tidy(create(tool.to()).run());
    expect(await flow.outcome("optional")).toMatchObject({ status: "completed", results: ["skipped"] });
    expect(await flow.outcome("needed")).toMatchObject({ status: "failed" });
  });

  const unusable: [string, (message: Message) => unknown, string][] = [
    [
      "throws",
      () => {
        throw new Error("no table");
      },
      "no table",
    ],
    [
      "is out of range",
      () => ({ timeoutMs: -1 }),
      'Option "timeoutMs" of node "tool" must be a number of 1 or more: got -1',
    ],
    [
      "has an option of the node",
      () => ({ concurrency: 2 }),
      'Unknown option "concurrency" of a message\'s policy at node "tool": expected one of "timeoutMs"',
    ],
    [
      "is a promise",
      async () => ({}),
      'The policy function of node "tool" must return an object or undefined: got a promise',
    ],
    ["is no object", () => 5, 'The policy function of node "tool" must return an object or undefined: got 5'],
  ];
  test.each(unusable)("that %s fails its message with POLICY_FAILED, without a retry", async (_, made, text) => {
    let handled = 0;
    const tool = payloadNode(
      { name: "tool", policy: { maxRetries: 3, perMessage: made as never } },
      (value: number) => (handled += value),
    );
    const flow = tidy(create(tool.to()).run());
    const outcome = await within(1_000, flow.outcome(1));
    expect(outcome).toMatchObject({
      status: "failed",
      error: { code: "POLICY_FAILED", node: "tool", retryable: false },
    });
    expect(outcome).toHaveProperty("error.message", expect.stringContaining(text));
    expect(handled).toBe(0);
  });

  test("that fails leaves the node's own fallback in force", async () => {
    const perFault = (): never => {
      throw new Error("no table");
    };
    const tool = payloadNode(
      { name: "tool", policy: { onFailed: (error) => error.code, perMessage: perFault } },
      (value: number) => value,
    );
    expect(await tidy(create(tool.to()).run()).call(1)).toBe("POLICY_FAILED");
  });

  test("may end its trace: the handler is not called and nothing is left", async () => {
    let handled = 0;
    const policy = (message: Message<number>) => {
      void flow.cancel(message.traceId);
      return { timeoutMs: 50 };
    };
    const tool = payloadNode({ name: "tool", policy }, (value: number) => (handled += value));
    const clock = new TestClock();
    const flow = tidy(create(tool.to(), { clock }).run());
    expect(await within(1_000, flow.outcome(1))).toMatchObject({ status: "cancelled" });
    await settle();
    expect(handled).toBe(0);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0 });
  });

  test("is refused at construction when it is no function", () => {
    expect(() => payloadNode({ name: "n", policy: { perMessage: 5 as never } }, (n: number) => n)).toThrow(
      'Option "perMessage" of node "n" must be a function: got 5',
    );
  });

  test("is shown in pictures and JSON, and the linter claims nothing that it may change", async () => {
    const { lintFlow } = await import("penguiflow/lint");
    const { flowToMermaid, graphToJson } = await import("penguiflow");
    const policy = { maxRetries: 2, perMessage: () => ({}), onFailed: () => "", retryAfterMs: () => 1 };
    const tool = payloadNode({ name: "tool", effects: "writes", policy }, (text: string) => text);
    const flow = create(tool.to());
    expect(graphToJson(flow).nodes[0]?.policy).toEqual({
      maxRetries: 2,
      perMessage: "custom",
      onFailed: "custom",
      retryAfterMs: "custom",
    });
    expect(flowToMermaid(flow)).toContain("retries 2");
    expect(flowToMermaid(flow)).toContain("policy per message");
    expect(flowToMermaid(flow)).toContain("failure becomes a value");
    expect(lintFlow(flow)).toEqual([]);
  });
});

describe("retryAfterMs", () => {
  class TooMany extends Error {
    readonly seconds: number;
    constructor(seconds: number) {
      super("429");
      this.seconds = seconds;
    }
  }
  const stated = (error: unknown): number | undefined => (error instanceof TooMany ? error.seconds * 1_000 : undefined);
  const limited = (policy: NodePolicy, thrown: (attempt: number) => Error | undefined) => {
    const clock = new TestClock();
    const startedAt: number[] = [];
    const ask = payloadNode({ name: "ask", input: shape<number>(), policy }, async (value, ctx) => {
      startedAt.push(clock.now());
      const error = thrown(ctx.attempt);
      if (error !== undefined) throw error;
      return value;
    });
    return { clock, startedAt, ask };
  };

  test("decides the delay where it gives one, whatever maxBackoffMs and jitter say; otherwise the backoff applies", async () => {
    const { clock, startedAt, ask } = limited(
      { maxRetries: 3, backoffBaseMs: 10, maxBackoffMs: 100, jitter: 0, retryAfterMs: stated },
      (attempt) => [new TooMany(3), new Error("busy"), new TooMany(0), undefined][attempt - 1],
    );
    const flow = tidy(create(ask.to(), { clock }).run());
    const result = flow.call(7);
    for (let ms = 0; ms < 40; ms += 1) await clock.advance(100);
    expect(await within(1_000, result)).toBe(7);
    expect(startedAt).toEqual([0, 3_000, 3_020, 3_020]);
  });

  test("holds no slot while it waits and does not count against timeoutMs", async () => {
    const { clock, startedAt, ask } = limited(
      { maxRetries: 1, concurrency: 1, timeoutMs: 50, retryAfterMs: stated },
      (attempt) => (attempt === 1 && startedAt.length === 1 ? new TooMany(60) : undefined),
    );
    const flow = tidy(create(ask.to(), { clock }).run());
    const first = flow.call(1);
    const second = flow.call(2);
    await clock.advance(1);
    expect(await within(1_000, second)).toBe(2);
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0, parked: 1 });
    await clock.advance(60_000);
    expect(await within(1_000, first)).toBe(1);
    expect(startedAt).toEqual([0, 0, 60_000]);
  });

  test("is not asked for errors that are not retried, and ends with the trace's deadline", async () => {
    let asked = 0;
    const { clock, ask } = limited(
      { maxRetries: 1, retryIf: (error) => error instanceof TooMany, retryAfterMs: () => (asked += 1) * 60_000 },
      (attempt) => (attempt === 1 ? new TooMany(1) : new Error("broken")),
    );
    const flow = tidy(create(ask.to(), { clock }).run());
    const exhausted = flow.outcome(1, { timeoutMs: 100 });
    await clock.advance(100);
    expect(await within(1_000, exhausted)).toMatchObject({ status: "exhausted" });
    expect(asked).toBe(1);
    const failed = flow.outcome(2);
    await clock.advance(200_000);
    expect(await within(1_000, failed)).toMatchObject({ status: "failed" });
    expect(asked).toBe(2);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0 });
  });

  test.each([
    [
      "throws",
      (): never => {
        throw new Error("no header");
      },
    ],
    ["gives a negative number", () => -1],
    ["gives no number", () => Number.NaN],
    ["gives text", () => "5" as never],
  ])("that %s is logged, and the usual backoff applies", async (_, retryAfterMs) => {
    const logger = logbook();
    const { clock, startedAt, ask } = limited(
      { maxRetries: 1, backoffBaseMs: 10, jitter: 0, retryAfterMs },
      (attempt) => (attempt === 1 ? new Error("busy") : undefined),
    );
    const flow = tidy(create(ask.to(), { clock, logger }).run());
    const result = flow.call(1);
    await clock.advance(10);
    expect(await within(1_000, result)).toBe(1);
    expect(startedAt).toEqual([0, 10]);
    expect(logger.lines.map(({ message }) => message)).toEqual(["retry_after_failed"]);
  });
});

describe("a function of a policy that ends its own trace", () => {
  test("leaves nothing behind, whether the attempt threw or timed out", async () => {
    const clock = new TestClock();
    const tool = payloadNode(
      {
        name: "tool",
        policy: {
          maxRetries: 1,
          timeoutMs: 5,
          retryIf: (_, { traceId }) => {
            void flow.cancel(traceId);
            return true;
          },
        },
      },
      async (value: number, ctx): Promise<number> => {
        if (value === 0) throw new Error("broken");
        await ctx.sleep(50);
        return value;
      },
    );
    const flow = tidy(create(tool.to(), { clock }).run());
    const outcomes = Promise.all([flow.outcome(0), flow.outcome(1)]);
    await clock.advance(10);
    expect((await within(1_000, outcomes)).map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    await clock.advance(5_000);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0, zombies: 0 });
  });

  test("and so does a listener of the signal that a timeout aborts", async () => {
    const clock = new TestClock();
    let handled = 0;
    const tool = payloadNode(
      { name: "tool", policy: { maxRetries: 1, timeoutMs: 5 } },
      async (value: number, ctx): Promise<number> => {
        handled += 1;
        ctx.signal.addEventListener("abort", () => void flow.cancel(ctx.traceId));
        await ctx.sleep(50);
        return value;
      },
    );
    const flow = tidy(create(tool.to(), { clock }).run());
    const outcome = flow.outcome(1);
    await clock.advance(10);
    expect(await within(1_000, outcome)).toMatchObject({ status: "cancelled" });
    await clock.advance(5_000);
    expect(handled).toBe(1);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0 });
    expect(flow.stats().nodes[0]).toMatchObject({ parked: 0, running: 0 });
  });
});
