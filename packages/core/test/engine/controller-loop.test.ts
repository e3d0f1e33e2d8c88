import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { create, FinalAnswer, FlowErrorCode, type Message, node, payloadNode, WM } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { range, running } from "../fixtures/quiet-flow.ts";
import { recorder, rejection, within } from "../fixtures/watched-flow.ts";

/** Creates a controller that continues until `decide` returns something other than a WM. */
function loop(decide: (wm: WM, run: number) => WM | FinalAnswer, isAsync = true) {
  const runs: WM[] = [];
  const handler = (message: Message<WM>): WM | FinalAnswer => {
    runs.push(message.payload);
    return decide(message.payload, runs.length);
  };
  const controller = node({ name: "controller", allowCycle: true }, (message: Message<WM>) =>
    isAsync ? Promise.resolve().then(() => handler(message)) : handler(message),
  );
  return { controller, runs };
}

const done = new FinalAnswer({ text: "done", citations: ["a.md:1"] });

describe.each([
  ["asynchronous", true],
  ["synchronous", false],
])("a loop with an %s controller", (_, isAsync) => {
  test("runs once per hop until the controller returns a FinalAnswer, which is the one result", async () => {
    const { controller, runs } = loop(
      (wm, run) => (run === 5 ? done : wm.with({ facts: [...wm.facts, run] })),
      isAsync,
    );
    const flow = running(create(controller.to(controller)));
    const outcome = await flow.outcome(new WM({ query: "q" }));
    expect(outcome).toMatchObject({ status: "completed", results: [done] });
    expect(runs.map(({ hops }) => hops)).toEqual([0, 1, 2, 3, 4]);
    expect(runs.at(-1)?.facts).toEqual([1, 2, 3, 4]);
    await settle();
    expect(runs).toHaveLength(5);
  });

  test.each([0, 1, 2, 3, 8])("with budgetHops %i runs that often at most and ends exhausted", async (budgetHops) => {
    const { controller, runs } = loop((wm) => wm, isAsync);
    const flow = running(create(controller.to(controller)));
    const outcome = await flow.outcome(new WM({ query: "q", budgetHops }));
    expect(outcome).toMatchObject({
      status: "exhausted",
      results: [],
      error: { code: FlowErrorCode.HOP_BUDGET_EXHAUSTED },
      finalAnswer: { text: "Hop budget exhausted" },
    });
    expect(runs).toHaveLength(Math.max(1, budgetHops));
    await settle();
    expect(runs).toHaveLength(Math.max(1, budgetHops));
  });

  test("has 8 hops when nothing else is said", async () => {
    const { controller, runs } = loop((wm) => wm, isAsync);
    const flow = running(create(controller.to(controller)));
    await flow.outcome(new WM({ query: "q" }));
    expect(runs).toHaveLength(8);
  });

  test("counts on from the hops it was begun with, and takes the count of a controller that counts itself", async () => {
    const { controller, runs } = loop((wm) => wm.with({ hops: wm.hops + 2 }), isAsync);
    const flow = running(create(controller.to(controller)));
    await flow.outcome(new WM({ query: "q", hops: 1, budgetHops: 7 }));
    expect(runs.map(({ hops }) => hops)).toEqual([1, 3, 5]);
  });

  test("counts a hop also when the controller sets the count back", async () => {
    const { controller, runs } = loop((wm, run) => (run > 50 ? done : wm.with({ hops: 0 })), isAsync);
    const flow = running(create(controller.to(controller)));
    const outcome = await within(1_000, flow.outcome(new WM({ query: "q", budgetHops: 5 })));
    expect(outcome).toMatchObject({ status: "exhausted" });
    expect(runs).toHaveLength(5);
  });

  test("ends exhausted when the tokens are used up, and null means no budget", async () => {
    const { controller, runs } = loop((wm) => wm.with({ tokensUsed: wm.tokensUsed + 40 }), isAsync);
    const flow = running(create(controller.to(controller)));
    const outcome = await flow.outcome(new WM({ query: "q", budgetHops: null, budgetTokens: 100 }));
    expect(outcome).toMatchObject({
      status: "exhausted",
      error: { code: FlowErrorCode.TOKEN_BUDGET_EXHAUSTED },
      finalAnswer: { text: "Token budget exhausted" },
    });
    expect(runs.map(({ tokensUsed }) => tokensUsed)).toEqual([0, 40, 80]);
    runs.length = 0;
    const free = loop((wm, run) => (run === 3_000 ? done : wm), isAsync);
    const endless = running(create(free.controller.to(free.controller)));
    expect(await endless.outcome(new WM({ query: "q", budgetHops: null }))).toMatchObject({ status: "completed" });
    expect(free.runs).toHaveLength(3_000);
  });

  test("gives the same to a watched flow", async () => {
    const seen = recorder();
    const { controller, runs } = loop((wm, run) => (run === 3 ? done : wm), isAsync);
    const flow = running(create(controller.to(controller), { middlewares: [seen.middleware] }));
    expect(await flow.call(new WM({ query: "q", budgetHops: 3 }))).toBe(done);
    await flow.flush();
    expect(runs).toHaveLength(3);
    expect(seen.of("node_success")).toHaveLength(3);
    expect(seen.types().filter((type) => type === "trace_end")).toHaveLength(1);
  });
});

