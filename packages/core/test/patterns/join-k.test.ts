import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowOptions,
  joinK,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  predicateRouter,
  shape,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { z } from "zod";
import { leftovers, NOTHING, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

/** Emits each number after as many milliseconds as it says. */
const scatter = payloadNode("scatter", async (delays: readonly number[], ctx) => {
  for (const delay of delays) await ctx.emit(delay, { to: "delay" });
});
const delay = payloadNode(
  { name: "delay", policy: { ordering: "none", concurrency: 1000 } },
  async (ms: number, ctx) => {
    await ctx.sleep(ms);
    return ms;
  },
);

/** Emits `many` numbers from 0 on, one by one. */
const count = payloadNode("count", async (many: number, ctx) => {
  for (let number = 0; number < many; number += 1) await ctx.emit(number, { to: "join" });
});
const numbers = { input: shape<number>() } as const;

const counting = (join: ReturnType<typeof anyJoin>, options: FlowOptions = {}) =>
  tidy(create(count.to(join), options).run());
const anyJoin = (many: number, options: { readonly timeoutMs?: number; readonly whenShort?: "emit" | "fail" } = {}) =>
  joinK("join", many, { ...numbers, ...options } as { readonly input: typeof numbers.input });

describe("joinK gathers", () => {
  test("the payloads of a trace in order of arrival, not of sending", async () => {
    const clock = new TestClock();
    const flow = tidy(create(scatter.to(delay), delay.to(joinK("join", 3, numbers)), { clock }).run());
    const result = flow.call([30, 10, 20]);
    await clock.advance(30);
    expect(await result).toEqual([10, 20, 30]);
  });

  test("one message from each branch of a fan-out", async () => {
    const source = payloadNode("source", (value: number) => value);
    const [a, b, c] = [
      payloadNode("a", (value: number) => `a${value}`),
      payloadNode("b", (value: number) => `b${value}`),
      payloadNode("c", (value: number) => `c${value}`),
    ];
    const join = joinK("join", 3, { input: shape<string>() });
    const flow = tidy(create(source.to(a, b, c), a.to(join), b.to(join), c.to(join)).run());
    const [first, second, third] = await flow.call(1);
    expect([first, second, third].sort()).toEqual(["a1", "b1", "c1"]);
  });

  test("each trace apart, at any interleaving", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 4, maxLength: 4 }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.integer({ min: 1, max: 4 }),
        async (traces, queueMaxSize) => {
          const clock = new TestClock();
          const own = payloadNode("own", async (job: { id: number; delays: readonly number[] }, ctx) => {
            for (const [index, ms] of job.delays.entries()) await ctx.emit({ id: job.id, index, ms }, { to: "wait" });
          });
          interface Part {
            id: number;
            index: number;
            ms: number;
          }
          const wait = payloadNode({ name: "wait", policy: { ordering: "none" } }, async (part: Part, ctx) => {
            await ctx.sleep(part.ms);
            return part;
          });
          const join = joinK("join", 4, { input: shape<Part>() });
          const flow = create(own.to(wait), wait.to(join), { clock, queueMaxSize }).run();
          const calls = traces.map((delays, id) => flow.call({ id, delays }));
          await clock.advance(10_000);
          const groups = await within(2_000, Promise.all(calls));
          for (const [id, group] of groups.entries()) {
            expect(group.map((part) => part.id)).toEqual([id, id, id, id]);
            expect(new Set(group.map((part) => part.index))).toEqual(new Set([0, 1, 2, 3]));
          }
          expect(leftovers(flow.stats())).toEqual(NOTHING);
          await flow.stop();
        },
      ),
      { numRuns: 25 },
    );
  });

  test("apart for two callers who use the same trace id at once", async () => {
    const clock = new TestClock();
    const flow = tidy(create(scatter.to(delay), delay.to(joinK("join", 2, numbers)), { clock }).run());
    const both = Promise.all([flow.call([10, 30], { traceId: "same" }), flow.call([20, 40], { traceId: "same" })]);
    await clock.advance(40);
    expect(await both).toEqual([
      [10, 30],
      [20, 40],
    ]);
  });

  test("apart in two flows that use the same join", async () => {
    const clock = new TestClock();
    const join = joinK("join", 2, numbers);
    const build = () => tidy(create(scatter.to(delay), delay.to(join), { clock }).run());
    const [one, other] = [build(), build()];
    const both = Promise.all([one.call([1, 3], { traceId: "t" }), other.call([2, 4], { traceId: "t" })]);
    await clock.advance(10);
    expect(await both).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });

  test("several groups one after the other from one trace", async () => {
    const outcome = await counting(anyJoin(2)).outcome(6);
    expect(outcome).toMatchObject({
      status: "completed",
      results: [
        [0, 1],
        [2, 3],
        [4, 5],
      ],
    });
  });

  test("groups of one", async () => {
    expect(await counting(anyJoin(1)).outcome(3)).toMatchObject({ results: [[0], [1], [2]] });
  });

  test("as many as the first message of the group says", async () => {
    const parts = node("parts", async (message: Message<readonly number[]>, ctx) => {
      for (const part of message.payload)
        await ctx.emit(message.with({ payload: part, meta: { parts: message.payload.length } }));
    });
    const join = joinK("join", (first) => first.meta["parts"] as number, numbers);
    const flow = tidy(create(parts.to(join)).run());
    expect(await Promise.all([flow.call([1]), flow.call([1, 2, 3]), flow.call([1, 2])])).toEqual([
      [1],
      [1, 2, 3],
      [1, 2],
    ]);
  });

  test("messages that come from outside one by one", async () => {
    const flow = tidy(create(joinK("join", 3, numbers).to()).run());
    for (const payload of [1, 2, 3]) await flow.emit(payload, { traceId: "t" });
    const group = await within(2_000, flow.fetch({ traceId: "t" }));
    expect((group as Message).payload).toEqual([1, 2, 3]);
  });

  test("more messages than its edges hold, without stopping its sender", async () => {
    const flow = counting(anyJoin(100), { queueMaxSize: 1 });
    expect(await within(2_000, flow.call(100))).toHaveLength(100);
  });

  test("a hundred traces at once in one slot, since what waits holds none", async () => {
    const clock = new TestClock();
    const join = joinK("join", 2, { ...numbers, policy: { concurrency: 1 } });
    const flow = tidy(create(scatter.to(delay), delay.to(join), { clock, queueMaxSize: 1 }).run());
    const calls = Array.from({ length: 100 }, (_, index) => flow.call([1, 1_000 - index]));
    await clock.advance(2_000);
    expect(await within(2_000, Promise.all(calls))).toHaveLength(100);
  });

  test("and merges metas, later arrivals winning", async () => {
    const tag = node("tag", async (message: Message<number>, ctx) => {
      for (const at of [1, 2])
        await ctx.emit(message.with({ payload: at, meta: { ...message.meta, [`own${at}`]: at, last: at } }));
    });
    const flow = tidy(create(tag.to(joinK("join", 2, numbers))).run());
    const outcome = await flow.outcome(0, { meta: { kept: true } });
    expect(outcome.messages[0]?.meta).toEqual({ kept: true, own1: 1, own2: 2, last: 2 });
  });

  test("payloads as its schema makes them", async () => {
    const words = payloadNode("words", async (list: readonly string[], ctx) => {
      for (const word of list) await ctx.emit(word, { to: "join" });
    });
    const join = joinK("join", 2, { input: z.string().trim() });
    const flow = tidy(create(words.to(join)).run());
    expect(await flow.call([" a ", "b "])).toEqual(["a", "b"]);
  });

  test("and hands the whole group to its successor again when that retries", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0 } },
      (group: number[], ctx) => {
        seen.push(group);
        if (ctx.attempt === 1) throw new Error("busy");
        return group.length;
      },
    );
    const join = anyJoin(3);
    const flow = tidy(create(count.to(join), join.to(flaky), { clock }).run());
    const result = flow.call(3);
    await clock.advance(10);
    expect(await result).toBe(3);
    expect(seen).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });
});

