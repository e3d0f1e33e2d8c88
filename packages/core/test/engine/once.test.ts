import { describe, expect, test } from "vitest";
import {
  type Context,
  create,
  FlowError,
  joinK,
  type CheckpointStore,
  MemoryCheckpointStore,
  type Message,
  node,
  type OnceOptions,
  payloadNode,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { CutCheckpoints, HeldCheckpoints } from "../durable/cut-checkpoint-store.ts";
import { expectEmpty, gate, isPending, passing, range, running } from "../fixtures/quiet-flow.ts";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const code = async (promise: PromiseLike<unknown>): Promise<unknown> => codeOf(await rejection(promise));

async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !isSo(); turn += 1) await settle();
}

const end = payloadNode("end", (value: unknown) => value);
const paying = (act: (n: number, ctx: Context) => unknown, policy = {}) =>
  payloadNode({ name: "pay", policy }, async (n: number, ctx) => await act(n, ctx));

describe("a side effect runs at most once in its trace:", () => {
  test("over retries, with the value it gave", async () => {
    const keys: string[] = [];
    const pay = paying(
      async (n, ctx) => {
        const receipt = await ctx.once("charge", (key) => {
          keys.push(key);
          return { amount: n };
        });
        if (ctx.attempt < 4) throw new Error("later");
        return receipt;
      },
      { maxRetries: 5, backoffBaseMs: 0 },
    );
    const flow = running(create(pay.to(end)));
    expect(await flow.call(7)).toEqual({ amount: 7 });
    expect(await flow.call(8)).toEqual({ amount: 8 });
    expect(new Set(keys).size).toBe(2);
    expect(keys).toHaveLength(2);
  });

  test("also when the attempt is over while it runs: the next waits for it", async () => {
    const clock = new TestClock();
    let calls = 0;
    const charged = gate<string>();
    const pay = paying(
      async (_, ctx) =>
        await ctx.once("charge", () => {
          calls += 1;
          return charged.passed;
        }),
      { maxRetries: 3, backoffBaseMs: 1, timeoutMs: 100 },
    );
    const flow = running(create(pay.to(end), { clock, graceMs: 10 }), clock);
    const called = flow.call(1);
    await clock.advance(250);
    expect(calls).toBe(1);
    charged.open("receipt");
    expect(await passing(clock, called, 10)).toBe("receipt");
    expect(calls).toBe(1);
  });

  test("when one handler asks for it twice at once, and when two nodes do", async () => {
    let calls = 0;
    const effect = async () => {
      calls += 1;
      await settle();
      return calls;
    };
    const split = payloadNode("split", (n: number) => n);
    const twice = <Name extends string>(name: Name) =>
      payloadNode(name, async (_: number, ctx) =>
        (await Promise.all([ctx.once("k", effect), ctx.once("k", effect)])).join(),
      );
    const [left, right] = [twice("left"), twice("right")];
    const both = joinK("both", 2, { input: shape<string>() });
    const flow = running(create(split.to(left, right), left.to(both), right.to(both)));
    expect(await flow.call(1)).toEqual(["1,1", "1,1"]);
    expect(calls).toBe(1);
  });

  test("in a playbook as in the flow that calls it", async () => {
    const calls: string[] = [];
    const inner = create(
      payloadNode("inside", async (_: number, ctx) => await ctx.once("k", (key) => calls.push(key))).to(end),
    );
    const outer = paying(
      async (n, ctx) => {
        const values = [
          await ctx.callPlaybook(inner, n),
          await ctx.callPlaybook(inner, n),
          await ctx.once("k", (key) => calls.push(key)),
        ];
        if (ctx.attempt === 1) throw new Error("again");
        return values;
      },
      { maxRetries: 1, backoffBaseMs: 0 },
    );
    const flow = running(create(outer.to(end)));
    expect(await flow.call(1)).toEqual([1, 1, 1]);
    expect(calls).toHaveLength(1);
  });

  test("in a loop once for each key", async () => {
    const calls: string[] = [];
    const think = node({ name: "think", allowCycle: true }, async (message: Message<WM<number>>, ctx) => {
      const { hops, facts } = message.payload;
      const shared = await ctx.once("shared", () => calls.push("shared"));
      const own = await ctx.once(`hop ${hops}`, () => calls.push(`hop ${hops}`));
      if (hops === 2) return message.with({ payload: [...facts, shared, own].join() as never });
      return message.payload.with({ facts: [...facts, shared, own] });
    });
    const flow = running(create(think.to(think)));
    expect(await flow.call(new WM<number>({ query: "q" }))).toBe("1,2,1,3,1,4");
    expect(calls).toEqual(["shared", "hop 0", "hop 1", "hop 2"]);
  });

  test("again in another trace, also in one of the same id", async () => {
    const keys: string[] = [];
    const pay = paying(async (_, ctx) => await ctx.once("charge", (key) => keys.push(key)));
    const flow = running(create(pay.to(end)));
    for (const tenant of ["a", "b", "a"]) await flow.call(1, { traceId: "t", tenant });
    expect(new Set(keys).size).toBe(3);
  });

  test("when its value is nothing", async () => {
    let calls = 0;
    const pay = paying(
      async (n, ctx) => {
        await ctx.once("charge", () => void (calls += 1));
        if (ctx.attempt === 1) throw new Error("again");
        return n;
      },
      { maxRetries: 1, backoffBaseMs: 0 },
    );
    const flow = running(create(pay.to(end)));
    expect(await flow.call(3)).toBe(3);
    expect(calls).toBe(1);
  });
});