describe("a controller", () => {
  test("sends what is no WM to its other successors, and the WM to itself alone", async () => {
    const after: unknown[] = [];
    const { controller, runs } = loop((wm, run) => (run === 3 ? done : wm));
    const format = payloadNode("format", (answer: FinalAnswer) => {
      after.push(answer);
      return answer.text;
    });
    const flow = running(create(controller.to(controller, format)));
    expect(await flow.call(new WM({ query: "q" }))).toBe("done");
    expect(after).toEqual([done]);
    expect(runs).toHaveLength(3);
  });

  test("may hand its WM to another node by name, which does not count as a hop", async () => {
    const handed: number[] = [];
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
      await ctx.emit(message.payload, { to: "audit" });
      return message.payload.hops === 2 ? done : message.payload;
    });
    const audit = payloadNode("audit", (item: WM | FinalAnswer) =>
      item instanceof WM ? void handed.push(item.hops) : item,
    );
    const flow = running(create(controller.to(controller, audit as never)));
    expect(await flow.outcome(new WM({ query: "q", budgetHops: 3 }))).toMatchObject({ status: "completed" });
    expect(handed).toEqual([0, 1, 2]);
  });

  test("may be begun by another node of the graph that makes the WM", async () => {
    const { controller, runs } = loop((wm, run) => (run === 2 ? done : wm));
    const plan = payloadNode("plan", (query: string) => new WM({ query }));
    const flow = running(create(plan.to(controller), controller.to(controller)));
    expect(await flow.call("why?")).toBe(done);
    expect(runs.map(({ query, hops }) => [query, hops])).toEqual([
      ["why?", 0],
      ["why?", 1],
    ]);
  });

  test("that emits its WM instead of returning it is counted and stopped alike", async () => {
    let runs = 0;
    const controller = node(
      { name: "controller", allowCycle: true },
      async (message: Message<WM>, ctx): Promise<WM | undefined> => {
        runs += 1;
        await ctx.emit(message.payload);
        return undefined;
      },
    );
    const flow = running(create(controller.to(controller)));
    const outcome = await within(1_000, flow.outcome(new WM({ query: "q", budgetHops: 4 })));
    expect(outcome).toMatchObject({ status: "exhausted", error: { code: FlowErrorCode.HOP_BUDGET_EXHAUSTED } });
    expect(runs).toBe(4);
  });

  test("that emits its WM without waiting is counted and stopped alike", async () => {
    let runs = 0;
    const controller = node({ name: "controller", allowCycle: true }, (message: Message<WM>, ctx): WM | undefined => {
      runs += 1;
      ctx.emitNowait(message.payload);
      return undefined;
    });
    const flow = running(create(controller.to(controller)));
    expect(await within(1_000, flow.outcome(new WM({ query: "q", budgetHops: 4 })))).toMatchObject({
      status: "exhausted",
    });
    expect(runs).toBe(4);
  });

  test("that fails is retried with the WM of the same hop", async () => {
    const clock = new TestClock();
    const tries: string[] = [];
    const controller = node(
      { name: "controller", allowCycle: true, policy: { maxRetries: 1, backoffBaseMs: 5, jitter: 0 } },
      (message: Message<WM>, ctx): WM | FinalAnswer => {
        tries.push(`${message.payload.hops}.${ctx.attempt}`);
        if (ctx.attempt === 1) throw new Error("once");
        return message.payload.hops === 2 ? done : message.payload;
      },
    );
    const flow = running(create(controller.to(controller), { clock }), clock);
    const call = flow.call(new WM({ query: "q" }));
    await clock.advance(100);
    expect(await within(500, call)).toBe(done);
    expect(tries).toEqual(["0.1", "0.2", "1.1", "1.2", "2.1", "2.2"]);
  });

  test("whose deadline passes in the middle of the loop ends exhausted with that text", async () => {
    const clock = new TestClock();
    let runs = 0;
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
      runs += 1;
      await ctx.sleep(30);
      return message.payload;
    });
    const flow = running(create(controller.to(controller), { clock }), clock);
    await flow.emit(new WM({ query: "q", budgetHops: null }), { traceId: "t", timeoutMs: 100 });
    const fetched = flow.fetch({ traceId: "t" });
    await clock.advance(200);
    expect(((await within(500, fetched)) as Message).payload).toMatchObject({ text: "Deadline exceeded" });
    expect(runs).toBe(4);
  });

  test("that never ends can be cancelled, and keeps neither timers nor other traces from running", async () => {
    let runs = 0;
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>) => {
      runs += 1;
      return message.payload.query === "quick" ? done : message.payload;
    });
    const flow = running(create(controller.to(controller)));
    const endless = flow.outcome(new WM({ query: "endless", budgetHops: null }), { traceId: "endless" });
    expect(await within(1_000, flow.call(new WM({ query: "quick" })))).toBe(done);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(runs).toBeGreaterThan(100);
    expect(await within(1_000, flow.cancel("endless"))).toMatchObject({ found: true });
    expect(await endless).toMatchObject({ status: "cancelled" });
    const stopped = runs;
    await settle();
    expect(runs).toBe(stopped);
  });

  test("reports progress on the stream for as many hops as it likes, and only the answer is a result", async () => {
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
      await ctx.emitChunk({ text: `hop ${message.payload.hops}` });
      return message.payload.hops === 299 ? done : message.payload;
    });
    const flow = running(create(controller.to(controller), { streamWindow: 4 }));
    const texts: string[] = [];
    const results: unknown[] = [];
    for await (const item of flow.stream(new WM({ query: "q", budgetHops: null }))) {
      if (item.type === "result") results.push(item.result);
      else if (item.type === "chunk" && !item.chunk.done) texts.push(item.chunk.text);
    }
    expect(texts).toEqual(range(300).map((hop) => `hop ${hop}`));
    expect(results).toEqual([done]);
  });

  test("without reader of its stream runs for as many hops as it likes", async () => {
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
      await ctx.emitChunk({ text: `hop ${message.payload.hops}` });
      return message.payload.hops === 999 ? done : message.payload;
    });
    const flow = running(create(controller.to(controller), { streamWindow: 4, queueMaxSize: 1 }));
    await flow.emit(new WM({ query: "q", budgetHops: null }));
    expect(((await within(2_000, flow.fetch())) as Message).payload).toBe(done);
  });

  test("in the middle of a hop does not keep other traces from their loops, also with edges of capacity 1", async () => {
    const clock = new TestClock();
    const controller = node({ name: "controller", allowCycle: true }, async (message: Message<WM>, ctx) => {
      await ctx.sleep(message.payload.query === "slow" ? 10_000 : 10);
      return message.payload.hops === 2 ? done : message.payload;
    });
    const flow = running(create(controller.to(controller), { clock, queueMaxSize: 1 }), clock);
    const slow = flow.outcome(new WM({ query: "slow" }));
    const quick = range(5).map(() => flow.outcome(new WM({ query: "quick" })));
    await clock.advance(200);
    const outcomes = await within(500, Promise.all(quick), "the quick ones");
    expect(outcomes.map(({ status }) => status)).toEqual(quick.map(() => "completed"));
    await clock.advance(30_000);
    await slow;
  });
});

