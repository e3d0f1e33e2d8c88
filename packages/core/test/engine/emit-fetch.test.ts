import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { create, FlowError, type FlowOptions, joinK, type Message, node, payloadNode, shape } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { leftovers, NOTHING, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const same = payloadNode("same", (value: number) => value);
const codeOf = (error: unknown) => (error instanceof FlowError ? error.code : error);
const payloadOf = (item: unknown) => (item as Message<number>).payload;

/** Creates a node whose handlers wait until they are released, in FIFO order. */
function gate(name = "gate", concurrency = 64) {
  const waiting: { value: number; go: () => void }[] = [];
  return {
    node: payloadNode(
      { name, policy: { concurrency } },
      (value: number, ctx) =>
        new Promise<number>((resolve, reject) => {
          waiting.push({ value, go: () => resolve(value) });
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
        }),
    ),
    /** The numbers that have entered and have not been released. */
    get inside(): number[] {
      return waiting.map(({ value }) => value);
    },
    /** Releases one. */
    async next() {
      waiting.shift()?.go();
      await settle();
    },
    async open() {
      while (waiting.length > 0) await this.next();
    },
  };
}

describe("order", () => {
  test("messages of one trace leave a line of nodes as they entered it, however long each takes", async () => {
    const property = fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 20 })), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(1, 2, 64),
      fc.constantFrom(1, 3, 0),
      async (delays, concurrency, queueMaxSize) => {
        const clock = new TestClock();
        const stage = (name: string, which: 0 | 1) =>
          payloadNode({ name, policy: { concurrency } }, async (index: number, ctx) => {
            await ctx.sleep(delays[index]?.[which] ?? 0);
            return index;
          });
        const source = payloadNode("source", async (count: number, ctx) => {
          for (let index = 0; index < count; index += 1) await ctx.emit(index);
        });
        const flow = create(source.to(stage("first", 0)).to(stage("second", 1)), { clock, queueMaxSize }).run();
        const outcome = flow.outcome(delays.length);
        await clock.advance(1_000);
        expect((await within(1_000, outcome)).results).toEqual(delays.map((_, index) => index));
        expect(leftovers(flow.stats())).toEqual(NOTHING);
        await flow.stop();
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  test("a message that is retried is not overtaken by the next one of its trace", async () => {
    const clock = new TestClock();
    const done: number[] = [];
    const source = payloadNode("source", async (_: number, ctx) => {
      for (const value of [1, 2, 3]) await ctx.emit(value);
    });
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 2, backoffBaseMs: 50, jitter: 0 } },
      async (value: number, ctx) => {
        await ctx.sleep(1);
        if (value === 1 && ctx.attempt < 3) throw new Error("not yet");
        done.push(value);
        return value;
      },
    );
    const flow = tidy(create(source.to(flaky), { clock }).run());
    const outcome = flow.outcome(0);
    await clock.advance(500);
    expect((await within(1_000, outcome)).results).toEqual([1, 2, 3]);
    expect(done).toEqual([1, 2, 3]);
  });

  test("a message whose attempt timed out is not overtaken either", async () => {
    const clock = new TestClock();
    const source = payloadNode("source", async (_: number, ctx) => {
      for (const value of [1, 2, 3]) await ctx.emit(value);
    });
    const slow = payloadNode(
      { name: "slow", policy: { maxRetries: 1, timeoutMs: 20, backoffBaseMs: 50, jitter: 0 } },
      async (value: number, ctx) => {
        await ctx.sleep(value === 1 && ctx.attempt === 1 ? 1_000 : 1);
        return value;
      },
    );
    const flow = tidy(create(source.to(slow), { clock }).run());
    const outcome = flow.outcome(0);
    await clock.advance(500);
    expect((await within(1_000, outcome)).results).toEqual([1, 2, 3]);
  });

  test("with ordering none a fast message overtakes a slow one", async () => {
    const clock = new TestClock();
    const source = payloadNode("source", async (_: number, ctx) => {
      for (const value of [30, 10, 20]) await ctx.emit(value);
    });
    const free = payloadNode({ name: "free", policy: { ordering: "none" } }, async (value: number, ctx) => {
      await ctx.sleep(value);
      return value;
    });
    const flow = tidy(create(source.to(free), { clock }).run());
    const outcome = flow.outcome(0);
    await clock.advance(100);
    expect((await outcome).results).toEqual([10, 20, 30]);
  });

  test("a value goes to the successors in the order they were declared", async () => {
    const order: string[] = [];
    const leaf = (name: string) => payloadNode(name, (value: number) => void order.push(`${name}${value}`));
    const [x, y, z] = [leaf("x"), leaf("y"), leaf("z")] as const;
    const flow = tidy(create(same.to(z, x), same.to(y)).run());
    await flow.outcome(1);
    expect(order).toEqual(["z1", "x1", "y1"]);
  });

  test("what a node emits and what it then returns are both delivered, in that order", async () => {
    const both = payloadNode("both", async (value: number, ctx) => {
      await ctx.emit(value + 1);
      ctx.emitNowait(value + 2);
      void ctx.emit(value + 3);
      return value + 4;
    });
    const flow = tidy(create(both.to(same)).run());
    expect((await flow.outcome(0)).results).toEqual([1, 2, 3, 4]);
  });

  test("emit to one successor sends to that one, and ROOKERY is one of them", async () => {
    const pick = payloadNode("pick", async (value: number, ctx) => {
      expect(ctx.successors).toEqual(["left", "right"]);
      await ctx.emit(value, { to: "right" });
      await ctx.emit(value + 1, { to: "Rookery" });
      await ctx.emit(value + 2, { to: [right, "left"] });
    });
    const mark = (name: string) => payloadNode(name, (value: number) => `${name}${value}`);
    const [left, right] = [mark("left"), mark("right")] as const;
    const flow = tidy(create(pick.to(left, right)).run());
    expect(new Set((await flow.outcome(1)).results)).toEqual(new Set([2, "right1", "left3", "right3"]));
  });
});

