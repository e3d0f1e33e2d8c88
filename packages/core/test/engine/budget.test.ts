import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Budget,
  BudgetExhausted,
  type Context,
  create,
  FlowErrorCode,
  joinK,
  LoopbackTransport,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  remoteNode,
  type Reservation,
  ROOKERY,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { addDecimals } from "../../src/foundation/decimals.ts";
import { BudgetAccount } from "../../src/engine/state/budget-account.ts";
import { range, running } from "../fixtures/quiet-flow.ts";
import { HeldCheckpoints } from "../durable/cut-checkpoint-store.ts";
import { logbook, recorder, rejection, within } from "../fixtures/watched-flow.ts";

/** Creates a flow of one node that does `act`. */
const doing = (act: (n: number, ctx: Context) => unknown, policy = {}) =>
  running(create(payloadNode({ name: "work", policy }, async (n: number, ctx) => await act(n, ctx)).to(end)));
const end = payloadNode("end", (value: unknown) => value);

describe("a reservation", () => {
  test("holds its amounts until it is settled with what was used; the rest returns", async () => {
    const flow = doing((_, { budget }) => {
      const seen = [budget.left];
      const reservation = budget.reserve({ toolCalls: 1, tokens: 400 });
      seen.push(budget.left);
      reservation.settle({ tokens: 120 });
      seen.push(budget.left, budget.spent);
      return seen;
    });
    expect(await flow.call(1, { budget: { toolCalls: 3, tokens: 1_000 } })).toEqual([
      { toolCalls: 3, tokens: 1_000 },
      { toolCalls: 2, tokens: 600 },
      { toolCalls: 2, tokens: 880 },
      { toolCalls: 1, tokens: 120 },
    ]);
  });

  test("returns everything when it is released, which may be repeated and follow a settlement", async () => {
    const flow = doing((_, { budget }) => {
      const first = budget.reserve({ toolCalls: 2 });
      first.release();
      first.release();
      const second = budget.reserve({ toolCalls: 2 });
      second.settle();
      second.release();
      return budget.left;
    });
    expect(await flow.call(1, { budget: { toolCalls: 2 } })).toEqual({ toolCalls: 0 });
  });

  test("is settled once", async () => {
    const flow = doing((_, { budget }) => {
      const reservation = budget.reserve({ toolCalls: 1 });
      reservation.settle();
      expect(() => reservation.settle()).toThrow(/Cannot settle a reservation: it is settled or released already/);
      return budget.spent;
    });
    expect(await flow.call(1)).toEqual({ toolCalls: 1 });
  });

  test("takes all of its names or none", async () => {
    const flow = doing((_, { budget }) => {
      const error = caught(() => budget.reserve({ toolCalls: 1, costUsd: 0.5 }));
      return [error, budget.left];
    });
    const [error, left] = (await flow.call(1, { budget: { toolCalls: 1, costUsd: 0.4 } })) as [unknown, Budget];
    expect(error).toBeInstanceOf(BudgetExhausted);
    expect(error).toMatchObject({
      code: FlowErrorCode.BUDGET_EXHAUSTED,
      budget: "costUsd",
      wanted: 0.5,
      left: 0.4,
      retryable: false,
      node: "work",
      details: { budget: "costUsd", wanted: 0.5, left: 0.4 },
    });
    expect(left).toEqual({ toolCalls: 1, costUsd: 0.4 });
  });

  test("settled with more than it reserved takes the excess from what is left", async () => {
    const flow = doing((_, { budget }) => {
      budget.reserve({ tokens: 10 }).settle({ tokens: 15, calls: 1 });
      return budget.spent;
    });
    expect(await flow.call(1, { budget: { tokens: 20 } })).toEqual({ tokens: 15, calls: 1 });
  });

  test("settled with a name that it has not reserved takes that from what is left, whatever the name", async () => {
    for (const name of ["tokens", "constructor", "__proto__"]) {
      const amounts = (amount: number): Budget => Object.fromEntries([[name, amount]]);
      const flow = doing((_, { budget }) => {
        const error = caught(() => budget.reserve({ calls: 1 }).settle(amounts(15)));
        return (error as BudgetExhausted).budget;
      });
      expect(await flow.outcome(1, { budget: amounts(10) })).toMatchObject({ results: [name], spent: amounts(10) });
    }
  });

  test("settled with more than there is spends all that is left, never more, and says so", async () => {
    const flow = doing((_, { budget }) => {
      const other = budget.reserve({ tokens: 8 });
      const error = caught(() => budget.reserve({ tokens: 10 }).settle({ tokens: 15 }));
      other.settle();
      return [error, budget.spent];
    });
    const [error, spent] = (await flow.call(1, { budget: { tokens: 20 } })) as [unknown, Budget];
    expect(error).toMatchObject({ budget: "tokens", wanted: 15, left: 12, code: FlowErrorCode.TOKEN_BUDGET_EXHAUSTED });
    expect(spent).toEqual({ tokens: 20 });
  });

  test("is exact when handlers reserve side by side", async () => {
    let [taken, refused, most] = [0, 0, 0];
    const split = node("split", async (message: Message<number>, ctx) => {
      for (const part of range(message.payload)) await ctx.emit(part);
    });
    const tool = payloadNode({ name: "tool", policy: { concurrency: 64 } }, async (_: number, { budget }) => {
      let reservation: Reservation;
      try {
        reservation = budget.reserve({ toolCalls: 1 });
      } catch {
        refused += 1;
        return false;
      }
      taken += 1;
      most = Math.max(most, taken);
      await settle();
      reservation.settle();
      return true;
    });
    const gather = joinK("gather", 50, { input: shape<boolean>() });
    const flow = running(create(split.to(tool), tool.to(gather)));
    const outcome = await flow.outcome(50, { budget: { toolCalls: 20 } });
    expect(outcome).toMatchObject({ status: "completed", spent: { toolCalls: 20 } });
    expect([taken, refused, most]).toEqual([20, 30, 20]);
  });
});