describe("a join that stays short", () => {
  test("fails the trace with JOIN_TIMEOUT, counted from the group's first message", async () => {
    const clock = new TestClock();
    const join = anyJoin(3, { timeoutMs: 100 });
    const flow = tidy(create(scatter.to(delay), delay.to(join), { clock }).run());
    let settled = false;
    const outcome = flow.outcome([50, 60, 500], { traceId: "t", tenant: "acme" }).finally(() => (settled = true));
    await clock.advance(149);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(settled).toBe(true);
    const ended = await outcome;
    if (ended.status !== "failed") throw new Error(ended.status);
    expect(ended.error).toMatchObject({ code: "JOIN_TIMEOUT", node: "join", traceId: "t", tenant: "acme" });
    expect(ended.error.message).toContain("2 of 3");
    expect((ended.error.failedMessage as Message).payload).toBe(50);
    await clock.advance(1_000);
  });

  test("sends what it has at the timeout with whenShort: emit", async () => {
    const clock = new TestClock();
    const join = anyJoin(3, { timeoutMs: 100, whenShort: "emit" });
    const flow = tidy(create(scatter.to(delay), delay.to(join), { clock }).run());
    const outcome = flow.outcome([50, 60, 500]);
    await clock.advance(150);
    await clock.advance(450);
    expect(await outcome).toMatchObject({ status: "completed", results: [[50, 60]] });
  });

  test("sends what it has as soon as no message can come any more with whenShort: emit", async () => {
    const clock = new TestClock();
    const flow = counting(anyJoin(5, { timeoutMs: 60_000, whenShort: "emit" }), { clock });
    expect(await within(2_000, flow.call(3))).toEqual([0, 1, 2]);
    expect(clock.now()).toBe(0);
  });

  test("ends the trace empty, naming join and counts, when no message can come any more", async () => {
    const outcome = await within(2_000, counting(anyJoin(5)).outcome(3));
    expect(outcome.status).toBe("empty");
    expect(outcome).toMatchObject({ reason: expect.stringMatching(/join.*3 of 5/) as string });
  });

  test("takes no time from the next group: each has its own", async () => {
    const clock = new TestClock();
    const join = anyJoin(2, { timeoutMs: 100 });
    const flow = tidy(create(scatter.to(delay), delay.to(join), { clock }).run());
    const outcome = flow.outcome([10, 90, 150, 240]);
    await clock.advance(300);
    expect(await outcome).toMatchObject({
      status: "completed",
      results: [
        [10, 90],
        [150, 240],
      ],
    });
  });

  test("says with an event what becomes of surplus messages of a completed trace", async () => {
    const { middleware, events } = recorder();
    const flow = counting(anyJoin(2), { middlewares: [middleware] });
    expect(await flow.outcome(3)).toMatchObject({ status: "completed", results: [[0, 1]] });
    await flow.flush();
    expect(events.filter((event) => event.type === "message_drop" && event.node === "join")).toHaveLength(1);
  });

  test("is released by cancel, which counts its messages, and leaves no timer", async () => {
    const clock = new TestClock();
    const { middleware, events } = recorder();
    const join = anyJoin(3, { timeoutMs: 1_000 });
    const flow = tidy(create(scatter.to(delay), delay.to(join), { clock, middlewares: [middleware] }).run());
    const outcome = flow.outcome([1, 2, 500], { traceId: "t" });
    await clock.advance(10);
    const report = await within(2_000, flow.cancel("t"));
    expect(report).toEqual({ found: true, dropped: 2, aborted: 1, zombies: 0 });
    expect((await outcome).status).toBe("cancelled");
    expect(leftovers(flow.stats())).toEqual(NOTHING);
    expect(clock.timers).toBe(0);
    await flow.flush();
    expect(events.filter((event) => event.type === "message_drop" && event.node === "join")).toHaveLength(2);
  });

  test("ends with the trace's deadline", async () => {
    const clock = new TestClock();
    const flow = tidy(create(scatter.to(delay), delay.to(anyJoin(2)), { clock }).run());
    const outcome = flow.outcome([1, 500], { timeoutMs: 100 });
    await clock.advance(100);
    expect(await outcome).toMatchObject({ status: "exhausted", error: { code: "DEADLINE_EXCEEDED" } });
    await clock.advance(1_000);
  });

  test("ends with the flow", async () => {
    const flow = counting(anyJoin(2));
    await flow.emit(1, { traceId: "t" });
    const fetched = rejection(flow.fetch({ traceId: "t" }));
    const report = await within(2_000, flow.stop());
    expect(report).toMatchObject({ cancelled: 1, abandoned: 0 });
    expect(await within(1_000, fetched)).toMatchObject({ code: "FLOW_STOPPED" });
  });

  test("does not delay other traces of the same join", async () => {
    const flow = counting(anyJoin(2));
    await flow.emit(1, { traceId: "open" });
    expect(await within(2_000, flow.call(2))).toEqual([0, 1]);
    await flow.cancel("open");
  });
});