describe("a value that goes to several successors", () => {
  test("reaches none of them before all have room", async () => {
    const [left, right] = [gate("left", 1), gate("right", 1)];
    const flow = tidy(create(same.to(left.node, right.node), { queueMaxSize: 1 }).run());
    const outcomes = [flow.outcome(1), flow.outcome(2), flow.outcome(3)];
    await settle();
    expect([left.inside, right.inside]).toEqual([[1], [1]]);
    await left.next();
    await left.next();
    expect([left.inside, right.inside]).toEqual([[], [1]]);
    expect(flow.stats().edges).toContainEqual({ source: "same", target: "left", size: 0, capacity: 1, waiting: 0 });
    await right.next();
    await settle();
    expect([left.inside, right.inside]).toEqual([[3], [2]]);
    for (let round = 0; round < 3; round += 1) await Promise.all([left.open(), right.open()]);
    expect((await Promise.all(outcomes)).map((outcome) => outcome.results)).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  test("emitted without waiting reaches all or none, and the error names the full edge", async () => {
    const [left, right] = [gate("left", 1), gate("right", 1)];
    const errors: unknown[] = [];
    const burst = payloadNode("burst", async (_: number, ctx) => {
      await ctx.emit(1, { to: "right" });
      await ctx.emit(2, { to: "right" });
      await settle();
      try {
        ctx.emitNowait(3);
      } catch (error) {
        errors.push(error);
      }
      ctx.emitNowait(4, { to: "left" });
    });
    const flow = tidy(create(burst.to(left.node, right.node), { queueMaxSize: 1 }).run());
    const outcome = flow.outcome(0);
    for (let turn = 0; turn < 5; turn += 1) await settle();
    expect(errors.map(codeOf)).toEqual(["QUEUE_FULL"]);
    expect(String(errors[0])).toContain('"burst" → "right" (1 of 1)');
    expect(left.inside).toEqual([4]);
    for (let round = 0; round < 3; round += 1) await Promise.all([left.open(), right.open()]);
    expect(new Set((await outcome).results)).toEqual(new Set([1, 2, 4]));
  });
});

describe("a value that goes to a join and to others", () => {
  test("starts none of the others when the join's count fails the trace, and takes no slot for good", async () => {
    const join = joinK(
      "join",
      (): number => {
        throw new Error("cannot count");
      },
      { input: shape<number>() },
    );
    const ran: number[] = [];
    const other = payloadNode("other", async (value: number) => {
      await settle();
      ran.push(value);
      return value;
    });
    const flow = tidy(create(same.to(join, other)).run());
    for (const value of [1, 2, 3]) {
      const outcome = await within(1_000, flow.outcome(value));
      expect(outcome).toMatchObject({ status: "failed", error: { node: "join", cause: { message: "cannot count" } } });
    }
    await settle();
    await settle();
    expect(ran).toEqual([]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });
});

describe("emitNowait", () => {
  test("is refused while the Rookery holds its bound or more, also when a surplus result made way", async () => {
    const work = payloadNode("work", async (kind: "surplus" | "fails", ctx) => {
      if (kind === "fails") throw new Error("as planned");
      await ctx.emit("first");
      await ctx.emit("surplus");
      return undefined;
    });
    const flow = tidy(create(work.to(), { limits: { rookeryMaxSize: 1 }, emitErrorsToRookery: true }).run());
    const first = flow.fetch({ traceId: "surplus" }).catch(() => flow.fetch({ traceId: "surplus" }));
    await flow.emit("surplus", { traceId: "surplus" });
    expect((await first) as Message).toMatchObject({ payload: "first" });
    await settle();
    // the error of a trace has its own buffer place: now there are two
    flow.emitNowait("fails", { traceId: "fails" });
    await settle();
    expect(() => flow.emitNowait("surplus", { traceId: "next" })).toThrow(FlowError);
    expect(flow.stats().droppedResults).toBe(1);
    expect(((await flow.fetch()) as FlowError).message).toContain("as planned");
  });

  test("on a full edge throws QUEUE_FULL and leaves no trace of itself anywhere", async () => {
    const held = gate("gate", 1);
    const seen = recorder();
    const flow = tidy(create(held.node.to(), { queueMaxSize: 1, middlewares: [seen.middleware] }).run());
    flow.emitNowait(1, { traceId: "one" });
    flow.emitNowait(2, { traceId: "two" });
    await settle();
    const before = flow.stats();
    let error: unknown;
    try {
      flow.emitNowait(3, { traceId: "three", timeoutMs: 1_000 });
    } catch (caught) {
      error = caught;
    }
    expect(codeOf(error)).toBe("QUEUE_FULL");
    expect(error).toMatchObject({ traceId: "three", tenant: "default", retryable: true });
    expect(flow.stats()).toEqual(before);
    expect(seen.events.some((event) => event.traceId === "three")).toBe(false);
    expect(await flow.cancel("three")).toMatchObject({ found: false });
    await held.open();
    expect([await flow.fetch(), await flow.fetch()].map(payloadOf)).toEqual([1, 2]);
  });

  test("on a full edge throws also when the trace is in flight already", async () => {
    const held = gate();
    const flow = tidy(create(held.node.to(), { queueMaxSize: 1 }).run());
    flow.emitNowait(1, { traceId: "t" });
    flow.emitNowait(2, { traceId: "t" });
    await settle();
    expect(flow.stats().edges).toMatchObject([{ size: 1, waiting: 0 }]);
    const before = flow.stats();
    expect(() => flow.emitNowait(3, { traceId: "t" })).toThrow(FlowError);
    expect(flow.stats()).toEqual(before);
    await held.open();
    expect([await flow.fetch(), await flow.fetch()].map(payloadOf)).toEqual([1, 2]);
  });

  test("at several entries is accepted by all or by none", async () => {
    const [left, right] = [gate("left", 1), gate("right", 1)];
    const flow = tidy(create(left.node.to(), right.node.to(), { queueMaxSize: 1 }).run());
    flow.emitNowait(1);
    flow.emitNowait(2, { to: "right" });
    await settle();
    const before = flow.stats();
    expect(() => flow.emitNowait(3)).toThrow('"OpenSea" → "right" (1 of 1)');
    expect(flow.stats()).toEqual(before);
    expect(left.inside).toEqual([1]);
    flow.emitNowait(4, { to: left.node });
    for (let round = 0; round < 3; round += 1) await Promise.all([left.open(), right.open()]);
    const fetched = [];
    for (let index = 0; index < 4; index += 1) fetched.push(payloadOf(await within(1_000, flow.fetch())));
    expect(fetched.sort((a, b) => a - b)).toEqual([1, 1, 2, 4]);
  });
});

describe("emit", () => {
  test("with capacity 1 and a blocked node accepts the second message and blocks the third, in order", async () => {
    const held = gate("gate", 1);
    const flow = tidy(create(held.node.to(), { queueMaxSize: 1 }).run());
    const accepted: number[] = [];
    const emits = [1, 2, 3].map(async (value) => {
      await flow.emit(value);
      accepted.push(value);
    });
    await settle();
    expect(accepted).toEqual([1, 2]);
    await held.next();
    expect(accepted).toEqual([1, 2, 3]);
    await held.open();
    await Promise.all(emits);
    expect([await flow.fetch(), await flow.fetch(), await flow.fetch()].map(payloadOf)).toEqual([1, 2, 3]);
  });

  test("resolves with the trace id, given or made", async () => {
    const flow = tidy(create(same.to()).run());
    expect(await flow.emit(1, { traceId: "mine" })).toBe("mine");
    const made = await flow.emit(2);
    expect(made).not.toBe("");
    expect(payloadOf(await flow.fetch({ traceId: made }))).toBe(2);
    expect(payloadOf(await flow.fetch({ traceId: "mine" }))).toBe(1);
  });

  test("with the id of an open trace joins it", async () => {
    const held = gate();
    const flow = tidy(create(held.node.to()).run());
    await flow.emit(1, { traceId: "t" });
    await flow.emit(2, { traceId: "t" });
    expect(flow.stats().accepted).toBe(1);
    await settle();
    await held.open();
    await held.open();
    expect([await flow.fetch({ traceId: "t" }), await flow.fetch({ traceId: "t" })].map(payloadOf)).toEqual([1, 2]);
    expect(flow.stats().outcomes.completed).toBe(1);
  });

  test("with a signal that has aborted already is rejected and runs nothing", async () => {
    const ran: number[] = [];
    const flow = tidy(create(payloadNode("note", (value: number) => void ran.push(value)).to()).run());
    const error = await rejection(flow.emit(1, { signal: AbortSignal.abort(new Error("gone")) }));
    expect(codeOf(error)).toBe("TRACE_CANCELLED");
    await settle();
    expect(ran).toEqual([]);
  });

  test("is rejected when its trace is cancelled while it waits for room, and others move up", async () => {
    const held = gate("gate", 1);
    const flow = tidy(create(held.node.to(), { queueMaxSize: 1 }).run());
    await flow.emit(1);
    await flow.emit(2);
    const controller = new AbortController();
    const blocked = rejection(flow.emit(3, { signal: controller.signal }));
    const next = flow.emit(4);
    await settle();
    controller.abort();
    expect(codeOf(await within(1_000, blocked))).toBe("TRACE_CANCELLED");
    await held.open();
    await within(1_000, next);
    await held.open();
    const fetched = [];
    for (let index = 0; index < 3; index += 1) fetched.push(payloadOf(await within(1_000, flow.fetch())));
    expect(fetched).toEqual([1, 2, 4]);
  });

  test("to a node that is no entry is refused with the entries named", async () => {
    const flow = tidy(create(same.to(gate().node), { name: "docs" }).run());
    const error = await rejection(flow.emit(1, { to: "gate" as never }));
    expect(codeOf(error)).toBe("ROUTE_UNKNOWN");
    expect(String(error)).toContain(
      'Cannot deliver to "gate": it is not an entry node of flow "docs"; entry nodes are "same"',
    );
    expect(flow.stats().accepted).toBe(0);
  });

  test("blocks in the end when results are not fetched: the flow's memory stays bounded", async () => {
    const options: FlowOptions = { queueMaxSize: 2, limits: { rookeryMaxSize: 4 } };
    const flow = create(
      payloadNode({ name: "pass", policy: { concurrency: 2 } }, (v: number) => v).to(),
      options,
    ).run();
    let accepted = 0;
    const emitting = (async () => {
      for (let value = 0; value < 500; value += 1) {
        await flow.emit(value);
        accepted += 1;
      }
    })().catch(() => {});
    for (let turn = 0; turn < 20; turn += 1) await settle();
    const { traces } = flow.stats();
    await flow.stop();
    await emitting;
    expect(accepted).toBeLessThan(100);
    expect(traces).toBeLessThan(100);
  });

  test("that is blocked by unfetched results continues when they are fetched, and nothing is lost", async () => {
    const flow = tidy(create(same.to(), { queueMaxSize: 2, limits: { rookeryMaxSize: 4 } }).run());
    const emitting = (async () => {
      for (let value = 0; value < 200; value += 1) await flow.emit(value);
    })();
    await settle();
    const fetched: number[] = [];
    for (let value = 0; value < 200; value += 1) fetched.push(payloadOf(await within(1_000, flow.fetch())));
    await within(1_000, emitting);
    expect(fetched.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index));
  });
});

describe("fetch", () => {
  test("delivers results in the order of arrival, to waiting fetchers in FIFO order", async () => {
    const flow = tidy(create(same.to()).run());
    const waiting = [flow.fetch(), flow.fetch()];
    for (const value of [1, 2, 3]) await flow.emit(value);
    expect((await Promise.all([...waiting, flow.fetch()])).map(payloadOf)).toEqual([1, 2, 3]);
  });

  test("of a trace gives only that trace's results, whatever else waits", async () => {
    const flow = tidy(create(same.to()).run());
    for (const value of [1, 2, 3]) await flow.emit(value, { traceId: `t${value}` });
    await settle();
    expect(payloadOf(await flow.fetch({ traceId: "t2" }))).toBe(2);
    expect(payloadOf(await flow.fetch({ traceId: "t3" }))).toBe(3);
    expect(payloadOf(await flow.fetch())).toBe(1);
  });

  test("of an unknown trace is refused at once", async () => {
    const flow = tidy(create(same.to()).run());
    const error = await rejection(flow.fetch({ traceId: "unknown" }));
    expect(codeOf(error)).toBe("TRACE_UNKNOWN");
    expect(error).toMatchObject({ traceId: "unknown" });
  });

  test("that times out says so after exactly its time and leaves nothing behind", async () => {
    const clock = new TestClock();
    const flow = tidy(create(same.to(), { clock }).run());
    let error: unknown;
    flow.fetch({ timeoutMs: 100 }).catch((caught: unknown) => (error = caught));
    await clock.advance(99);
    expect(error).toBeUndefined();
    expect(flow.stats().fetchers).toBe(1);
    await clock.advance(1);
    expect(codeOf(error)).toBe("WAIT_TIMEOUT");
    expect(String(error)).toContain("within 100 ms");
    expect(flow.stats()).toMatchObject({ fetchers: 0, timers: 0 });
  });

  test("that is aborted, before or while it waits, is rejected with the reason as cause", async () => {
    const flow = tidy(create(same.to()).run());
    const reason = new Error("left");
    const controller = new AbortController();
    const waiting = rejection(flow.fetch({ signal: controller.signal, timeoutMs: 60_000 }));
    await settle();
    controller.abort(reason);
    for (const error of [
      await waiting,
      await rejection(flow.fetch({ signal: controller.signal, timeoutMs: 60_000 })),
    ]) {
      expect(codeOf(error)).toBe("WAIT_ABORTED");
      expect((error as Error).cause).toBe(reason);
    }
    expect(flow.stats()).toMatchObject({ fetchers: 0, timers: 0 });
  });

  test("refuses unknown options, wrong times and nodes that are no exits", async () => {
    const flow = tidy(create(same.to(gate().node)).run());
    expect(String(await rejection(flow.fetch({ trace: "t" } as object)))).toContain('Unknown option "trace" of fetch');
    expect(String(await rejection(flow.fetch({ timeoutMs: -1 })))).toContain('"timeoutMs"');
    expect(String(await rejection(flow.fetch({ from: "same" })))).toContain('Cannot fetch from "same"');
    expect(String(await rejection(flow.fetch({ from: "unknown" })))).toContain('Cannot fetch from "unknown"');
  });

  test("of an empty, failed or cancelled trace is rejected with the diagnosis, whether it began before or after", async () => {
    const held = gate("gate");
    const judge = payloadNode("judge", (value: number) => {
      if (value === 1) throw new Error("broken");
      return value === 2 ? undefined : value;
    });
    const flow = tidy(create(held.node.to(judge)).run());
    for (const isEarly of [true, false]) {
      const ids = ["empty", "failed", "cancelled"];
      const values = [2, 1, 3];
      for (const [index, traceId] of ids.entries()) await flow.emit(values[index] as number, { traceId });
      await settle();
      const early = isEarly ? ids.map((traceId) => rejection(flow.fetch({ traceId }))) : [];
      await flow.cancel("cancelled");
      await held.open();
      await settle();
      const errors = isEarly
        ? await within(1_000, Promise.all(early))
        : await within(1_000, Promise.all(ids.map((traceId) => rejection(flow.fetch({ traceId })))));
      expect(errors.map(codeOf)).toEqual(["NO_RESULT", "NODE_EXCEPTION", "TRACE_CANCELLED"]);
      expect(errors.map((error) => (error as FlowError).traceId)).toEqual(ids);
    }
  });

  test("of a trace whose results have all been read is told that there are no more", async () => {
    const held = gate();
    const flow = tidy(create(held.node.to()).run());
    await flow.emit(1, { traceId: "t" });
    await settle();
    const both = [flow.fetch({ traceId: "t" }), rejection(flow.fetch({ traceId: "t" }))] as const;
    await held.open();
    expect(payloadOf(await both[0])).toBe(1);
    expect(codeOf(await within(1_000, both[1]))).toBe("NO_RESULT");
  });

  test("from one exit is told when the trace has ended and only other exits gave results", async () => {
    const held = gate();
    const [left, right] = [payloadNode("left", (v: number) => v), payloadNode("right", (_: number) => undefined)];
    const flow = tidy(create(held.node.to(left, right)).run());
    await flow.emit(1, { traceId: "t" });
    await settle();
    const fromRight = rejection(flow.fetch({ traceId: "t", from: "right" }));
    await held.open();
    await settle();
    expect(codeOf(await within(1_000, fromRight, "the fetch from right"))).toBe("NO_RESULT");
    expect(payloadOf(await flow.fetch({ traceId: "t", from: left }))).toBe(1);
  });

  test("from some exits leaves what others gave", async () => {
    const mark = (name: string) => payloadNode(name, (value: number) => `${name}${value}`);
    const [left, right] = [mark("left"), mark("right")] as const;
    const flow = tidy(create(same.to(left, right)).run());
    await flow.emit(1);
    await settle();
    expect(((await flow.fetchAny({ from: [right] })) as Message<string>).payload).toBe("right1");
    expect(((await flow.fetchAny({ from: [left, "right"] })) as Message<string>).payload).toBe("left1");
  });

  test("gets the error of a failed trace as an item when the flow says so, and not otherwise", async () => {
    const broken = payloadNode("broken", (value: number) => {
      if (value < 0) throw new Error("negative");
      return value;
    });
    const loud = tidy(create(broken.to(), { emitErrorsToRookery: true }).run());
    await loud.emit(-1, { traceId: "bad" });
    await loud.emit(1);
    const item = await within(1_000, loud.fetch());
    expect(item).toBeInstanceOf(FlowError);
    expect(item).toMatchObject({ code: "NODE_EXCEPTION", traceId: "bad", node: "broken" });
    expect(payloadOf(await loud.fetch())).toBe(1);
    await loud.emit(-1, { traceId: "bad" });
    expect(await within(1_000, loud.fetch({ traceId: "bad" }))).toBeInstanceOf(FlowError);

    const quiet = tidy(create(broken.to()).run());
    await quiet.emit(-1);
    await quiet.emit(1);
    expect(payloadOf(await within(1_000, quiet.fetch()))).toBe(1);
  });

  test("of a trace that ran out of time gets the documented closing text in the trace's envelope", async () => {
    const clock = new TestClock();
    const held = gate();
    const flow = tidy(create(held.node.to(), { clock }).run());
    const meta = { session: "s" };
    await flow.emit(1, { traceId: "t", tenant: "acme", topic: "birds", timeoutMs: 50, meta });
    const fetching = flow.fetch({ traceId: "t" });
    await clock.advance(50);
    const message = (await within(1_000, fetching)) as unknown as Message<{ text: string }>;
    expect(message.payload.text).toBe("Deadline exceeded");
    expect(message).toMatchObject({ traceId: "t", headers: { tenant: "acme", topic: "birds" } });
    expect(message.deadlineAt).toBe(clock.epochNow());
    expect(message.createdAt).toBeGreaterThanOrEqual(clock.epochNow() - 50);
    expect(message.createdAt).toBeLessThanOrEqual(clock.epochNow());
  });

  test("that has timed out or was aborted loses no later result, at any number of exits", async () => {
    const clock = new TestClock();
    const exits = ["x", "y", "z"].map((name) => payloadNode(name, (value: number) => `${name}${value}`));
    const flow = tidy(
      (create as unknown as (...args: unknown[]) => ReturnType<typeof plain>)(
        ...exits.map((exit) => same.to(exit as never)),
        { clock },
      ).run(),
    );
    const plain = () => create(same.to());
    const controller = new AbortController();
    const given = [
      rejection(flow.fetch({ timeoutMs: 10 })),
      rejection(flow.fetch({ from: "y", timeoutMs: 10 })),
      rejection(flow.fetchAny({ from: ["x", "z"], signal: controller.signal })),
    ];
    await clock.advance(10);
    controller.abort();
    await within(1_000, Promise.all(given));
    for (let value = 0; value < 10; value += 1) await flow.emit(value);
    const fetched: unknown[] = [];
    for (let index = 0; index < 30; index += 1) fetched.push(payloadOf(await within(1_000, flow.fetch())));
    expect(new Set(fetched).size).toBe(30);
  });

  test("in any mix with emits, timeouts and aborts delivers each result once and loses none", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("emit" as const), trace: fc.nat({ max: 2 }) }),
      fc.record({ kind: fc.constant("fetch" as const) }),
      fc.record({ kind: fc.constant("fetch one" as const), trace: fc.nat({ max: 2 }) }),
      fc.record({ kind: fc.constant("fetch shortly" as const) }),
      fc.record({ kind: fc.constant("fetch aborted" as const) }),
      fc.record({ kind: fc.constant("pass time" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.constantFrom(1, 3, 64), async (steps, queueMaxSize) => {
        const clock = new TestClock();
        const slow = payloadNode("slow", async (value: number, ctx) => {
          await ctx.sleep(value % 3);
          return value;
        });
        const flow = create(slow.to(), { clock, queueMaxSize, limits: { rookeryMaxSize: 3 } }).run();
        const got: number[] = [];
        const waits: Promise<unknown>[] = [];
        const take = (fetching: Promise<unknown>) =>
          waits.push(fetching.then((item) => got.push(payloadOf(item))).catch(() => {}));
        let sent = 0;
        for (const one of steps) {
          if (one.kind === "emit") waits.push(flow.emit(sent++, { traceId: `t${one.trace}` }));
          else if (one.kind === "fetch") take(flow.fetch());
          else if (one.kind === "fetch one") take(flow.fetch({ traceId: `t${one.trace}` }));
          else if (one.kind === "fetch shortly") take(flow.fetch({ timeoutMs: 2 }));
          else if (one.kind === "fetch aborted") take(flow.fetch({ signal: AbortSignal.timeout(0) }));
          else await clock.advance(1);
        }
        for (let rounds = 0; rounds < 60 && got.length < sent; rounds += 1) {
          take(flow.fetch());
          await clock.advance(3);
        }
        await clock.advance(100);
        expect([...got].sort((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, index) => index));
        expect(flow.stats()).toMatchObject({ unreadResults: 0, droppedResults: 0 });
        expect(leftovers(flow.stats())).toEqual(NOTHING);
        await flow.stop();
        await within(1_000, Promise.all(waits));
      }),
      { numRuns: 40 },
    );
  });
});