describe("a reservation that is not settled returns", () => {
  const spending = (n: number, { budget }: Context): void => {
    budget.reserve({ toolCalls: 5 });
    budget.spend({ tokens: n });
  };

  test("when its attempt fails, while what was spent stays spent", async () => {
    const flow = doing(
      (n, ctx) => {
        const { left } = ctx.budget;
        spending(n, ctx);
        if (ctx.attempt < 3) throw new Error("later");
        return left;
      },
      { maxRetries: 2, backoffBaseMs: 0 },
    );
    const outcome = await flow.outcome(10, { budget: { toolCalls: 5, tokens: 100 } });
    expect(outcome).toMatchObject({ results: [{ toolCalls: 5, tokens: 80 }], spent: { tokens: 30 } });
  });

  test("when its attempt times out, whose handler can no longer settle it", async () => {
    const clock = new TestClock();
    const late: unknown[] = [];
    const slow = payloadNode(
      { name: "slow", policy: { timeoutMs: 10, maxRetries: 1, backoffBaseMs: 0 } },
      async (_: number, { attempt, budget }) => {
        const reservation = budget.reserve({ toolCalls: 5 });
        if (attempt > 1) return budget.left;
        await new Promise<void>((resolve) => clock.setTimer(() => resolve(), 20));
        late.push(
          caught(() => reservation.settle()),
          caught(() => budget.spend({ toolCalls: 1 })),
        );
        return undefined;
      },
    );
    const flow = running(create(slow.to(end), { clock }), clock);
    const outcome = flow.outcome(1, { budget: { toolCalls: 5 } });
    await clock.advance(30);
    expect(await within(1_000, outcome)).toMatchObject({ results: [{ toolCalls: 0 }], spent: {} });
    expect(late).toMatchObject([{ code: FlowErrorCode.NODE_TIMEOUT }, { code: FlowErrorCode.NODE_TIMEOUT }]);
  });

  test("when its handler returns", async () => {
    const first = payloadNode("first", (n: number, ctx) => {
      spending(n, ctx);
      return n;
    });
    const second = payloadNode("second", (_: number, { budget }) => budget.left);
    const flow = running(create(first.to(second)));
    expect(await flow.call(10, { budget: { toolCalls: 5, tokens: 100 } })).toEqual({ toolCalls: 5, tokens: 90 });
  });

  test("when a playbook is given up by its parent", async () => {
    const clock = new TestClock();
    const hang = payloadNode("hang", async (n: number, ctx) => {
      spending(n, ctx);
      await ctx.sleep(1_000);
      return n;
    });
    const inner = create(hang.to(), { name: "inner" });
    const parent = payloadNode("parent", async (n: number, ctx) => {
      await ctx.callPlaybook(inner, n, { timeoutMs: 10 }).catch(() => {});
      return ctx.budget.left;
    });
    const flow = running(create(parent.to(), { clock }), clock);
    const left = flow.call(10, { budget: { toolCalls: 5, tokens: 100 } });
    await clock.advance(20);
    expect(await within(1_000, left)).toEqual({ toolCalls: 5, tokens: 90 });
  });

  test("when its message pauses", async () => {
    const flow = doing(async (_, ctx) => {
      const { left } = ctx.budget;
      ctx.budget.reserve({ toolCalls: 5 });
      await ctx.pause({ reason: "go on?" });
      return left;
    });
    const outcome = await flow.outcome(1, { budget: { toolCalls: 5 } });
    if (outcome.status !== "paused") throw new Error(outcome.status);
    const [pause] = outcome.pauses;
    expect(await flow.pauses.resume(pause?.token ?? "", true, { tenant: "default" })).toMatchObject({
      results: [{ toolCalls: 5 }],
    });
  });
});