describe("a join reports", () => {
  test("each message it waits with, and how many it wants", async () => {
    const { middleware, of } = recorder();
    const flow = counting(anyJoin(3), { middlewares: [middleware] });
    await flow.call(3);
    await flow.flush();
    expect(of("join_wait").map(({ node: name, have, want }) => [name, have, want])).toEqual([
      ["join", 1, 3],
      ["join", 2, 3],
      ["join", 3, 3],
    ]);
    expect(of("node_start").filter((event) => event.node === "join")).toHaveLength(1);
  });
});

describe("a join fails its trace", () => {
  test.each([
    ["is no whole number", () => 1.5],
    ["is below 0", () => -1],
    ["is NaN", () => Number.NaN],
    [
      "throws",
      (): number => {
        throw new Error("no idea");
      },
    ],
  ])("when its count function %s", async (_, want) => {
    const join = joinK("join", want, numbers);
    const flow = tidy(create(count.to(join)).run());
    const outcome = await within(2_000, flow.outcome(2));
    if (outcome.status !== "failed") throw new Error(outcome.status);
    expect(outcome.error).toMatchObject({ code: "NODE_EXCEPTION", node: "join" });
    expect(outcome.error.message).toContain("join");
  });

  test("naming the member that does not fit its schema", async () => {
    const source = payloadNode("source", async (list: readonly unknown[], ctx) => {
      for (const item of list) await ctx.emit(item, { to: "join" });
      return undefined as string | undefined;
    });
    const flow = tidy(create(source.to(joinK("join", 2, { input: z.string() }))).run());
    const error = await rejection(flow.call(["fine", 7]));
    expect(error).toBeInstanceOf(FlowError);
    expect(error).toMatchObject({ code: "INPUT_INVALID", node: "join", retryable: false });
    expect((error as FlowError).message).toMatch(/2/);
  });
});

