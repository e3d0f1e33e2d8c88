import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { create, type Message, node, type PauseTicket, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, range, running } from "../fixtures/quiet-flow.ts";
import { within } from "../fixtures/watched-flow.ts";

interface Item {
  readonly trace: number;
  readonly index: number;
}

describe("messages of one trace", () => {
  test("are handled one after the other in the order they were emitted from outside, whatever the handler's pace", async () => {
    const clock = new TestClock();
    const log: string[] = [];
    const worker = payloadNode("worker", async (payload: number, ctx) => {
      log.push(`start ${payload}`);
      await ctx.sleep(10 - payload * 3);
      log.push(`end ${payload}`);
      return payload;
    });
    const flow = running(create(worker.to(), { clock }), clock);
    for (const payload of range(3)) await flow.emit(payload, { traceId: "t" });
    await clock.advance(100);
    expect(log).toEqual(["start 0", "end 0", "start 1", "end 1", "start 2", "end 2"]);
    for (const payload of range(3)) expect(await flow.fetch()).toMatchObject({ payload });
  });

  test("keep their order when the first is retried and the others wait behind it", async () => {
    const clock = new TestClock();
    const handled: string[] = [];
    const source = payloadNode("source", async (count: number, ctx) => {
      for (const index of range(count)) await ctx.emit(index);
    });
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 50, jitter: 0 } },
      async (payload: number, ctx) => {
        handled.push(`${payload}.${ctx.attempt}`);
        await ctx.sleep(1);
        if (payload === 0 && ctx.attempt === 1) throw new Error("once more");
        return payload;
      },
    );
    const flow = running(create(source.to(flaky), { clock }), clock);
    const outcome = flow.outcome(3);
    await clock.advance(20);
    // while the first waits for its retry, the others wait behind it
    expect(handled).toEqual(["0.1"]);
    await clock.advance(100);
    expect(handled).toEqual(["0.1", "0.2", "1.1", "2.1"]);
    expect(await within(500, outcome)).toMatchObject({ results: [0, 1, 2] });
  });

  test.each([0, 1])(
    "keep their order when one is retried in a loop, another of the trace is answered and %s of other traces come between",
    async (others) => {
      const clock = new TestClock();
      const handled: string[] = [];
      const free = gate();
      const source = payloadNode("source", async (wishes: readonly string[], ctx) => {
        for (const wish of wishes) await ctx.emit(wish);
      });
      const policy = { concurrency: 1, maxRetries: 1, backoffBaseMs: 50, jitter: 0 } as const;
      const loop = payloadNode({ name: "loop", policy }, async (wish: string, ctx): Promise<string | undefined> => {
        handled.push(`${wish} ${ctx.attempt}`);
        if (wish === "ask") await ctx.pause({ reason: "May it go?" });
        if (wish === "fail" && ctx.attempt === 1) throw new Error("once more");
        if (wish === "hold") await free.passed;
        return undefined;
      });
      const back = payloadNode("back", (wish: string) => wish);
      const flow = running(create(source.to(loop), loop.to(back), back.to(loop), { clock, allowCycles: true }), clock);
      const outcome = flow.outcome(["ask", "fail", "last"]);
      await settle();
      expect(handled).toEqual(["ask 1", "fail 1"]);
      const holding = [["hold"], ...range(others).map(() => ["other"])].map((wishes) => flow.outcome(wishes));
      await clock.advance(50);
      const [ticket] = await flow.pauses.list();
      const answered = flow.pauses.resume((ticket as PauseTicket).token, true);
      await settle();
      free.open();
      await within(500, Promise.all([outcome, answered, ...holding]));
      const own = handled.filter((call) => !/hold|other/.test(call));
      expect(own).toEqual(["ask 1", "fail 1", "ask 1", "fail 2", "last 1"]);
    },
  );

  test.each([0, 1])(
    "keep their order when the next arrives while one in a loop waits to be retried and %s of other traces come between",
    async (others) => {
      const clock = new TestClock();
      const handled: string[] = [];
      const free = gate();
      const source = payloadNode({ name: "source", policy: { ordering: "none" } }, async (wish: string, ctx) => {
        await ctx.emit(wish);
        if (wish !== "fail") return;
        await ctx.sleep(60);
        await ctx.emit("last");
      });
      const policy = { concurrency: 1, maxRetries: 1, backoffBaseMs: 50, jitter: 0 } as const;
      const loop = payloadNode({ name: "loop", policy }, async (wish: string, ctx): Promise<string | undefined> => {
        handled.push(`${wish} ${ctx.attempt}`);
        if (wish === "fail" && ctx.attempt === 1) throw new Error("once more");
        if (wish === "hold") await free.passed;
        return undefined;
      });
      const back = payloadNode("back", (wish: string) => wish);
      const flow = running(create(source.to(loop), loop.to(back), back.to(loop), { clock, allowCycles: true }), clock);
      const outcome = flow.outcome("fail");
      await settle();
      const holding = ["hold", ...range(others).map(() => "other")].map((wish) => flow.outcome(wish));
      await clock.advance(60);
      free.open();
      await within(500, Promise.all([outcome, ...holding]));
      const own = handled.filter((call) => !/hold|other/.test(call));
      expect(own).toEqual(["fail 1", "fail 2", "last 1"]);
    },
  );

  test("keep their order when the first times out and is retried", async () => {
    const clock = new TestClock();
    const handled: string[] = [];
    const source = payloadNode("source", async (count: number, ctx) => {
      for (const index of range(count)) await ctx.emit(index);
    });
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 50, jitter: 0, timeoutMs: 5 } },
      async (payload: number, ctx) => {
        handled.push(`${payload}.${ctx.attempt}`);
        if (payload === 0 && ctx.attempt === 1) await ctx.sleep(1_000);
        return payload;
      },
    );
    const flow = running(create(source.to(flaky), { clock }), clock);
    const outcome = flow.outcome(3);
    await clock.advance(100);
    expect(handled).toEqual(["0.1", "0.2", "1.1", "2.1"]);
    expect(await within(500, outcome)).toMatchObject({ results: [0, 1, 2] });
  });

  test("are handled side by side when the node asks for no order", async () => {
    const door = gate();
    let most = 0;
    let now = 0;
    const source = payloadNode("source", async (count: number, ctx) => {
      for (const index of range(count)) await ctx.emit(index);
    });
    const free = payloadNode({ name: "free", policy: { ordering: "none" } }, async (payload: number) => {
      now += 1;
      most = Math.max(most, now);
      await door.passed;
      now -= 1;
      return payload;
    });
    const flow = running(create(source.to(free)));
    const outcome = flow.outcome(10);
    await settle();
    expect(most).toBe(10);
    door.open();
    expect(await outcome).toMatchObject({ status: "completed" });
  });

  test("that are emitted and then returned arrive in that order", async () => {
    const both = payloadNode("both", async (payload: string, ctx) => {
      await ctx.emit(`${payload} emitted`);
      void ctx.emit(`${payload} not awaited`);
      ctx.emitNowait(`${payload} now`);
      return `${payload} returned`;
    });
    const flow = running(create(both.to()));
    const outcome = await flow.outcome("x");
    expect(outcome.results).toEqual(["x emitted", "x not awaited", "x now", "x returned"]);
  });
});