describe("spend", () => {
  test("takes all that is left when it records more, and says so", async () => {
    const flow = doing((_, { budget }) => {
      budget.spend({ tokens: 60 });
      const error = caught(() => budget.spend({ tokens: 60, calls: 1 }));
      return [error, budget.left, budget.spent];
    });
    const [error, left, spent] = (await flow.call(1, { budget: { tokens: 100 } })) as unknown[];
    expect(error).toMatchObject({ budget: "tokens", wanted: 60, left: 40 });
    expect([left, spent]).toEqual([{ tokens: 0 }, { tokens: 100, calls: 1 }]);
  });

  test("counts names without a limit, and traces without a budget", async () => {
    const flow = doing((n, { budget }) => {
      budget.spend({ tokens: n });
      budget.reserve({ tokens: 1 }).settle();
      return budget.left;
    });
    expect(await flow.outcome(7)).toMatchObject({ results: [{}], spent: { tokens: 8 } });
    expect((await doing((n) => n).outcome(7)).spent).toEqual({});
  });

  test("counts at most 100 names", async () => {
    const flow = doing((_, { budget }) => {
      for (const index of range(100)) budget.spend({ [`name ${index}`]: 1 });
      const before = budget.spent;
      expect(() => budget.spend({ "name 0": 1, "name 100": 1 })).toThrow(RangeError);
      expect(budget.spent).toEqual(before);
      budget.reserve({ "name 0": 1, "name 100": 1 });
    });
    expect(await rejection(flow.call(1))).toMatchObject({
      message: expect.stringContaining('Cannot count "name 100": the budget of a trace has at most 100') as string,
    });
  });
});