describe('with { keep: "message" } a side effect', () => {
  test("runs at most once for its message, and once for each message under the same name", async () => {
    const keys: string[] = [];
    const think = node(
      { name: "think", allowCycle: true, policy: { maxRetries: 1, backoffBaseMs: 0 } },
      async (message: Message<WM<number>>, ctx) => {
        const { hops, facts } = message.payload;
        const value = await ctx.once("write", (key) => keys.push(key), { keep: "message" });
        if (ctx.attempt === 1) throw new Error("again");
        if (hops === 2) return message.with({ payload: [...facts, value].join() as never });
        return message.payload.with({ facts: [...facts, value] });
      },
    );
    const flow = running(create(think.to(think)));
    expect(await flow.call(new WM<number>({ query: "q" }))).toBe("1,2,3");
    expect(new Set(keys).size).toBe(3);
  });

  test("is apart from one of the same name that lasts as long as the trace", async () => {
    const first = payloadNode("first", async (n: number, ctx) => [
      n,
      await ctx.once("k", () => "of the message", { keep: "message" }),
      await ctx.once("k", () => "of the trace"),
    ]);
    const second = payloadNode("second", async (before: unknown[], ctx) => [
      ...before,
      await ctx.once("k", () => "of the next message", { keep: "message" }),
      await ctx.once("k", () => "never", { keep: "trace" }),
    ]);
    const flow = running(create(first.to(second)));
    expect(await flow.call(1)).toEqual([1, "of the message", "of the trace", "of the next message", "of the trace"]);
  });

  test("is forgotten by the checkpoint store when its message has been handled, and not before", async () => {
    const checkpoints = new HeldCheckpoints();
    const held = gate();
    const pay = payloadNode("pay", async (n: number, ctx) => {
      await ctx.once("charge", () => "a long receipt", { keep: "message" });
      await settle();
      return n;
    });
    const wait = payloadNode("wait", async (n: number) => {
      await held.passed;
      return n;
    });
    const flow = create(pay.to(wait), { durability: durable({ checkpoints }), logger: logbook() }).run();
    const called = flow.call(1);
    await until(() => checkpoints.appended.some(({ counts }) => counts.has("pay")));
    const states = checkpoints.appended.flatMap(({ put }) => put).map(({ state }) => state);
    expect(states.some((state) => state.includes("a long receipt"))).toBe(true);
    expect(states.at(-1)).not.toContain("charge");
    held.open();
    expect(await called).toBe(1);
    await flow.stop();
  });

  test("is kept for no other time", async () => {
    const pay = paying(async (_, ctx) => await ctx.once("k", () => 1, { keep: "hour" as never }));
    const flow = running(create(pay.to(end)));
    expect(((await rejection(flow.call(1))) as FlowError).message).toContain(
      'Option "keep" must be one of "trace", "message": got "hour"',
    );
  });
});

