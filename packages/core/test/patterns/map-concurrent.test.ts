import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Context, create, mapConcurrent, type Outcome, payloadNode } from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { rejection, tidy, within } from "../fixtures/watched-flow.ts";

/** Counts concurrent workers. */
function gauge() {
  let running = 0;
  let most = 0;
  return {
    most: () => most,
    during: async <Value>(work: () => Promise<Value>): Promise<Value> => {
      running += 1;
      most = Math.max(most, running);
      try {
        return await work();
      } finally {
        running -= 1;
      }
    },
  };
}

test("results come in the order of the items and never more than the limit run at once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom("array", "generator", "async generator"),
      async (items, maxConcurrency, kind) => {
        const { during, most } = gauge();
        const source = {
          array: () => items,
          generator: function* () {
            yield* items;
          },
          "async generator": async function* () {
            for (const item of items) {
              if (item === 0) await turn();
              yield item;
            }
          },
        }[kind]();
        const result = await mapConcurrent(
          source,
          (item, index) =>
            during(async () => {
              for (let waits = 0; waits < item; waits += 1) await turn();
              return [index, item];
            }),
          { maxConcurrency },
        );
        expect(result).toEqual(items.map((item, index) => [index, item]));
        expect(most()).toBeLessThanOrEqual(maxConcurrency);
      },
    ),
    { numRuns: 60 },
  );
});

test("the limit is used in full and is 8 when none is given", async () => {
  const { during, most } = gauge();
  await mapConcurrent(Array.from({ length: 50 }), () => during(() => turn()));
  expect(most()).toBe(8);
});

test("items are taken lazily: a source is never further ahead than the limit", async () => {
  let taken = 0;
  let done = 0;
  function* endless() {
    for (;;) yield taken++;
  }
  const error = await rejection(
    mapConcurrent(
      endless(),
      async (item) => {
        expect(taken - done).toBeLessThanOrEqual(3);
        await turn();
        done += 1;
        if (item === 30) throw new Error("enough");
      },
      { maxConcurrency: 3 },
    ),
  );
  expect(error).toEqual(new Error("enough"));
  expect(taken).toBeLessThanOrEqual(34);
});

test("the first failure aborts the other workers with it, starts no further item and closes the source", async () => {
  const seen: number[] = [];
  const reasons: unknown[] = [];
  let closed = false;
  async function* source() {
    try {
      for (let item = 0; item < 100; item += 1) yield item;
    } finally {
      closed = true;
    }
  }
  const boom = new Error("boom");
  const error = await rejection(
    mapConcurrent(
      source(),
      async (item, _index, signal) => {
        seen.push(item);
        if (item === 2) throw boom;
        await new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => {
            reasons.push(signal.reason);
            resolve();
          }),
        );
      },
      { maxConcurrency: 3 },
    ),
  );
  expect(error).toBe(boom);
  expect(seen).toEqual([0, 1, 2]);
  expect(reasons).toEqual([boom, boom]);
  expect(closed).toBe(true);
});

test("it settles only when every worker has returned, so that nothing continues behind the caller's back", async () => {
  let late = false;
  await rejection(
    mapConcurrent([0, 1], async (item) => {
      if (item === 0) throw new Error("first");
      await turn();
      await turn();
      late = true;
    }),
  );
  expect(late).toBe(true);
});

test("a worker that throws at once, or is not asynchronous, is one like any other", async () => {
  expect(await mapConcurrent([1, 2, 3], (item) => item * 2)).toEqual([2, 4, 6]);
  const error = await rejection(
    mapConcurrent([1], () => {
      throw new Error("at once");
    }),
  );
  expect(error).toEqual(new Error("at once"));
});

test("a failing source is the rejection, and it is not asked again", async () => {
  let asked = 0;
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        asked += 1;
        if (asked === 2) throw new Error("source broke");
        return { done: false, value: asked };
      },
    }),
  };
  const error = await within(1_000, rejection(mapConcurrent(source, () => turn(), { maxConcurrency: 4 })));
  expect(error).toEqual(new Error("source broke"));
  expect(asked).toBe(2);
});