describe("a trace whose handler lets the error escape", () => {
  test("ends exhausted, and the outcome names the budget", async () => {
    const flow = doing((_, { budget }) => budget.reserve({ costUsd: 2 }));
    expect(await flow.outcome(1, { budget: { costUsd: 1 } })).toMatchObject({
      status: "exhausted",
      which: "costUsd",
      error: { code: FlowErrorCode.BUDGET_EXHAUSTED, node: "work", details: { budget: "costUsd", wanted: 2, left: 1 } },
      finalAnswer: { text: "Budget exhausted: costUsd" },
    });
    expect(await rejection(flow.call(1, { budget: { costUsd: 1 } }))).toBeInstanceOf(BudgetExhausted);
  });

  test("says what observers are told of every failure", async () => {
    const { events, middleware } = recorder();
    const work = payloadNode("work", (_: number, { budget }) => budget.spend({ toolCalls: 2 }));
    const flow = running(create(work.to(end), { middlewares: [middleware] }));
    await flow.outcome(1, { budget: { toolCalls: 1 } });
    await flow.flush();
    expect(events.map(({ type }) => type)).toEqual([
      "trace_start",
      "node_start",
      "node_error",
      "node_failed",
      "trace_end",
    ]);
    expect(events.at(-1)).toMatchObject({ status: "exhausted", error: { code: "BUDGET_EXHAUSTED" } });
  });

  test("is not retried, unless the policy says so", async () => {
    let calls = 0;
    const act = (_: number, { budget }: Context): void => {
      calls += 1;
      budget.spend({ toolCalls: 2 });
    };
    await doing(act, { maxRetries: 3, backoffBaseMs: 0 }).outcome(1, { budget: { toolCalls: 1 } });
    expect(calls).toBe(1);
    await doing(act, { maxRetries: 3, backoffBaseMs: 0, retryIf: () => true }).outcome(1, { budget: { toolCalls: 1 } });
    expect(calls).toBe(5);
  });

  test("goes on with the node's fallback, if it has one", async () => {
    const flow = doing((_, { budget }) => budget.reserve({ toolCalls: 1 }), { onFailed: () => "enough" });
    expect(await flow.call(1, { budget: { toolCalls: 0 } })).toBe("enough");
  });

  test("yields its final answer to fetch", async () => {
    const flow = doing((_, { budget }) => budget.reserve({ toolCalls: 1 }));
    const traceId = await flow.emit(1, { budget: { toolCalls: 0 } });
    expect(await flow.fetch({ traceId })).toMatchObject({ payload: { text: "Budget exhausted: toolCalls" } });
  });

  test("fails when the error is that of another trace", async () => {
    const other = doing((_, { budget }) => budget.reserve({ toolCalls: 1 }));
    const flow = doing(async () => await other.call(1, { budget: { toolCalls: 0 } }));
    expect(await flow.outcome(1)).toMatchObject({
      status: "failed",
      error: { code: FlowErrorCode.NODE_EXCEPTION, cause: { code: FlowErrorCode.BUDGET_EXHAUSTED } },
    });
  });

  test("ends with the deadline, which the outcome names as well", async () => {
    const flow = doing(() => 1);
    expect(await flow.outcome(1, { timeoutMs: 0 })).toMatchObject({ status: "exhausted", which: "deadline" });
  });
});

describe("playbooks", () => {
  const inner = create(
    payloadNode("inner", (n: number, { budget }) => {
      budget.reserve({ toolCalls: n }).settle();
      return budget.left;
    }).to(),
    { name: "playbook" },
  );
  const outer = create(payloadNode("outer", async (n: number, ctx) => await ctx.callPlaybook(inner, n)).to(), {
    name: "between",
  });

  test("spend their caller's budget, at any depth and side by side", async () => {
    const flow = doing(async (n, ctx) => {
      ctx.budget.spend({ toolCalls: 1 });
      await Promise.all([ctx.callPlaybook(outer, n), ctx.callPlaybook(inner, n), ctx.callPlaybook(inner, n)]);
      return ctx.budget.left;
    });
    expect(await flow.outcome(2, { budget: { toolCalls: 10 } })).toMatchObject({
      results: [{ toolCalls: 3 }],
      spent: { toolCalls: 7 },
    });
    expect((await flow.outcome(2)).spent).toEqual({ toolCalls: 7 });
  });

  test("that run out end their caller exhausted, unless it goes on without them", async () => {
    const flow = doing(async (n, ctx) => await ctx.callPlaybook(outer, n));
    expect(await flow.outcome(2, { budget: { toolCalls: 1 } })).toMatchObject({
      status: "exhausted",
      which: "toolCalls",
      error: { node: "inner" },
    });
    const careful = doing(async (n, ctx) => await ctx.callPlaybook(outer, n).catch((error: unknown) => error));
    expect(await careful.call(2, { budget: { toolCalls: 1 } })).toBeInstanceOf(BudgetExhausted);
  });
});