describe("a side effect that failed", () => {
  const failing = (options: OnceOptions<string>) => {
    let calls = 0;
    const errors: unknown[] = [];
    const pay = paying(
      async (_, ctx) => {
        try {
          return await ctx.once<string>(
            "charge",
            () => {
              calls += 1;
              if (calls < 3) throw new Error(`refused ${calls}`);
              return "paid";
            },
            options,
          );
        } catch (error) {
          errors.push(codeOf(error) instanceof Error ? (error as Error).message : codeOf(error));
          throw error;
        }
      },
      { maxRetries: 3, backoffBaseMs: 0, retryIf: () => true },
    );
    return { pay, errors, calls: () => calls };
  };

  test("is not repeated: who asks again is told EFFECT_FAILED and why", async () => {
    const { pay, errors, calls } = failing({});
    const flow = running(create(pay.to(end)));
    const error = (await rejection(flow.call(1))) as FlowError;
    expect(error).toMatchObject({ code: "EFFECT_FAILED", node: "pay", details: { key: "charge" } });
    expect(error.message).toContain("refused 1");
    expect(errors).toEqual(["refused 1", "EFFECT_FAILED", "EFFECT_FAILED", "EFFECT_FAILED"]);
    expect(calls()).toBe(1);
  });

  test('is repeated with { ifFailed: "run" }', async () => {
    const { pay, errors } = failing({ ifFailed: "run" });
    const flow = running(create(pay.to(end)));
    expect(await flow.call(1)).toBe("paid");
    expect(errors).toEqual(["refused 1", "refused 2"]);
  });

  test("by its value, which is no data, is not repeated in a durable flow, and the path is named", async () => {
    let calls = 0;
    const pay = paying(
      async (_, ctx) =>
        await ctx.once("charge", () => {
          calls += 1;
          return { receipt: { print: () => 1 } };
        }),
      { maxRetries: 2, backoffBaseMs: 0, retryIf: () => true },
    );
    const flow = create(pay.to(end), {
      durability: durable({ checkpoints: new MemoryCheckpointStore() }),
      logger: logbook(),
    });
    flow.run();
    expect(await code(flow.call(1))).toBe("EFFECT_FAILED");
    const [failed] = await flow.recovery.unfinished();
    expect(failed?.error?.message).toContain("receipt.print");
    expect(calls).toBe(1);
    await flow.stop();
  });
});