test("any number of loops side by side run exactly as often as their budgets allow", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ hops: fc.nat(4), budgetHops: fc.nat(9), stopAt: fc.integer({ min: 1, max: 12 }) }), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      async (loops, concurrency, queueMaxSize, isWatched) => {
        const runs = loops.map(() => 0);
        const controller = node(
          { name: "controller", allowCycle: true, policy: { concurrency } },
          async (message: Message<WM>) => {
            const index = Number(message.payload.query);
            runs[index] = (runs[index] ?? 0) + 1;
            return runs[index] === loops[index]?.stopAt ? done : message.payload;
          },
        );
        const flow = create(controller.to(controller), {
          queueMaxSize,
          middlewares: isWatched ? [() => {}] : [],
        });
        flow.run();
        const outcomes = await within(
          2_000,
          Promise.all(
            loops.map(({ hops, budgetHops }, index) =>
              flow.outcome(new WM({ query: String(index), hops, budgetHops })),
            ),
          ),
        );
        for (const [index, { hops, budgetHops, stopAt }] of loops.entries()) {
          const allowed = Math.max(1, budgetHops - hops);
          expect(runs[index]).toBe(Math.min(allowed, stopAt));
          expect(outcomes[index]?.status).toBe(stopAt <= allowed ? "completed" : "exhausted");
        }
        await flow.stop();
      },
    ),
    { numRuns: 40 },
  );
});