describe("a remote node", () => {
  const far = running(create(payloadNode("far", (_: unknown, { budget }) => budget.left).to(), { name: "far" }));
  const away = remoteNode("away", {
    transport: new LoopbackTransport({ look: far }),
    agentUrl: "agent",
    skill: "look",
  });

  test("gives the agent what is left of the budget", async () => {
    far.run();
    const before = node("before", (message: Message<number>, { budget }) => {
      budget.spend({ toolCalls: 2 });
      budget.reserve({ toolCalls: 1 });
      return message;
    });
    const flow = running(create(before.to(away)));
    expect(await flow.call(1, { budget: { toolCalls: 5, costUsd: 1 } })).toEqual({ toolCalls: 3, costUsd: 1 });
    expect(await flow.call(1)).toEqual({});
    await far.stop();
  });
});

describe("a controller draws its hops and tokens from the budgets of that name", () => {
  const decisions: { readonly [how: string]: (wm: WM) => WM } = {
    "as it returns": (wm) => wm.with({ tokensUsed: wm.tokensUsed + 30 }),
    "as it counts itself": (wm) => wm.with({ tokensUsed: wm.tokensUsed + 30, hops: wm.hops + 1 }),
  };
  const looping = (decide: (wm: WM) => WM, policy = {}) => {
    const runs: number[] = [];
    const controller = node({ name: "controller", allowCycle: true, policy }, (message: Message<WM>) => {
      runs.push(message.payload.hops);
      return decide(message.payload);
    });
    return { controller, runs };
  };
  const wm = new WM({ query: "q", budgetHops: null });

  test.each(Object.entries(decisions))("%s", async (_, decide) => {
    const { controller, runs } = looping(decide);
    const flow = running(create(controller.to(controller)));
    expect(await flow.outcome(wm, { budget: { hops: 3, tokens: 1_000 } })).toMatchObject({
      status: "exhausted",
      which: "hops",
      error: { code: FlowErrorCode.HOP_BUDGET_EXHAUSTED },
      finalAnswer: { text: "Hop budget exhausted" },
      spent: { hops: 3, tokens: 90 },
    });
    expect(runs).toEqual([0, 1, 2]);
    expect(await flow.outcome(wm, { budget: { tokens: 80 } })).toMatchObject({
      which: "tokens",
      error: { code: FlowErrorCode.TOKEN_BUDGET_EXHAUSTED },
      finalAnswer: { text: "Token budget exhausted" },
      spent: { tokens: 80 },
    });
    expect(runs).toHaveLength(6);
  });

  test("as it emits, also where the emits are held back", async () => {
    for (const policy of [{}, { maxRetries: 1, backoffBaseMs: 0 }]) {
      const runs: number[] = [];
      const controller = node(
        { name: "controller", allowCycle: true, policy },
        async (message: Message<WM>, ctx): Promise<WM | undefined> => {
          runs.push(message.payload.hops);
          await ctx.emit(message.payload);
          if (ctx.attempt === 1 && policy.maxRetries === 1) throw new Error("later");
          return undefined;
        },
      );
      const flow = running(create(controller.to(controller)));
      const outcome = await flow.outcome(wm, { budget: { hops: 3 } });
      expect(outcome).toMatchObject({ status: "exhausted", which: "hops", spent: { hops: 3 } });
      expect(new Set(runs)).toEqual(new Set([0, 1, 2]));
    }
  });

  test("as it emits without waiting, where there is room", async () => {
    const spent: Budget[] = [];
    const refused: unknown[] = [];
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
      if (message.payload.hops > 0) return ctx.emit(1, { to: ROOKERY });
      for (let times = 0; times < 3; times += 1)
        refused.push((caught(() => ctx.emitNowait(message.payload)) as { code?: unknown } | undefined)?.code);
      spent.push({ left: ctx.budget.left["hops"] ?? 0 });
      return undefined;
    });
    const flow = running(create(controller.to(controller), { queueMaxSize: 1 }));
    const outcome = await flow.outcome(wm, { budget: { hops: 5 } });
    const sent = refused.filter((code) => code === undefined).length;
    expect(refused).toContain(FlowErrorCode.QUEUE_FULL);
    expect(spent).toEqual([{ left: 5 - sent }]);
    expect(outcome.spent).toEqual({ hops: sent });
  });

  test("beside its working memory's own budgets, of which the smaller counts", async () => {
    const { controller } = looping((memory) => memory);
    const flow = running(create(controller.to(controller)));
    const own = new WM({ query: "q", budgetHops: 2 });
    expect(await flow.outcome(own, { budget: { hops: 5 } })).toMatchObject({ which: "hops", spent: { hops: 1 } });
    expect(await flow.outcome(wm, { budget: { hops: 5 } })).toMatchObject({ which: "hops", spent: { hops: 5 } });
  });

  test("not where a budget has neither of them", async () => {
    const { controller } = looping((memory) => memory);
    const flow = running(create(controller.to(controller)));
    const outcome = await flow.outcome(new WM({ query: "q", budgetHops: 2 }), { budget: { costUsd: 1 } });
    expect(outcome).toMatchObject({ which: "hops", spent: {} });
  });

  test("in its playbooks as well, whose loops end their caller", async () => {
    const { controller, runs } = looping((memory) => memory);
    const inner = create(controller.to(controller), { name: "inner" });
    const caller = payloadNode("caller", async (n: number, ctx) => {
      await Promise.all(range(n).map(async () => await ctx.callPlaybook(inner, wm)));
    });
    const flow = running(create(caller.to(end)));
    expect(await flow.outcome(2, { budget: { hops: 6 } })).toMatchObject({
      status: "exhausted",
      which: "hops",
      spent: { hops: 6 },
    });
    // a controller runs once at least
    expect(runs).toHaveLength(7);
  });
});