describe("joinK refuses at construction", () => {
  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("a count of %s", (many) => {
    expect(() => joinK("join", many)).toThrow(RangeError);
    expect(() => joinK("join", many)).toThrow(/join.*whole number of 1 or more/i);
  });

  test.each([0, -5, Number.NaN])("a timeout of %s", (timeoutMs) => {
    expect(() => joinK("join", 2, { timeoutMs })).toThrow(/timeoutMs.*join/);
  });

  test("an option it does not know, naming it", () => {
    expect(() => joinK("join", 2, { timeout: 5 } as never)).toThrow(/timeout/);
  });

  test("a late that is neither drop nor group, naming the option", () => {
    const options = { timeoutMs: 5, whenShort: "emit", late: "wait" } as never;
    expect(() => joinK("join", 2, options)).toThrow(/late.*join "join"/);
  });

  test.each([{}, { timeoutMs: 5 }, { whenShort: "emit" }] as const)(
    "late without both a timeout and whenShort: emit, since nothing can be late: %j",
    (options) => {
      expect(() => joinK("join", 2, { ...options, late: "drop" } as never)).toThrow(/"late" of join "join".*timeoutMs/);
    },
  );

  test("a whenShort that is neither fail nor emit, naming the option", () => {
    expect(() => joinK("join", 2, { whenShort: "drop" } as never)).toThrow(/whenShort/);
  });
});

