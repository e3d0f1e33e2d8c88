import { describe, expect, test } from "vitest";
import { create, FlowErrorCode, joinK, type Message, payloadNode, shape } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { gate, isPending, range, running } from "../fixtures/quiet-flow.ts";
import { rejection, within } from "../fixtures/watched-flow.ts";

/** Creates a node that emits the numbers below `count`, one by one. */
const spread = (name = "spread") =>
  payloadNode(name, async (count: number, ctx): Promise<number | undefined> => {
    for (const index of range(count)) await ctx.emit(index);
    return undefined;
  });

describe("ctx.fetch", () => {
  test("takes further messages of the same trace in their order, so that one handler consumes several", async () => {
    const pair = payloadNode("pair", async (first: number, ctx) => [
      first,
      ((await ctx.fetch()) as Message<number>).payload,
    ]);
    const flow = running(create(spread().to(pair)));
    expect((await flow.outcome(6)).results).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
  });

  test("waits for a message that is still to come", async () => {
    const door = gate();
    const source = payloadNode("source", async (_: string, ctx) => {
      await ctx.emit("first");
      await door.passed;
      return "second";
    });
    const pair = payloadNode("pair", async (first: string, ctx) => [first, (await ctx.fetch()).payload]);
    const flow = running(create(source.to(pair)));
    const call = flow.call("go");
    expect(await isPending(call)).toBe(true);
    door.open();
    expect(await within(500, call)).toEqual(["first", "second"]);
  });

  test("is given the message it waits for also when the edge to it is full of other traces' messages", async () => {
    const [door, busy] = [gate(), gate()];
    const source = payloadNode("source", async (text: string, ctx): Promise<string | undefined> => {
      await ctx.emit(text);
      if (text !== "pair") return undefined;
      await door.passed;
      return "rest";
    });
    const sink = payloadNode({ name: "sink", policy: { concurrency: 1 } }, async (text: string, ctx) => {
      if (text === "pair") return `${text} ${(await ctx.fetch()).payload as string}`;
      await busy.passed;
      return text;
    });
    const flow = running(create(source.to(sink), { queueMaxSize: 1 }));
    const pair = flow.outcome("pair");
    await settle();
    const others = range(3).map(() => flow.outcome("other"));
    await settle();
    door.open();
    await settle();
    busy.open();
    expect(await within(500, pair, "the pair")).toMatchObject({ status: "completed", results: ["pair rest"] });
    await within(500, Promise.all(others));
  });

  test("never takes a message of another trace", async () => {
    const pair = payloadNode("pair", async (first: string, ctx) => [first, (await ctx.fetch()).payload]);
    const twice = payloadNode("twice", async (text: string, ctx) => {
      await ctx.emit(`${text}1`);
      return `${text}2`;
    });
    const flow = running(create(twice.to(pair)));
    const results = await Promise.all(range(50).map((index) => flow.call(`${index}-`)));
    expect(results).toEqual(range(50).map((index) => [`${index}-1`, `${index}-2`]));
  });

  test("is rejected with FETCH_STARVED when no message can come any more, and the handler may continue", async () => {
    const lone = payloadNode("lone", async (payload: number, ctx) => {
      const error = (await rejection(ctx.fetch())) as { code?: unknown };
      return [payload, error.code];
    });
    const flow = running(create(lone.to()));
    expect(await within(500, flow.call(1))).toEqual([1, FlowErrorCode.FETCH_STARVED]);
  });

  test("fails the trace with FETCH_STARVED when the handler does not catch it", async () => {
    const lone = payloadNode("lone", async (_: number, ctx) => (await ctx.fetch()).payload);
    const flow = running(create(spread().to(lone)));
    expect(await within(500, flow.outcome(3))).toMatchObject({
      status: "failed",
      error: { code: FlowErrorCode.FETCH_STARVED, node: "lone" },
    });
  });

  test("is starved when the only others of the trace wait for messages, too", async () => {
    const source = payloadNode("source", (payload: number) => payload);
    const wait = (name: "left" | "right") =>
      payloadNode(name, async (_: number, ctx) => ((await rejection(ctx.fetch())) as { code: string }).code);
    const flow = running(create(source.to(wait("left"), wait("right"))));
    expect((await within(500, flow.outcome(1))).results).toEqual([
      FlowErrorCode.FETCH_STARVED,
      FlowErrorCode.FETCH_STARVED,
    ]);
  });

  test("is starved when a join of the trace holds the rest forever", async () => {
    const source = payloadNode("source", (payload: number) => payload);
    const join = joinK("join", 2, { input: shape<number>() });
    const lone = payloadNode(
      "lone",
      async (_: number, ctx) => ((await rejection(ctx.fetch())) as { code: string }).code,
    );
    const flow = running(create(source.to(join, lone)));
    const outcome = await within(500, flow.outcome(1));
    expect(outcome.results).toEqual([FlowErrorCode.FETCH_STARVED]);
  });

  test("gives up with WAIT_TIMEOUT and WAIT_ABORTED, and loses no message by it", async () => {
    const clock = new TestClock();
    const door = gate();
    const source = payloadNode("source", async (_: string, ctx) => {
      await ctx.emit("first");
      await door.passed;
      return "second";
    });
    const pair = payloadNode("pair", async (_: string, ctx) => {
      const late = (await rejection(ctx.fetch({ timeoutMs: 10 }))) as { code: string };
      const controller = new AbortController();
      const aborted = rejection(ctx.fetch({ signal: controller.signal }));
      controller.abort(new Error("enough"));
      const given = (await aborted) as { code: string; cause?: { message?: string } };
      const gone = (await rejection(ctx.fetch({ signal: AbortSignal.abort() }))) as { code: string };
      door.open();
      return [late.code, given.code, given.cause?.message, gone.code, (await ctx.fetch()).payload];
    });
    const flow = running(create(source.to(pair), { clock }), clock);
    const call = flow.call("go");
    await clock.advance(11);
    expect(await within(500, call)).toEqual([
      FlowErrorCode.WAIT_TIMEOUT,
      FlowErrorCode.WAIT_ABORTED,
      "enough",
      FlowErrorCode.WAIT_ABORTED,
      "second",
    ]);
  });

  test("takes the same messages again when the attempt is retried", async () => {
    const clock = new TestClock();
    const taken: string[] = [];
    const three = payloadNode(
      { name: "three", policy: { maxRetries: 2, backoffBaseMs: 5, jitter: 0 } },
      async (first: number, ctx) => {
        const rest = [await ctx.fetch(), await ctx.fetch()].map((message) => message.payload as number);
        taken.push(`${ctx.attempt}: ${[first, ...rest].join(" ")}`);
        if (ctx.attempt < 3) throw new Error("again");
        return [first, ...rest];
      },
    );
    const flow = running(create(spread().to(three), { clock }), clock);
    const call = flow.call(3);
    await clock.advance(100);
    expect(await within(500, call)).toEqual([0, 1, 2]);
    expect(taken).toEqual(["1: 0 1 2", "2: 0 1 2", "3: 0 1 2"]);
  });

  test("takes messages again in the order they were taken when a retry took fewer than the attempt before", async () => {
    const clock = new TestClock();
    const taken: string[] = [];
    const three = payloadNode(
      { name: "three", policy: { maxRetries: 2, backoffBaseMs: 5, jitter: 0 } },
      async (first: number, ctx) => {
        const rest: unknown[] = [];
        for (let left = ctx.attempt === 2 ? 1 : 2; left > 0; left -= 1) rest.push((await ctx.fetch()).payload);
        taken.push([first, ...rest].join(" "));
        if (ctx.attempt < 3) throw new Error("again");
        return [first, ...rest];
      },
    );
    const flow = running(create(spread().to(three), { clock }), clock);
    const call = flow.call(3);
    await clock.advance(100);
    expect(await within(500, call)).toEqual([0, 1, 2]);
    expect(taken).toEqual(["0 1 2", "0 1", "0 1 2"]);
  });

  test("does not lose the messages a failed attempt took and its successful retry did not ask for", async () => {
    const clock = new TestClock();
    const handled: number[] = [];
    const eager = payloadNode(
      { name: "eager", policy: { maxRetries: 1, backoffBaseMs: 5, jitter: 0 } },
      async (payload: number, ctx) => {
        if (payload === 0 && ctx.attempt === 1) {
          await ctx.fetch();
          throw new Error("again");
        }
        handled.push(payload);
        return payload;
      },
    );
    const flow = running(create(spread().to(eager), { clock }), clock);
    const outcome = flow.outcome(3);
    await clock.advance(100);
    await within(500, outcome);
    expect(handled).toEqual([0, 1, 2]);
  });

  test("from one predecessor takes its messages also when those of another stand before them", async () => {
    const clock = new TestClock();
    const source = payloadNode("source", (payload: number) => payload);
    const x = payloadNode("x", async (payload: number, ctx) => {
      await ctx.sleep(20);
      return `x${payload}`;
    });
    const y = payloadNode("y", async (payload: number, ctx) => {
      await ctx.emit(`y${payload} first`);
      await ctx.sleep(10);
      return `y${payload} second`;
    });
    const sink = payloadNode("sink", async (payload: string, ctx) => {
      if (payload !== "y1 first") return payload;
      await ctx.sleep(100);
      return `${payload} + ${(await ctx.fetch({ from: "x" })).payload as string}`;
    });
    const flow = running(create(source.to(x, y), x.to(sink), y.to(sink), { clock }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(200);
    expect((await within(500, outcome)).results).toEqual(["y1 first + x1", "y1 second"]);
  });

  test("from one predecessor leaves the messages of the others alone", async () => {
    const clock = new TestClock();
    const source = payloadNode("source", (payload: number) => payload);
    const x = payloadNode("x", async (_: number, ctx) => {
      await ctx.sleep(30);
      return "x";
    });
    const y = payloadNode("y", async (_: number, ctx) => {
      await ctx.emit("y1");
      return "y2";
    });
    const sink = payloadNode("sink", async (payload: string, ctx) =>
      payload === "y1" ? `${payload}+${(await ctx.fetchAny({ from: [x] })).payload as string}` : payload,
    );
    const flow = running(create(source.to(x, y), x.to(sink), y.to(sink), { clock }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(100);
    expect((await within(500, outcome)).results).toEqual(["y1+x", "y2"]);
  });

  test("from a node that is no predecessor is refused, and so is a second fetch at the same time", async () => {
    const door = gate();
    const source = payloadNode("source", async (_: string, ctx) => {
      await ctx.emit("one");
      await door.passed;
      return "two";
    });
    const sink = payloadNode("sink", async (payload: string, ctx) => {
      const wrong = (await rejection(ctx.fetch({ from: "sink" }))) as Error;
      const first = ctx.fetch();
      const second = (await rejection(ctx.fetch())) as Error;
      door.open();
      return [payload, (await first).payload, wrong.name, second.name];
    });
    const flow = running(create(source.to(sink)));
    expect(await within(500, flow.call("go"))).toEqual(["one", "two", "TypeError", "TypeError"]);
  });

  test("that the handler gave up waiting for neither keeps a timer nor the trace", async () => {
    const clock = new TestClock();
    const impatient = payloadNode("impatient", async (payload: number, ctx) => {
      const late = ctx.sleep(5);
      return Promise.race([
        ctx.fetch({ timeoutMs: 60_000 }).then(
          () => "fetched",
          () => "gave up",
        ),
        late.then(() => `left ${payload}`),
      ]);
    });
    const door = gate();
    const source = payloadNode("source", async (payload: number, ctx): Promise<number | undefined> => {
      await ctx.emit(payload);
      await door.passed;
      return undefined;
    });
    const flow = running(create(source.to(impatient), { clock }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(10);
    door.open();
    expect(await within(500, outcome)).toMatchObject({ status: "completed", results: ["left 1"] });
    expect(flow.stats().timers).toBe(0);
  });

  test("that the handler left behind does not hide that a join of the trace is short", async () => {
    const clock = new TestClock();
    const impatient = payloadNode("impatient", async (payload: number, ctx) => {
      await Promise.race([ctx.fetch().catch(() => undefined), ctx.sleep(5)]);
      return payload;
    });
    const door = gate();
    const source = payloadNode("source", async (payload: number, ctx): Promise<number | undefined> => {
      await ctx.emit(payload);
      await door.passed;
      return undefined;
    });
    const join = joinK("join", 2, { input: shape<number>() });
    const flow = running(create(source.to(impatient), impatient.to(join), { clock }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(10);
    door.open();
    expect(await within(500, outcome)).toMatchObject({ status: "empty" });
  });
});

describe("the slot of a handler that waits for a message", () => {
  test("is lent to others, so that a node of concurrency 1 works on them", async () => {
    const door = gate();
    const source = payloadNode("source", async (text: string, ctx) => {
      await ctx.emit(text);
      if (text !== "slow") return undefined;
      await door.passed;
      return "rest";
    });
    const sink = payloadNode({ name: "sink", policy: { concurrency: 1 } }, async (text: string, ctx) =>
      text === "slow" ? `${text} ${(await ctx.fetch()).payload as string}` : text,
    );
    const flow = running(create(source.to(sink)));
    const slow = flow.call("slow");
    await settle();
    expect(flow.stats().nodes[1]).toMatchObject({ running: 0 });
    expect(await within(500, flow.call("quick"))).toBe("quick");
    door.open();
    expect(await within(500, slow)).toBe("slow rest");
  });

  test("is taken back before the handler continues: never do more handlers work than the concurrency allows", async () => {
    const clock = new TestClock();
    let [now, most] = [0, 0];
    const work = async (ctx: { sleep(ms: number): Promise<void> }) => {
      now += 1;
      most = Math.max(most, now);
      await ctx.sleep(20);
      now -= 1;
    };
    const source = payloadNode("source", async (text: string, ctx) => {
      await ctx.emit(text);
      await ctx.sleep(10);
      if (text.startsWith("fetch")) return "more";
      return undefined;
    });
    const sink = payloadNode({ name: "sink", policy: { concurrency: 1 } }, async (text: string, ctx) => {
      if (text.startsWith("fetch")) await ctx.fetch({ timeoutMs: 30 });
      if (text.startsWith("late")) await rejection(ctx.fetch({ timeoutMs: 5 }));
      await work(ctx);
      return text;
    });
    const flow = running(create(source.to(sink), { clock }), clock);
    const calls = ["fetch 1", "late 1", "plain 1", "late 2", "fetch 2", "plain 2"].map((text) => flow.call(text));
    await clock.advance(1_000);
    await within(500, Promise.all(calls));
    expect(most).toBe(1);
    expect(flow.stats().nodes[1]).toMatchObject({ running: 0 });
  });
});

describe("a wait that the handler does not await", () => {
  test("is released with the attempt: no timer outlives it", async () => {
    const clock = new TestClock();
    const hasty = payloadNode("hasty", (payload: number, ctx) => {
      ctx.sleep(60_000).catch(() => undefined);
      return payload;
    });
    const flow = running(create(hasty.to(), { clock }), clock);
    expect(await flow.call(1)).toBe(1);
    expect(flow.stats().timers).toBe(0);
  });

  test("on a playbook is released with the attempt: the loser of a race is aborted", async () => {
    const clock = new TestClock();
    const told: unknown[] = [];
    const slow = payloadNode("slow", async (payload: number, ctx) => {
      ctx.signal.addEventListener("abort", () => told.push((ctx.signal.reason as { code: string }).code));
      await ctx.sleep(60_000);
      return payload;
    });
    const fast = payloadNode("fast", async (payload: number, ctx) => {
      await ctx.sleep(5);
      return payload * 10;
    });
    const [slowBook, fastBook] = [create(slow.to()), create(fast.to())];
    const hedge = payloadNode("hedge", (payload: number, ctx) =>
      Promise.race([ctx.callPlaybook(slowBook, payload).catch(() => -1), ctx.callPlaybook(fastBook, payload)]),
    );
    const flow = running(create(hedge.to(), { clock }), clock);
    const call = flow.call(1);
    await clock.advance(10);
    expect(await within(500, call)).toBe(10);
    expect(told).toEqual([FlowErrorCode.TRACE_CANCELLED]);
  });
});