describe("in a durable flow, the budget", () => {
  const broken = payloadNode("broken", (n: number, { budget }) => {
    budget.spend({ calls: n });
    budget.reserve({ calls: 1 });
    throw new Error("broken");
  });

  test("of a failed trace is as it was when the trace is retried, in this process and the next", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = () => create(broken.to(end), { durability: durable({ checkpoints }), logger: logbook() }).run();
    const first = make();
    await rejection(first.call(2, { traceId: "t", budget: { calls: 6 } }));
    await first.recovery.retryFailed("t");
    expect((await first.recovery.unfinished())[0]?.status).toBe("failed");
    await first.stop();
    const second = make();
    await second.recovery.retryFailed("t");
    await settle();
    expect((await second.recovery.unfinished()).map(({ status }) => status)).toEqual([]);
    await second.stop();
  });

  test("is stored without what is reserved, under the names it was given", async () => {
    const checkpoints = new HeldCheckpoints();
    const work = payloadNode("work", async (n: number, { budget }) => {
      budget.reserve({ calls: 3 });
      budget.spend({ ["__proto__"]: 0.1, calls: 1 });
      await settle();
      return n;
    });
    const flow = create(work.to(end), { durability: durable({ checkpoints }), logger: logbook() }).run();
    await flow.call(1, { budget: { calls: 5 } });
    const states = checkpoints.appended.flatMap(({ put }) => put).map(({ state }) => state);
    expect(states.at(-1)).toContain('"budget":{"limits":{"calls":5},"spent":{"calls":1,"__proto__":0.1}}');
    await flow.stop();
  });
});