describe("in a durable flow", () => {
  const payer = (checkpoints: CheckpointStore, run: () => unknown, options: OnceOptions<unknown> = {}, policy = {}) => {
    const pay = paying(async (_, ctx) => await ctx.once("charge", run, options), { backoffBaseMs: 0, ...policy });
    return create(pay.to(end), { durability: durable({ checkpoints }), logger: logbook(), graceMs: 1 }).run();
  };

  test("is not begun before it is stored that it begins", async () => {
    const checkpoints = new HeldCheckpoints();
    let calls = 0;
    const flow = payer(checkpoints, () => (calls += 1));
    await flow.ready();
    checkpoints.hold();
    const called = flow.call(1);
    await settle();
    expect([calls, checkpoints.waiting]).toEqual([0, 1]);
    checkpoints.release();
    expect(await within(4_000, called)).toBe(1);
    const [mark] = checkpoints.appended.flatMap(({ put }) => put).map(({ state }) => state);
    expect(mark).toContain('"effects":[["charge",{"status":"started"');
    await flow.stop();
  });

  test("is not begun when its attempt was over before that was stored; the next attempt begins it", async () => {
    const clock = new TestClock();
    const checkpoints = new HeldCheckpoints(new MemoryCheckpointStore({ clock }));
    let calls = 0;
    const pay = paying(async (_, ctx) => await ctx.once("charge", () => (calls += 1)), {
      maxRetries: 5,
      backoffBaseMs: 1,
      timeoutMs: 50,
    });
    const flow = create(pay.to(end), {
      durability: durable({ checkpoints }),
      logger: logbook(),
      clock,
      graceMs: 1,
    }).run();
    await passing(clock, flow.ready(), 1);
    checkpoints.hold();
    const called = flow.call(1);
    await clock.advance(120);
    expect(calls).toBe(0);
    checkpoints.release();
    expect(await passing(clock, called, 5)).toBe(1);
    await passing(clock, flow.stop(), 5);
  });

  test("is begun by another that waits for it, when who was to begin it was over", async () => {
    const clock = new TestClock();
    const checkpoints = new HeldCheckpoints(new MemoryCheckpointStore({ clock }));
    let calls = 0;
    const split = payloadNode("split", (n: number) => n);
    const asks = <Name extends string>(name: Name, policy: object) =>
      payloadNode({ name, policy }, async (_: number, ctx) => await ctx.once("charge", () => (calls += 1)));
    const hasty = asks("hasty", { timeoutMs: 50, maxRetries: 9, backoffBaseMs: 500, maxBackoffMs: 500, jitter: 0 });
    const patient = asks("patient", {});
    const both = joinK("both", 2, { input: shape<number>() });
    const flow = create(split.to(hasty, patient), hasty.to(both), patient.to(both), {
      durability: durable({ checkpoints, leaseMs: 60_000 }),
      logger: logbook(),
      clock,
      graceMs: 1,
    }).run();
    await passing(clock, flow.ready(), 1);
    checkpoints.hold();
    const called = flow.call(1);
    await clock.advance(100);
    checkpoints.release();
    expect(await passing(clock, called, 50)).toEqual([1, 1]);
    expect(calls).toBe(1);
    await passing(clock, flow.stop(), 5);
  });

  /** Runs until the effect is in progress, and cuts the process there. */
  async function cutWhileItRuns(options: OnceOptions<unknown>) {
    const memory = new MemoryCheckpointStore();
    const checkpoints = new CutCheckpoints(memory);
    const begun = gate();
    const flow = payer(
      checkpoints,
      () => {
        begun.open();
        return new Promise(() => {});
      },
      options,
    );
    await flow.emit(1, { traceId: "t" });
    await begun.passed;
    checkpoints.cut();
    await flow.stop();
    return memory;
  }

  test("is unknown after a crash while it ran, and the trace fails with EFFECT_UNKNOWN", async () => {
    const checkpoints = await cutWhileItRuns({});
    let calls = 0;
    const flow = payer(checkpoints, () => (calls += 1), {}, { maxRetries: 2 });
    expect(await code(flow.fetch({ traceId: "t" }))).toBe("EFFECT_UNKNOWN");
    expect(calls).toBe(0);
    // a retry without a look at the world: the effect is still unknown
    await flow.recovery.retryFailed("t");
    expect(await code(flow.fetch({ traceId: "t" }))).toBe("EFFECT_UNKNOWN");
    await flow.stop();
  });

  test('is run again with { ifUnknown: "run" }', async () => {
    const checkpoints = await cutWhileItRuns({});
    const flow = payer(checkpoints, () => "again", { ifUnknown: "run" });
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe("again");
    await flow.stop();
  });

  test("is what a function finds out, which is asked again when it could not; the effect never runs meanwhile", async () => {
    const checkpoints = await cutWhileItRuns({});
    let [calls, asked] = [0, 0];
    const find = () => {
      asked += 1;
      if (asked < 3) throw new Error("no network");
      return "found";
    };
    const flow = payer(checkpoints, () => (calls += 1), { ifUnknown: find, ifFailed: "run" }, { maxRetries: 5 });
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe("found");
    expect([calls, asked]).toEqual([0, 3]);
    await flow.stop();
  });

  test("that succeeded is not repeated when its failed trace is retried, in this process and in another", async () => {
    const checkpoints = new MemoryCheckpointStore();
    let [calls, isBroken] = [0, true];
    const make = () => {
      const pay = paying(async (_, ctx) => {
        const receipt = await ctx.once("charge", () => `receipt ${(calls += 1)}`);
        if (isBroken) throw new Error("down");
        return receipt;
      });
      return create(pay.to(end), { durability: durable({ checkpoints }), logger: logbook() }).run();
    };
    let flow = make();
    expect(await code(flow.call(1, { traceId: "t" }))).toBe("NODE_EXCEPTION");
    await flow.recovery.retryFailed("t");
    await rejection(flow.fetch({ traceId: "t" }));
    await flow.stop();
    isBroken = false;
    flow = make();
    await flow.recovery.retryFailed("t");
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe("receipt 1");
    await flow.stop();
  });

  test("that ended after its trace had failed is known when that is retried", async () => {
    const [begun, charged] = [gate(), gate<string>()];
    let [calls, isBroken] = [0, true];
    const pay = paying(async (_, ctx) => {
      const effect = ctx.once("charge", () => {
        calls += 1;
        begun.open();
        return charged.passed;
      });
      await begun.passed;
      if (isBroken) throw new Error("down");
      return await effect;
    });
    const checkpoints = new MemoryCheckpointStore();
    const flow = create(pay.to(end), { durability: durable({ checkpoints }), logger: logbook() }).run();
    expect(await code(flow.call(1, { traceId: "t" }))).toBe("NODE_EXCEPTION");
    charged.open("receipt");
    await settle();
    isBroken = false;
    await flow.recovery.retryFailed("t");
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe("receipt");
    expect(calls).toBe(1);
    await flow.stop();
  });

  test("that had not begun when its trace failed is begun when that is retried", async () => {
    let [calls, isBroken] = [0, true];
    const pay = paying(async (_, ctx) => {
      const effect = ctx.once("charge", () => (calls += 1));
      // nothing awaits it, and the process continues
      if (isBroken) throw new Error("down");
      return await effect;
    });
    const checkpoints = new MemoryCheckpointStore();
    const flow = create(pay.to(end), { durability: durable({ checkpoints }), logger: logbook() }).run();
    expect(await code(flow.call(1, { traceId: "t" }))).toBe("NODE_EXCEPTION");
    await settle();
    isBroken = false;
    expect(calls).toBe(0);
    await flow.recovery.retryFailed("t");
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toBe(1);
    await flow.stop();
  });
});