test("an aborted signal ends the whole with its reason and starts nothing more", async () => {
  const controller = new AbortController();
  let begun = 0;
  const all = mapConcurrent(
    Array.from({ length: 10 }, (_, index) => index),
    async (_item, _index, signal) => {
      begun += 1;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
    { maxConcurrency: 2, signal: controller.signal },
  );
  const failed = rejection(all);
  await turn();
  controller.abort(new Error("no more"));
  expect(await within(1_000, failed)).toEqual(new Error("no more"));
  expect(begun).toBe(2);
});

test("a signal that was aborted before takes no item", async () => {
  let taken = 0;
  function* source() {
    taken += 1;
    yield 1;
  }
  const error = await rejection(mapConcurrent(source(), () => 1, { signal: AbortSignal.abort(new Error("over")) }));
  expect(error).toEqual(new Error("over"));
  expect(taken).toBe(0);
});

test("no items give no results", async () => {
  expect(await mapConcurrent([], () => 1)).toEqual([]);
  expect(await mapConcurrent((function* () {})(), () => 1)).toEqual([]);
});

test("any iterable will do: a set, a map, a text", async () => {
  expect(await mapConcurrent(new Set([1, 2]), (item) => item)).toEqual([1, 2]);
  expect(await mapConcurrent(new Map([["a", 1]]), ([key, value]) => `${key}${value}`)).toEqual(["a1"]);
  expect(await mapConcurrent("abc", (letter) => letter.toUpperCase())).toEqual(["A", "B", "C"]);
});

test.each([0, -1, 1.5, Number.NaN])("a limit of %s is refused, naming the option", async (maxConcurrency) => {
  expect(await rejection(mapConcurrent([1], () => 1, { maxConcurrency }))).toMatchObject({
    name: "RangeError",
    message: expect.stringContaining("maxConcurrency") as string,
  });
});

test("what is not iterable, or no function, is refused", async () => {
  expect(await rejection(mapConcurrent(5 as never, () => 1))).toBeInstanceOf(TypeError);
  expect(await rejection(mapConcurrent(null as never, () => 1))).toBeInstanceOf(TypeError);
  expect(await rejection(mapConcurrent([1], "work" as never))).toBeInstanceOf(TypeError);
});

test("inside a node it is ended by cancel through ctx.signal", async () => {
  const clock = new TestClock();
  let begun = 0;
  const work = payloadNode("work", (items: readonly number[], ctx) =>
    mapConcurrent(
      items,
      async (item) => {
        begun += 1;
        await ctx.sleep(100);
        return item;
      },
      { maxConcurrency: 2, signal: ctx.signal },
    ),
  );
  const flow = tidy(create(work.to(), { clock }).run());
  const outcome = flow.outcome([1, 2, 3, 4, 5, 6], { traceId: "t" });
  await clock.advance(150);
  const report = await within(1_000, flow.cancel("t"));
  expect(report).toMatchObject({ found: true, aborted: 1, zombies: 0 });
  expect((await outcome).status).toBe("cancelled");
  expect(begun).toBe(4);
});

describe("a time limit for each item", () => {
  /** Maps in a handler, on a clock of the test. Resolves with the outcome once the clock has advanced. */
  function mapping<Result>(
    map: (ctx: Context, clock: TestClock) => Promise<Result>,
    advanceMs: number,
  ): Promise<{ outcome: Outcome<Result>; timers: number }> {
    const clock = new TestClock();
    const work = payloadNode("work", (_: null, ctx) => map(ctx, clock));
    const flow = tidy(create(work.to(), { clock }).run());
    const outcome = flow.outcome(null);
    return within(
      2_000,
      clock
        .advance(advanceMs)
        .then(async () => ({ outcome: (await outcome) as Outcome<Result>, timers: flow.stats().timers })),
    );
  }
  const work = (ctx: Context, takesMs: number): Promise<number> => ctx.sleep(takesMs).then(() => takesMs);

  test("counts on the flow's clock, aborts that item alone and says in its result that it timed out", async () => {
    const reasons: unknown[] = [];
    const { outcome, timers } = await mapping(
      (ctx) =>
        mapConcurrent(
          [5, 50, 9, 10, 3],
          (takesMs, index, signal) => {
            signal.addEventListener("abort", () => reasons.push([index, signal.reason]));
            return work(ctx, takesMs);
          },
          { ctx, itemTimeoutMs: 10, onTimeout: "report", maxConcurrency: 2 },
        ),
      40,
    );
    expect(outcome.results[0]).toEqual([
      { isTimedOut: false, value: 5 },
      { isTimedOut: true },
      { isTimedOut: false, value: 9 },
      { isTimedOut: true },
      { isTimedOut: false, value: 3 },
    ]);
    expect(reasons).toMatchObject([
      [1, { code: "WAIT_TIMEOUT", details: { index: 1 } }],
      [3, { code: "WAIT_TIMEOUT", details: { index: 3 } }],
    ]);
    // the sleeps of the workers that ignored their signals ended with the handler
    expect(timers).toBe(0);
  });

  test("fails the run unless it is reported: the others are aborted with it", async () => {
    const aborted: unknown[] = [];
    const { outcome } = await mapping(
      (ctx) =>
        mapConcurrent(
          [5, 50, 50],
          (takesMs, index, signal) => {
            signal.addEventListener("abort", () => aborted.push(index));
            return work(ctx, takesMs);
          },
          { ctx, itemTimeoutMs: 10 },
        ),
      20,
    );
    expect(outcome).toMatchObject({
      status: "failed",
      error: { code: "NODE_EXCEPTION", cause: { message: "Item 1 of mapConcurrent took longer than 10 ms" } },
    });
    expect(aborted).toEqual([1, 2]);
  });

  test("starts the next item in the place of one that took too long; what comes late is dropped", async () => {
    const begun: number[] = [];
    const late = Promise.withResolvers<number>();
    const { outcome } = await mapping(
      (ctx) =>
        mapConcurrent(
          [0, 1, 2],
          (item) => {
            begun.push(item);
            return item === 0 ? late.promise : item;
          },
          { ctx, itemTimeoutMs: 10, onTimeout: "report", maxConcurrency: 1 },
        ),
      11,
    );
    late.reject(new Error("too late"));
    await turn();
    expect(outcome.results[0]).toEqual([
      { isTimedOut: true },
      { isTimedOut: false, value: 1 },
      { isTimedOut: false, value: 2 },
    ]);
    expect(begun).toEqual([0, 1, 2]);
  });

  test("reports no other failure: that ends the run, and leaves no timer", async () => {
    const { outcome, timers } = await mapping(
      (ctx) =>
        mapConcurrent(
          [1, 2],
          (item) => {
            if (item === 2) throw new Error("broken");
            return item;
          },
          { ctx, itemTimeoutMs: 1_000, onTimeout: "report" },
        ),
      1,
    );
    expect(outcome).toMatchObject({ status: "failed", error: { cause: new Error("broken") } });
    expect(timers).toBe(0);
  });

  test("ends with ctx.signal, and with a signal of its own besides", async () => {
    const own = new AbortController();
    const { outcome } = await mapping((ctx, clock) => {
      clock.setTimer(() => own.abort(new Error("enough")), 5);
      return mapConcurrent([1], (_item, _index, signal) => stopped(signal), {
        ctx,
        signal: own.signal,
        itemTimeoutMs: 100,
        onTimeout: "report",
      });
    }, 6);
    expect(outcome).toMatchObject({ status: "failed", error: { cause: new Error("enough") } });
  });

  test("is that of the machine's clock outside of a flow", async () => {
    const result = await mapConcurrent([1, 2], (item, _index, signal) => (item === 1 ? item : stopped(signal)), {
      itemTimeoutMs: 1,
      onTimeout: "report",
    });
    expect(result).toEqual([{ isTimedOut: false, value: 1 }, { isTimedOut: true }]);
  });

  test("and its other options are checked", async () => {
    for (const [options, problem] of [
      [{ itemTimeoutMs: 0 }, "itemTimeoutMs"],
      [{ itemTimeoutMs: "5" }, "itemTimeoutMs"],
      [{ onTimeout: "omit" }, "onTimeout"],
      [{ ctx: { node: "x", signal: new AbortController().signal } }, 'Option "ctx" of mapConcurrent'],
      [{ perItemMs: 5 }, "perItemMs"],
    ] as const)
      expect(await rejection(mapConcurrent([1], () => 1, options as never))).toHaveProperty(
        "message",
        expect.stringContaining(problem),
      );
  });
});

/** Rejects when the signal aborts. */
function stopped(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
}