describe("wrong use is refused:", () => {
  const flow = doing((_, ctx) => ctx);

  test.each<[string, unknown, RegExp]>([
    ["no object", 3, /Option "budget" must be an object of amounts by name: got 3/],
    ["a Map", new Map([["a", 1]]), /Option "budget" must be an object of amounts by name: got/],
    ["a list", [3], /Option "budget" must be an object of amounts by name: got an array/],
    ["a negative amount", { calls: -1 }, /Option "budget.calls" must be a number of 0 or more: got -1/],
    ["an infinite amount", { calls: Infinity }, /Option "budget.calls" must be a number of 0 or more: got Infinity/],
    ["a text", { calls: "3" }, /Option "budget.calls" must be a number of 0 or more: got "3"/],
    ["too many names", Object.fromEntries(range(101).map((n) => [`n${n}`, 1])), /at most 100 names: got 101/],
  ])("%s as budget", async (_, budget, message) => {
    flow.run();
    expect(await rejection(flow.call(1, { budget: budget as Budget }))).toMatchObject({
      message: expect.stringMatching(message) as string,
    });
    await flow.stop();
  });

  test("amounts that are none, and a budget whose attempt is over", async () => {
    let kept: Context | undefined;
    const own = doing((_, ctx) => {
      kept = ctx;
      expect(() => ctx.budget.reserve({ calls: Number.NaN })).toThrow(RangeError);
      expect(() => ctx.budget.spend(3 as never)).toThrow(TypeError);
      expect(() => ctx.budget.reserve({ calls: 1 }).settle({ calls: -1 })).toThrow(RangeError);
      return 1;
    });
    await own.call(1);
    expect(caught(() => kept?.budget.spend({ calls: 1 }))).toMatchObject({ code: FlowErrorCode.ATTEMPT_OVER });
    expect(caught(() => kept?.budget.reserve({ calls: 1 }))).toMatchObject({ code: FlowErrorCode.ATTEMPT_OVER });
  });
});

describe("amounts", () => {
  const decimal = fc
    .tuple(fc.integer({ min: 0, max: 10_000 }), fc.constantFrom(0, 1, 2, 4))
    .map(([digits, places]) => Number((digits / 10 ** places).toFixed(places)));

  test("add up as decimals: a budget is spent to its last tenth, in any parts", () => {
    fc.assert(
      fc.property(fc.array(decimal, { minLength: 1, maxLength: 50 }), (parts) => {
        const tenThousandths = parts.reduce((sum, part) => sum + Math.round(part * 10_000), 0);
        const limit = Number((tenThousandths / 10_000).toFixed(4));
        const account = new BudgetAccount({ costUsd: limit });
        for (const part of parts) {
          expect(account.shortage({ costUsd: part })).toBeUndefined();
          account.reserve({ costUsd: part }).end();
          account.spend({ costUsd: part });
        }
        expect(account.left).toEqual({ costUsd: 0 });
        expect(account.spent["costUsd"] ?? 0).toBe(limit);
        expect(account.shortage({ costUsd: 0.0001 })).toBeDefined();
      }),
    );
  });

  test("of any kind never exceed the limit, whatever is left can be reserved, and reservations leave nothing", () => {
    const amount = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(amount, fc.array(amount, { maxLength: 30 }), (limit, parts) => {
        const account = new BudgetAccount({ a: limit });
        const claims = parts.flatMap((part) =>
          account.shortage({ a: part }) === undefined ? [account.reserve({ a: part })] : [],
        );
        expect(account.left["a"]).toBeGreaterThanOrEqual(0);
        expect(account.shortage({ a: account.left["a"] ?? 0 })).toBeUndefined();
        for (const claim of claims) {
          claim.end();
          const reserved = claim.amounts["a"] ?? 0;
          expect(Math.abs((account.spend(claim.amounts)["a"] ?? 0) - reserved)).toBeLessThan(1e-6);
        }
        account.spend({ a: limit });
        account.spend({ a: 1 });
        expect(account.spent["a"] ?? 0).toBeLessThanOrEqual(account.limits["a"] ?? 0);
        expect(account.limits["a"]).toBeCloseTo(limit, 9);
      }),
    );
  });

  test.each([
    [0.1, 0.2, 0.3],
    [1_000.1, -1_000, 0.1],
    [1, -0.9, 0.1],
    [2 ** 53 - 1, -1, 2 ** 53 - 2],
    [0, 0, 0],
    [1e-320, 1e-320, 2e-320],
    [1e300, 1, 1e300],
  ])("%d + %d = %d", (a, b, sum) => {
    expect(addDecimals(a, b)).toBe(sum);
  });
});

function caught(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}