describe("ctx.once", () => {
  test("with a wrong key, function or option is refused and runs nothing", async () => {
    const errors: string[] = [];
    let calls = 0;
    const run = () => (calls += 1);
    const pay = paying(async (n, ctx) => {
      for (const wrong of [
        ["", run],
        [undefined, run],
        [7, run],
        ["k"],
        ["k", "run"],
        ["k", run, { ifFailed: "again" }],
        ["k", run, { ifUnknown: "again" }],
        ["k", run, { onFail: "run" }],
      ])
        errors.push(((await rejection(ctx.once(...(wrong as ["k", typeof run])))) as Error).constructor.name);
      return n;
    });
    const flow = running(create(pay.to(end)));
    await flow.call(1);
    expect(errors).toEqual(range(8).map(() => "TypeError"));
    expect(calls).toBe(0);
  });

  test("when the attempt is over is refused", async () => {
    const late = gate();
    let told: unknown;
    const pay = paying((n, ctx) => {
      void late.passed.then(async () => (told = await code(ctx.once("k", () => 1))));
      return n;
    });
    const flow = running(create(pay.to(end)));
    await flow.call(1);
    late.open();
    await settle();
    expect(told).toBe("ATTEMPT_OVER");
  });

  test("keeps nothing of a trace that is gone, and a cancelled trace waits for no effect", async () => {
    const charged = gate<number>();
    const pay = paying(async (_, ctx) => await ctx.once("charge", () => charged.passed));
    const flow = running(create(pay.to(end)));
    const outcome = flow.outcome(1, { traceId: "t" });
    expect(await isPending(outcome)).toBe(true);
    await flow.cancel("t");
    expect(await outcome).toMatchObject({ status: "cancelled" });
    charged.open(1);
    await settle();
    expectEmpty(flow);
  });
});