describe("a trace that gives more results than its caller takes", () => {
  const three = payloadNode("three", async (value: number, ctx) => {
    await ctx.emit(value);
    await ctx.emit(value + 0.1);
    return value + 0.2;
  });

  test("does not stall the flow in a thousand calls, and what is dropped is told", async () => {
    const seen = recorder();
    const flow = tidy(create(three.to(same), { queueMaxSize: 2, middlewares: [seen.middleware] }).run());
    for (let value = 0; value < 1_000; value += 1) expect(await within(1_000, flow.call(value))).toBe(value);
    await flow.flush();
    expect(seen.of("result_drop")).toHaveLength(2_000);
    expect(flow.stats()).toMatchObject({ droppedResults: 2_000, unreadResults: 0 });
  });

  test("nor in a thousand emits of which one result each is fetched by trace", async () => {
    const flow = tidy(create(three.to(same), { queueMaxSize: 4, limits: { rookeryMaxSize: 16 } }).run());
    for (let value = 0; value < 1_000; value += 1) {
      const traceId = await within(1_000, flow.emit(value), `emit ${value}`);
      expect(payloadOf(await within(1_000, flow.fetch({ traceId }), `fetch ${value}`))).toBe(value);
    }
    expect(flow.stats().unreadResults).toBeLessThanOrEqual(16);
  });

  test("returns them all by outcome, and beyond maxResults counts what it did not keep", async () => {
    const flow = tidy(create(three.to(), { limits: { maxResults: 2 } }).run());
    const outcome = await flow.outcome(1);
    expect(outcome).toMatchObject({ status: "completed", result: 1, results: [1, 1.1], droppedResults: 1 });
    expect(outcome.messages.map((message) => message.payload)).toEqual([1, 1.1]);
  });

  test("blocks only itself when it is not read", async () => {
    const flood = payloadNode("flood", async (value: number, ctx) => {
      for (let index = 0; index < 100; index += 1) await ctx.emit(value + index);
    });
    const flow = tidy(create(flood.to(same), { queueMaxSize: 2 }).run());
    await flow.emit(0, { traceId: "unread" });
    await settle();
    expect(flow.stats().unreadResults).toBeLessThanOrEqual(4);
    await flow.emit(1_000, { traceId: "read" });
    for (let index = 0; index < 100; index += 1)
      expect(payloadOf(await within(1_000, flow.fetch({ traceId: "read" })))).toBe(1_000 + index);
    for (let index = 0; index < 100; index += 1)
      expect(payloadOf(await within(1_000, flow.fetch({ traceId: "unread" })))).toBe(index);
  });
});

