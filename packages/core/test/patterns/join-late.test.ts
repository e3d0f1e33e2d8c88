import { describe, expect, test } from "vitest";
import {
  create,
  type FlowError,
  type FlowNode,
  type FlowOptions,
  joinK,
  limiter,
  type Message,
  MemoryCheckpointStore,
  node,
  payloadNode,
  predicateRouter,
  ROOKERY,
  shape,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { leftovers, NOTHING, recorder, tidy } from "../fixtures/watched-flow.ts";

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
const source = payloadNode("source", (value: number) => value);
const fast = payloadNode("fast", (value: number) => `fast ${value}`);
const short = (late?: "drop" | "group") =>
  joinK("join", 2, {
    input: shape<string>(),
    timeoutMs: 80,
    whenShort: "emit",
    ...(late === undefined ? {} : { late }),
  });

/** Creates the flow `source → fast, … → join → after`, where `after` takes `afterMs`. */
function fanOut(
  slow: FlowNode<"slow", number, string>,
  clock: TestClock,
  options: FlowOptions = {},
  afterMs = 0,
  late?: "drop" | "group",
) {
  const groups: (readonly string[])[] = [];
  const after = payloadNode("after", async (group: readonly string[], ctx) => {
    groups.push(group);
    if (afterMs > 0) await ctx.sleep(afterMs);
    return group;
  });
  const join = short(late);
  const made = create(source.to(fast, slow), fast.to(join), slow.to(join), join.to(after), { clock, ...options });
  return { flow: tidy(made.run()), groups };
}

const lateBy = (ms: number) =>
  payloadNode("slow", async (value: number, ctx) => {
    await ctx.sleep(ms);
    return `slow ${value}`;
  });

describe("messages that reach a join after its short group was emitted at the timeout", () => {
  test.each([
    ["unobserved", {}],
    ["observed", { middlewares: [() => {}] }],
  ])("is not waited for: the call returns with the short group (%s)", async (_, options) => {
    const clock = new TestClock();
    const { flow, groups } = fanOut(lateBy(300), clock, options);
    let settledAt = -1;
    const result = flow.call(1).finally(() => (settledAt = clock.now()));
    for (let ms = 0; ms < 400; ms += 20) await clock.advance(20);
    expect(await result).toEqual(["fast 1"]);
    expect(settledAt).toBe(80);
    expect(groups).toEqual([["fast 1"]]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("is dropped with an event while the trace still works on the short group", async () => {
    const clock = new TestClock();
    const { middleware, of } = recorder();
    const { flow, groups } = fanOut(lateBy(300), clock, { middlewares: [middleware] }, 500);
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ status: "completed", results: [["fast 1"]], durationMs: 580 });
    expect(groups).toHaveLength(1);
    await flow.flush();
    expect(of("message_drop")).toMatchObject([{ node: "join", reason: 'join "join" went on without it' }]);
  });

  test("begins another group with late: group, and the trace waits for it", async () => {
    const clock = new TestClock();
    const { flow, groups } = fanOut(lateBy(300), clock, {}, 0, "group");
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ results: [["fast 1"], ["slow 1"]] });
    expect(groups).toHaveLength(2);
  });

  test("has its handler aborted, with the reason", async () => {
    const clock = new TestClock();
    let reason: FlowError | undefined;
    const slow = payloadNode("slow", (value: number, ctx) => {
      ctx.signal.addEventListener("abort", () => (reason = ctx.signal.reason as FlowError));
      return ctx.sleep(300).then(() => `slow ${value}`);
    });
    const { flow } = fanOut(slow, clock);
    const result = flow.call(1, { traceId: "t" });
    await clock.advance(80);
    await result;
    expect(reason).toMatchObject({ code: "JOIN_TIMEOUT", traceId: "t" });
  });

  test("has what its handler emits refused, not taken for sent", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const slow = payloadNode("slow", async (value: number, ctx) => {
      await Promise.allSettled([ctx.emit("one"), ctx.emit("two")]);
      await ctx.sleep(10).catch((error: unknown) => seen.push((error as FlowError).code));
      return `slow ${value}`;
    });
    const hold = payloadNode({ name: "hold", policy: { concurrency: 1 } }, async (value: string, ctx) => {
      await ctx.sleep(300);
      return value;
    });
    const join = short();
    const flow = tidy(
      create(source.to(fast, slow), slow.to(hold), fast.to(join), hold.to(join), { clock, queueMaxSize: 1 }).run(),
    );
    const result = flow.call(1);
    await clock.advance(80);
    expect(await result).toEqual(["fast 1"]);
    await settle();
    await clock.advance(500);
  });

  test("is not waited for in a backoff", async () => {
    const clock = new TestClock();
    const slow = payloadNode(
      { name: "slow", policy: { maxRetries: 5, backoffBaseMs: 300, jitter: 0 } },
      (value: number, ctx) => {
        if (ctx.attempt === 1) throw new Error("busy");
        return `slow ${value}`;
      },
    );
    const { flow } = fanOut(slow, clock);
    const outcome = flow.outcome(1);
    await clock.advance(80);
    expect(await outcome).toMatchObject({ status: "completed", results: [["fast 1"]], durationMs: 80 });
  });

  test("is not waited for in the line of a limiter", async () => {
    const clock = new TestClock();
    const shared = limiter({ concurrency: 1 });
    const holder = payloadNode({ name: "holder", policy: { limiter: shared } }, async (ms: number, ctx) => {
      await ctx.sleep(ms);
    });
    const slow = payloadNode({ name: "slow", policy: { limiter: shared } }, (value: number) => `slow ${value}`);
    const join = short();
    const flow = tidy(
      create(holder.to(), source.to(fast, slow), fast.to(join), slow.to(join), { clock, graceMs: 5 }).run(),
    );
    const holding = flow.outcome(500, { to: "holder" });
    await settle();
    const outcome = flow.outcome(1, { to: "source" });
    await clock.advance(500);
    expect(await outcome).toMatchObject({ status: "completed", results: [["fast 1"]], durationMs: 80 });
    expect((await holding).status).toBe("empty");
  });

  test("is not waited for in a pause: the trace completes", async () => {
    const clock = new TestClock();
    const slow = payloadNode("slow", async (value: number, ctx) => {
      await ctx.sleep(100);
      return `${await ctx.pause<string>({ reason: "ask" })} ${value}`;
    });
    const { flow } = fanOut(slow, clock, {}, 500);
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ status: "completed", results: [["fast 1"]], durationMs: 580 });
  });

  test.each([
    ["a number", 2],
    ["said by its first message", () => 2],
  ] as const)("belongs to no group, whatever the count is: %s", async (_, count) => {
    const clock = new TestClock();
    const counted = joinK("join", count, { input: shape<number>(), timeoutMs: 100, whenShort: "emit" });
    const flow = tidy(create(scatter.to(delay), delay.to(counted), { clock }).run());
    const outcome = flow.outcome([10, 20, 30, 500, 510]);
    await clock.advance(1_000);
    // the first group was full; the second timed out, and closed the join
    expect(await outcome).toMatchObject({ results: [[10, 20], [30]], durationMs: 130 });
  });

  test("does not keep the trace from what its other branches bring", async () => {
    const clock = new TestClock();
    const audit = payloadNode("audit", async (value: number, ctx) => {
      await ctx.sleep(200);
      return `audited ${value}`;
    });
    const join = short();
    const slow = lateBy(300);
    const flow = tidy(create(source.to(fast, slow, audit), fast.to(join), slow.to(join), { clock }).run());
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ results: [["fast 1"], "audited 1"], durationMs: 200 });
  });

  test("is waited for while it may still go elsewhere", async () => {
    const clock = new TestClock();
    const join = short();
    const choose = predicateRouter("choose", (_: Message<string>) => "other");
    const other = payloadNode("other", (value: string) => `other ${value}`);
    const slow = lateBy(300);
    const flow = tidy(
      create(source.to(fast, slow), fast.to(join), slow.to(choose), choose.to(join, other), { clock }).run(),
    );
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ results: [["fast 1"], "other slow 1"], durationMs: 300 });
  });

  test("is waited for while a result of its handler waits for the reader, and what it sends after that is recorded", async () => {
    const clock = new TestClock();
    const { middleware, of } = recorder();
    // a node with retries sends what its handler has emitted when that has returned
    const slow = payloadNode({ name: "slow", policy: { maxRetries: 1 } }, async (value: number, ctx) => {
      for (const own of ["one", "two"]) await ctx.emit(own, { to: ROOKERY });
      return `slow ${value}`;
    });
    const pair = joinK("pair", 2, { input: shape<string>(), whenShort: "emit" });
    const join = joinK("join", 2, { input: shape<string | readonly string[]>(), timeoutMs: 80, whenShort: "emit" });
    const drop = payloadNode("drop", () => undefined);
    const flow = tidy(
      create(source.to(fast, slow), fast.to(join), slow.to(pair), pair.to(join), join.to(drop), {
        clock,
        middlewares: [middleware],
        streamWindow: 1,
      }).run(),
    );
    const stream = flow.stream(1);
    await stream.accepted();
    await clock.advance(80);
    const results: unknown[] = [];
    for await (const item of stream) if (item.type === "result") results.push(item.result);
    expect(results).toEqual(["one", "two"]);
    await flow.flush();
    expect(of("node_success").map(({ node: name }) => name)).toEqual(["source", "fast", "join", "drop", "slow"]);
  });

  test("is waited for while it may still go round a cycle that does not lead to the join", async () => {
    const clock = new TestClock();
    const rounds: number[] = [];
    const join = short();
    const slow = payloadNode("slow", async (value: number, ctx) => {
      await ctx.sleep(300);
      await ctx.emit(value, { to: "there" });
      return undefined as number | undefined;
    });
    const there = payloadNode("there", (value: number) => value + 1);
    const back = payloadNode("back", (value: number) => {
      rounds.push(value);
      return value < 4 ? value : undefined;
    });
    const late = payloadNode("late", (value: number) => `late ${value}`);
    const flow = tidy(
      create(
        source.to(fast, slow),
        fast.to(join),
        slow.to(late, there),
        late.to(join),
        there.to(back),
        back.to(there),
        { clock, allowCycles: true },
      ).run(),
    );
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ results: [["fast 1"]], durationMs: 300 });
    expect(rounds).toEqual([2, 3, 4]);
  });

  test("may be a group itself: joins behind one another give up in turn", async () => {
    const clock = new TestClock();
    const inner = joinK("inner", 2, { input: shape<string>(), timeoutMs: 200, whenShort: "emit" });
    const outer = joinK("outer", 2, { input: shape<readonly string[] | string>(), timeoutMs: 80, whenShort: "emit" });
    const slow = lateBy(300);
    const other = payloadNode("other", (value: number) => `other ${value}`);
    const flow = tidy(
      create(source.to(fast, slow, other), fast.to(outer), slow.to(inner), other.to(inner), inner.to(outer), {
        clock,
      }).run(),
    );
    const outcome = flow.outcome(1);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ results: [["fast 1"]], durationMs: 80 });
  });

  test("ends the trace empty when the short group came to nothing", async () => {
    const clock = new TestClock();
    const join = short();
    const nothing = payloadNode("nothing", (): undefined => undefined);
    const slow = lateBy(300);
    const flow = tidy(create(source.to(fast, slow), fast.to(join), slow.to(join), join.to(nothing), { clock }).run());
    const outcome = flow.outcome(1);
    await clock.advance(80);
    expect(await outcome).toMatchObject({ status: "empty", lastNode: "nothing" });
  });

  test("are not those of the short group, though it goes round a cycle without an end", async () => {
    const clock = new TestClock();
    const rounds: number[] = [];
    const join = short();
    const pair = joinK("pair", 2, { input: shape<readonly string[]>() });
    const there = payloadNode("there", (groups: readonly unknown[]) => groups);
    const back = payloadNode("back", (groups: readonly unknown[]) => {
      rounds.push(groups.length);
      return groups.length < 3 ? [...groups, "again"] : undefined;
    });
    const slow = lateBy(300);
    const flow = tidy(
      create(
        source.to(fast, slow),
        fast.to(join),
        slow.to(join),
        join.to(pair, there),
        pair.to(there),
        there.to(back),
        back.to(there),
        { clock, allowCycles: true },
      ).run(),
    );
    const outcome = flow.outcome(1);
    await clock.advance(80);
    expect(rounds).toEqual([1, 2, 3]);
    await clock.advance(1_000);
    expect(await outcome).toMatchObject({ status: "empty", lastNode: "pair" });
  });

  test("does not belong to the next round of a cycle: that gets groups of its own", async () => {
    const clock = new TestClock();
    const { middleware, of } = recorder();
    interface Task {
      readonly round: number;
    }
    const begin = payloadNode("begin", (task: Task) => task);
    const fan = payloadNode("fan", (task: Task) => task);
    const quick = payloadNode("quick", ({ round }: Task) => ({ round, by: "quick" }));
    // late in the first round, in time in the second
    const slow = payloadNode({ name: "slow", policy: { ordering: "none" } }, async ({ round }: Task, ctx) => {
      await ctx.sleep(round === 1 ? 300 : 20);
      return { round, by: "slow" };
    });
    const join = joinK("join", 2, {
      input: shape<{ round: number; by: string }>(),
      timeoutMs: 80,
      whenShort: "emit",
    });
    const groups: string[] = [];
    const decide = node("decide", async (message: Message<readonly { round: number; by: string }[]>, ctx) => {
      groups.push(message.payload.map(({ round, by }) => `${by} ${round}`).join(", "));
      const round = (message.payload[0]?.round ?? 0) + 1;
      if (round > 2) await ctx.sleep(500);
      await ctx.emit(message.with({ payload: { round } }), { to: round > 2 ? "end" : "fan" });
      return undefined as Task | undefined;
    });
    const end = payloadNode("end", (task: Task) => task);
    const flow = tidy(
      create(begin.to(fan), fan.to(quick, slow), quick.to(join), slow.to(join), join.to(decide), decide.to(fan, end), {
        clock,
        allowCycles: true,
        middlewares: [middleware],
      }).run(),
    );
    const outcome = flow.outcome({ round: 1 });
    await clock.advance(2_000);
    expect(await outcome).toMatchObject({ status: "completed", results: [{ round: 3 }] });
    expect(groups).toEqual(["quick 1", "quick 2, slow 2"]);
    await flow.flush();
    expect(of("message_drop").map(({ node: name }) => name)).toEqual(["join"]);
  });

  test("is dropped when it is emitted from outside; when the trace has ended, another begins", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const after = payloadNode("after", async (group: readonly string[], ctx) => {
      seen.push(group);
      await ctx.sleep(100);
      return group;
    });
    const flow = tidy(create(short().to(after), { clock }).run());
    await flow.emit("a", { traceId: "t" });
    await clock.advance(80);
    await flow.emit("late", { traceId: "t" });
    await clock.advance(100);
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toEqual(["a"]);
    await flow.emit("b", { traceId: "t" });
    await flow.emit("c", { traceId: "t" });
    await clock.advance(100);
    expect(((await flow.fetch({ traceId: "t" })) as Message).payload).toEqual(["b", "c"]);
    expect(seen).toEqual([["a"], ["b", "c"]]);
  });

  test("stays late after a restart", async () => {
    const clock = new TestClock();
    const checkpoints = new MemoryCheckpointStore({ clock });
    const groups: unknown[] = [];
    const make = (isFirst: boolean) => {
      const slow = payloadNode("slow", async (value: number, ctx) => {
        await ctx.sleep(isFirst ? 10_000 : 50);
        return `slow ${value}`;
      });
      const after = payloadNode("after", async (group: readonly string[], ctx) => {
        groups.push(group);
        await ctx.sleep(isFirst ? 10_000 : 200);
        return group;
      });
      const join = short();
      return create(source.to(fast, slow), fast.to(join), slow.to(join), join.to(after), {
        clock,
        durability: durable({ checkpoints }),
        graceMs: 5,
      }).run();
    };
    const before = make(true);
    await clock.advance(0);
    await before.emit(1, { traceId: "t" });
    await clock.advance(100);
    expect(groups).toEqual([["fast 1"]]);
    const stopping = before.stop();
    await clock.advance(10);
    await stopping;
    await using after = make(false);
    await clock.advance(1_000);
    expect(((await after.fetch({ traceId: "t" })) as Message).payload).toEqual(["fast 1"]);
    // the handler started again with the same group; the late member created none
    expect(groups).toEqual([["fast 1"], ["fast 1"]]);
    expect(after.stats().traces).toBe(0);
  });
});