describe("the budget of a loop in a playbook", () => {
  const inner = () => {
    const { controller, runs } = loop((wm) => wm.with({ tokensUsed: wm.tokensUsed + 10 }));
    return { playbook: create(controller.to(controller)), runs };
  };

  test("is at most what its caller has left", async () => {
    const { playbook, runs } = inner();
    const codes: string[] = [];
    const controller = node(
      { name: "outer", allowCycle: true },
      async (message: Message<WM>, ctx): Promise<WM | FinalAnswer> => {
        if (message.payload.hops < 5) return message.payload;
        const error = (await rejection(ctx.callPlaybook(playbook, new WM({ query: "inner", budgetHops: 100 })))) as {
          code: string;
        };
        codes.push(error.code);
        return done;
      },
    );
    const flow = running(create(controller.to(controller)));
    expect(await flow.call(new WM({ query: "outer", budgetHops: 8 }))).toBe(done);
    expect(codes).toEqual([FlowErrorCode.HOP_BUDGET_EXHAUSTED]);
    expect(runs).toHaveLength(3);
  });

  test("is its own where that is smaller, and so are the tokens", async () => {
    const { playbook, runs } = inner();
    const codes: string[] = [];
    const start = node("start", async (message: Message<WM>, ctx) => {
      for (const own of [{ budgetHops: 2 }, { budgetHops: null, budgetTokens: 1_000 }]) {
        const error = (await rejection(ctx.callPlaybook(playbook, new WM({ query: "inner", ...own })))) as {
          code: string;
        };
        codes.push(`${error.code} after ${runs.length}`);
        runs.length = 0;
      }
      return message.payload.query;
    });
    const flow = running(create(start.to()));
    await flow.call(new WM({ query: "q", budgetHops: null, budgetTokens: 45, tokensUsed: 15 }));
    expect(codes).toEqual([
      `${FlowErrorCode.HOP_BUDGET_EXHAUSTED} after 2`,
      // 30 tokens are left
      `${FlowErrorCode.TOKEN_BUDGET_EXHAUSTED} after 3`,
    ]);
  });
});

test("an attempt that used up the budget and then failed has used up nothing: its emits were held back", async () => {
  const clock = new TestClock();
  const controller = node(
    { name: "controller", allowCycle: true, policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0 } },
    async (message: Message<WM>, ctx): Promise<FinalAnswer | WM | undefined> => {
      if (ctx.attempt === 2) return new FinalAnswer({ text: "at the second try" });
      await ctx.emit(message.payload);
      throw new Error("to be tried again");
    },
  );
  const flow = running(create(controller.to(controller), { clock }), clock);
  const answer = flow.call(new WM({ query: "q", budgetHops: 1 }));
  await clock.advance(50);
  expect(await answer).toMatchObject({ text: "at the second try" });

  const sure = node(
    { name: "sure", allowCycle: true, policy: { maxRetries: 1 } },
    async (message: Message<WM>, ctx): Promise<FinalAnswer | WM | undefined> => {
      await ctx.emit(message.payload);
      return undefined;
    },
  );
  const other = running(create(sure.to(sure), { clock }), clock);
  expect(await other.outcome(new WM({ query: "q", budgetHops: 1 }))).toMatchObject({ status: "exhausted" });
});