describe("a trace in which nothing is left", () => {
  test("ends empty and says where and why", async () => {
    const swallow = payloadNode("swallow", () => undefined);
    const flow = tidy(create(same.to(swallow).to(payloadNode("never", (v: never) => v))).run());
    const outcome = await within(1_000, flow.outcome(1, { traceId: "t", tenant: "acme" }));
    expect(outcome).toMatchObject({
      status: "empty",
      traceId: "t",
      tenant: "acme",
      lastNode: "swallow",
      reason: 'node "swallow" returned nothing',
      results: [],
      error: { code: "NO_RESULT", node: "swallow", traceId: "t", tenant: "acme" },
    });
    const error = await rejection(flow.call(1));
    expect(codeOf(error)).toBe("NO_RESULT");
    expect(String(error)).toContain('node "swallow" returned nothing');
  });

  test("is not empty when another branch gave a result", async () => {
    const flow = tidy(
      create(
        same.to(
          payloadNode("none", () => undefined),
          payloadNode("some", (v: number) => v),
        ),
      ).run(),
    );
    expect(await flow.outcome(3)).toMatchObject({ status: "completed", results: [3] });
  });

  test("does not end while a message of it waits anywhere", async () => {
    const clock = new TestClock();
    const late = payloadNode("late", async (value: number, ctx) => {
      await ctx.sleep(1_000);
      return value;
    });
    const flow = tidy(
      create(
        same.to(
          payloadNode("none", () => undefined),
          late,
        ),
        { clock },
      ).run(),
    );
    let status: string | undefined;
    void flow.outcome(3).then((outcome) => (status = outcome.status));
    await clock.advance(999);
    expect(status).toBeUndefined();
    await clock.advance(1);
    expect(status).toBe("completed");
  });
});