test("a message that a router sends to a join counts like any other", async () => {
  const router = predicateRouter("router", (message: Message<number>) => (message.payload < 2 ? "join" : null));
  const source = payloadNode("source", async (many: number, ctx) => {
    for (let number = 0; number < many; number += 1) await ctx.emit(number, { to: "router" });
    return undefined as number | undefined;
  });
  const flow = tidy(create(source.to(router), router.to(anyJoin(2))).run());
  expect(await flow.call(5)).toEqual([0, 1]);
});

describe("a fan-out over an empty list", () => {
  interface Part {
    readonly of: number;
    readonly text: string;
  }
  const split = node("split", async (message: Message<readonly string[]>, ctx) => {
    const of = message.payload.length;
    if (of === 0) await ctx.emit({ of, text: "" }, { to: "collect" });
    for (const text of message.payload) await ctx.emit({ of, text }, { to: "shout" });
  });
  const shout = payloadNode("shout", ({ of, text }: Part) => ({ of, text: text.toUpperCase() }));
  const collect = (options: { readonly timeoutMs?: number; readonly whenShort?: "emit" } = {}) =>
    joinK("collect", (message: Message<Part>) => message.payload.of, { input: shape<Part>(), ...options });
  const end = payloadNode("end", (parts: Part[]) => parts.map(({ text }) => text).join("+"));
  const flowOf = (options: FlowOptions = {}, join = collect()) =>
    tidy(create(split.to(shout, join), shout.to(join), join.to(end), options).run());

  test("ends with an empty group when its count is 0, once, with the envelope of the message that says so", async () => {
    const { middleware, events } = recorder();
    const flow = flowOf({ middlewares: [middleware] }, collect({ timeoutMs: 1_000 }));
    const outcome = await flow.outcome([], { tenant: "acme", traceId: "t1", meta: { order: 7 } });
    expect(outcome).toMatchObject({ status: "completed", results: [""] });
    expect(outcome.messages[0]).toMatchObject({ traceId: "t1", headers: { tenant: "acme" }, meta: { order: 7 } });
    await flow.flush();
    const waits = events.filter((event) => event.type === "join_wait");
    expect(waits).toMatchObject([{ node: "collect", have: 0, want: 0 }]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("is one like any other", async () => {
    const flow = flowOf();
    expect(await Promise.all([["a", "b"], [], ["c"]].map((list) => flow.call(list)))).toEqual(["A+B", "", "C"]);
  });

  test("has an empty array for a join whose schema checks its members", async () => {
    const Member = z.object({ of: z.int().min(1), text: z.string().min(1) });
    const join = joinK("collect", ({ payload }) => payload.of, { input: Member });
    const flow = tidy(create(split.to(shout, join), shout.to(join)).run());
    expect(await flow.call([])).toEqual([]);
  });

  test("is what it is in a durable flow, too", async () => {
    const join = collect();
    const durability = durable({ checkpoints: new MemoryCheckpointStore() });
    await using flow = create(split.to(shout, join), shout.to(join), join.to(end), {
      name: "lasting",
      durability,
    }).run();
    expect(await flow.call([])).toBe("");
  });

  test.each([-1, 0.5, Number.NaN])("but a count of %s fails the trace", async (many) => {
    const join = joinK("collect", () => many, { input: shape<number>() });
    const flow = tidy(create(join.to()).run());
    await expect(flow.call(1)).rejects.toThrow(`must be a whole number of 0 or more: got ${many}`);
  });
});