test("along every edge the messages of a trace arrive in the order they were sent, at any concurrency, capacity, pace and number of failures", async () => {
  const setting = fc.record({
    traces: fc.integer({ min: 1, max: 4 }),
    count: fc.integer({ min: 1, max: 8 }),
    queueMaxSize: fc.integer({ min: 1, max: 4 }),
    concurrencies: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
    pauses: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 12 }),
    failures: fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(7)), { maxLength: 4 }),
    isWatched: fc.boolean(),
    fromOutside: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      setting,
      async ({ traces, count, queueMaxSize, concurrencies, pauses, failures, isWatched, fromOutside }) => {
        const clock = new TestClock();
        const successes = new Map<string, number[]>();
        let calls = 0;
        const stages = concurrencies.map((concurrency, stage) =>
          payloadNode(
            { name: `s${stage}`, policy: { concurrency, maxRetries: 1, backoffBaseMs: 3, jitter: 0 } },
            async (item: Item, ctx) => {
              const pause = pauses[calls++ % pauses.length] ?? 0;
              if (pause > 0) await ctx.sleep(pause);
              const fails = failures.some(
                ([at, trace, index]) => at === stage && trace === item.trace && index === item.index,
              );
              if (fails && ctx.attempt === 1) throw new Error("once");
              const key = `${stage}/${item.trace}`;
              successes.set(key, [...(successes.get(key) ?? []), item.index]);
              return item;
            },
          ),
        );
        const source = payloadNode("source", async (items: readonly Item[], ctx): Promise<Item | undefined> => {
          for (const item of items) await ctx.emit(item);
          return undefined;
        });
        const chain = stages.map((stage, index) => {
          const next = stages[index + 1];
          return next === undefined ? stage.to() : stage.to(next);
        });
        const first = stages[0] as (typeof stages)[number];
        const options = { queueMaxSize, clock, middlewares: isWatched ? [() => {}] : [] };
        const items = range(traces).map((trace) => range(count).map((index) => ({ trace, index })));
        const arrived = range(traces).map((): number[] => []);
        if (fromOutside) {
          const flow = create(...chain, options);
          flow.run();
          for (const index of range(count))
            for (const trace of range(traces)) void flow.emit({ trace, index }, { traceId: String(trace) });
          const read = (async () => {
            for (let left = traces * count; left > 0; left -= 1) {
              const { payload } = (await flow.fetch()) as Message<Item>;
              arrived[payload.trace]?.push(payload.index);
            }
          })();
          for (let steps = 0; steps < 400 && flow.stats().traces > 0; steps += 1) await clock.advance(3);
          await within(500, read, "the results");
          expectEmpty(flow);
          await flow.stop();
        } else {
          const flow = create(source.to(first), ...chain, options);
          flow.run();
          const outcomes = Promise.all(items.map((list) => flow.outcome(list as never)));
          for (let steps = 0; steps < 400 && flow.stats().traces > 0; steps += 1) await clock.advance(3);
          for (const [trace, outcome] of (await within(500, outcomes, "the outcomes")).entries()) {
            arrived[trace]?.push(...(outcome.results as readonly Item[]).map((item) => item.index));
          }
          expectEmpty(flow);
          await flow.stop();
        }
        for (const indexes of arrived) expect(indexes).toEqual(range(count));
        for (const [key, indexes] of successes) expect([key, indexes]).toEqual([key, range(count)]);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

test("a broadcast goes out in the declared order of the edges, also when single successors are named in another order", async () => {
  const order: string[] = [];
  const see = (name: "x" | "y" | "z") => payloadNode({ name, policy: { concurrency: 1 } }, () => void order.push(name));
  const [x, y, z] = [see("x"), see("y"), see("z")];
  const split = node("split", async (message: Message<string>, ctx) => {
    if (message.payload === "all") return message.payload;
    await ctx.emit(message.payload, { to: ["z", "x"] });
    return undefined;
  });
  const flow = running(create(split.to(x as never, y as never, z as never)));
  await flow.outcome("all");
  expect(order.splice(0)).toEqual(["x", "y", "z"]);
  await flow.outcome("some");
  expect(order).toEqual(["x", "z"]);
});