describe("ctx.fetch", () => {
  test("rejects alone when no further message can come: other waits of the handler continue", async () => {
    const clock = new TestClock();
    const patient = payloadNode("patient", async (value: number, ctx) => {
      const sleeping = ctx.sleep(50);
      const starved = await rejection(ctx.fetch());
      await sleeping;
      return [value, codeOf(starved)];
    });
    const flow = tidy(create(patient.to(), { clock }).run());
    const result = flow.call(1);
    await clock.advance(50);
    expect(await within(1_000, result)).toEqual([1, "FETCH_STARVED"]);
  });

  test("gives a retry the same messages again, in the same order", async () => {
    const source = payloadNode("source", async (_: number, ctx) => {
      for (const value of [1, 2, 3, 4]) await ctx.emit(value);
    });
    const tries: number[][] = [];
    const group = node(
      { name: "group", policy: { maxRetries: 2, backoffBaseMs: 1, jitter: 0 } },
      async (message: Message<number>, ctx) => {
        const taken = [message.payload];
        tries.push(taken);
        for (let index = 0; index < ctx.attempt; index += 1) taken.push(payloadOf(await ctx.fetch()));
        if (ctx.attempt < 3) throw new Error("again");
        return taken;
      },
    );
    const clock = new TestClock();
    const flow = tidy(create(source.to(group), { clock }).run());
    const outcome = flow.outcome(0);
    await clock.advance(100);
    expect((await within(1_000, outcome)).results).toEqual([[1, 2, 3, 4]]);
    expect(tries).toEqual([
      [1, 2],
      [1, 2, 3],
      [1, 2, 3, 4],
    ]);
  });

  test("refuses a wrong time, and a node without an edge", async () => {
    const errors: unknown[] = [];
    const ask = payloadNode("ask", async (value: number, ctx) => {
      errors.push(await rejection(within(500, ctx.fetch({ timeoutMs: Number.NaN }))));
      errors.push(await rejection(within(500, ctx.fetch({ from: "unknown" }))));
      errors.push(await rejection(within(500, ctx.sleep(Number.NaN))));
      errors.push(await rejection(within(500, ctx.sleep(-1))));
      return value;
    });
    const flow = tidy(create(ask.to()).run());
    await flow.call(1);
    expect(errors.map(String)).toEqual([
      expect.stringContaining("NaN"),
      expect.stringContaining('Cannot fetch from "unknown"'),
      expect.stringContaining("NaN"),
      expect.stringContaining("-1"),
    ]);
  });
});
