import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Claim,
  create,
  FlowError,
  type FlowOptions,
  MemoryCheckpointStore,
  payloadNode,
  type Pump,
  seededRandom,
  startPump,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { logbook, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);

/** A flow that handles an item in the milliseconds it names, or fails when they are negative. */
function working(options: FlowOptions = {}) {
  const clock = new TestClock();
  let atWork = 0;
  let most = 0;
  const work = payloadNode({ name: "work", policy: { ordering: "none" } }, async (ms: number, ctx) => {
    most = Math.max(most, (atWork += 1));
    try {
      await ctx.sleep(Math.abs(ms));
      if (ms < 0) throw new Error(`broken ${ms}`);
      return ms;
    } finally {
      atWork -= 1;
    }
  });
  const flow = create(work.to(), { clock, logger: logbook(), random: () => 0, name: "work", ...options });
  return { clock, flow, run: tidy(flow).run(), most: () => most };
}

/** Hooks that note the fate of each item. */
function notes<Item>() {
  const fates: unknown[][] = [];
  return {
    fates,
    of: (item: Item) => fates.filter(([, noted]) => noted === item).map(([fate]) => fate),
    hooks: {
      done: (item: Item) => void fates.push(["done", item]),
      failed: (item: Item, error: unknown) => void fates.push(["failed", item, codeOf(error)]),
      released: (item: Item, reason: unknown) => void fates.push(["released", item, codeOf(reason)]),
    },
  };
}

/** Claims from a list, and notes the room of each claim. */
function queue(items: number[]) {
  const rooms: number[] = [];
  return {
    rooms,
    claim: (room: number): number[] => {
      rooms.push(room);
      return items.splice(0, room);
    },
  };
}

describe("a pump", () => {
  test("takes no more items than there is room for, and settles each by one hook", async () => {
    const { clock, run, most } = working();
    const { fates, hooks } = notes<number>();
    const { claim, rooms } = queue([5, -3, 7, 0, 9]);
    const pump = startPump(claim, run, { ...hooks, maxInFlight: 2, idleMs: 50 });
    await clock.advance(40);
    expect(fates).toEqual([
      ["failed", -3, "NODE_EXCEPTION"],
      ["done", 5],
      ["done", 0],
      ["done", 7],
      ["done", 9],
    ]);
    expect(most()).toBe(2);
    expect(Math.max(...rooms)).toBe(2);
    expect(pump.stats).toEqual({ taken: 5, inFlight: 0, done: 4, failed: 1, released: 0 });
    expect(await pump.stop()).toEqual(pump.stats);
    expect(await pump.closed).toBeUndefined();
    expect(clock.timers).toBe(0);
  });

  test("keeps the place of an item until its hook has returned", async () => {
    const { clock, run } = working();
    const { claim, rooms } = queue([1, 2, 3]);
    const hook = Promise.withResolvers<void>();
    const pump = startPump(claim, run, { maxInFlight: 1, done: () => hook.promise });
    await clock.advance(10);
    expect(rooms).toEqual([1]);
    expect(pump.stats).toMatchObject({ taken: 1, inFlight: 1, done: 0 });
    hook.resolve();
    await clock.advance(10);
    expect(pump.stats).toMatchObject({ taken: 3, done: 3 });
    await pump.stop();
  });

  test("waits on the flow's clock when there is nothing, and takes at once when it is woken", async () => {
    const { clock, run } = working();
    const items: number[] = [];
    const { claim, rooms } = queue(items);
    const pump = startPump(claim, run, { idleMs: 100 });
    await clock.advance(99);
    expect(rooms).toHaveLength(1);
    await clock.advance(1);
    expect(rooms).toHaveLength(2);
    items.push(0);
    pump.wake();
    await settle();
    expect(pump.stats.taken).toBe(1);
    await clock.advance(1);
    expect(pump.stats.done).toBe(1);
    await pump.stop();
    expect(clock.timers).toBe(0);
  });

  test("is woken for what came while it asked: no wake-up is lost", async () => {
    const { clock, run } = working();
    let asked = 0;
    const pump: Pump = startPump(
      async () => {
        asked += 1;
        if (asked === 1) pump.wake();
        return [];
      },
      run,
      { idleMs: 1_000 },
    );
    await clock.advance(1);
    expect(asked).toBe(2);
    await pump.stop();
  });

  test("gives each item the options and the input that it names", async () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const read = payloadNode("read", (text: string, ctx) => void seen.push([text, ctx.tenant, ctx.traceId]));
    const flow = tidy(create(read.to(), { clock, logger: logbook() }).run());
    const { fates, hooks } = notes<{ id: string; text: string }>();
    const jobs = [
      { id: "a", text: "x" },
      { id: "b", text: "y" },
    ];
    const pump = startPump(() => jobs.splice(0), flow, {
      ...hooks,
      input: ({ text }) => text,
      options: ({ id }) => ({ tenant: "acme", id }),
    });
    await settle();
    await settle();
    expect(seen).toEqual([
      ["x", "acme", "a"],
      ["y", "acme", "b"],
    ]);
    // nothing reached the Rookery: the work is done all the same
    expect(fates.map(([fate]) => fate)).toEqual(["done", "done"]);
    await pump.stop();
  });

  test("settles an item that the flow refuses, or whose options cannot be made, as failed", async () => {
    const { clock, run } = working();
    const { fates, hooks } = notes<number>();
    const { claim } = queue([1, 2, 3]);
    const pump = startPump(claim, run, {
      ...hooks,
      options: (item) => {
        if (item === 1) throw new Error("no tenant");
        return item === 2 ? { tenant: "" } : {};
      },
    });
    await clock.advance(5);
    expect(fates.map(([fate, item]) => [fate, item])).toEqual([
      ["failed", 1],
      ["failed", 2],
      ["done", 3],
    ]);
    expect(fates[1]?.[2]).toBeInstanceOf(TypeError);
    await pump.stop();
  });

  test("gives a trace that pauses to `failed`, with its outcome: it goes on in its flow", async () => {
    const asks = payloadNode("asks", (_: number, ctx) => ctx.pause<string>({ reason: "may I?" }));
    const flow = create(asks.to(), { logger: logbook() }).run();
    const statuses: unknown[] = [];
    const { claim } = queue([1]);
    const pump = startPump(claim, flow, { failed: (_item, _error, outcome) => void statuses.push(outcome?.status) });
    await expect.poll(() => statuses).toEqual(["paused"]);
    await pump.stop();
    expect(flow.stats().traces).toBe(1);
    await flow.stop();
  });

  test("logs a hook that fails, and goes on", async () => {
    const logger = logbook();
    const { clock, run } = working({ logger });
    const { claim } = queue([0, 1]);
    const pump = startPump(claim, run, { done: () => Promise.reject(new Error("gone")) });
    await clock.advance(5);
    expect(pump.stats).toMatchObject({ taken: 2, done: 2 });
    expect(logger.lines.filter(({ message }) => message === "pump_hook_failed")).toMatchObject([
      { level: "warn", fields: { flow: "work", hook: "done", error: { message: "gone" } } },
      {},
    ]);
    await pump.stop();
  });

  test("releases what a claim gives beyond its room", async () => {
    const { clock, run } = working();
    const { fates, hooks } = notes<number>();
    const items = [[1, 2, 3]];
    const pump = startPump(() => items.pop() ?? [], run, { ...hooks, maxInFlight: 2 });
    await clock.advance(5);
    expect(fates.map(([fate, item]) => [fate, item])).toEqual([
      ["released", 3],
      ["done", 1],
      ["done", 2],
    ]);
    expect(fates[0]?.[2]).toHaveProperty("message", "The source gave 3 items where 2 had room");
    await pump.stop();
  });
});

describe("a source that fails", () => {
  test("is asked again after a backoff that doubles up to its limit, and starts anew after a success", async () => {
    const logger = logbook();
    const { clock, run } = working({ logger, random: () => 1 });
    const times: number[] = [];
    const pump = startPump(
      () => {
        times.push(clock.now());
        if (times.length === 6) return [];
        throw new Error("away");
      },
      run,
      { backoffBaseMs: 10, maxBackoffMs: 35, idleMs: 100 },
    );
    await clock.advance(300);
    expect(times).toEqual([0, 10, 30, 65, 100, 135, 235, 245, 265, 300]);
    const lines = logger.lines.filter(({ message }) => message === "pump_source_failed");
    expect(lines[1]).toMatchObject({ level: "warn", fields: { failures: 2, error: { message: "away" } } });
    await pump.stop();
    expect(clock.timers).toBe(0);
  });

  test("waits half of the backoff at least, so that it is not asked without end", async () => {
    const { clock, run } = working({ random: () => 0 });
    let asked = 0;
    const pump = startPump(
      (): number[] => {
        asked += 1;
        throw new Error("away");
      },
      run,
      { backoffBaseMs: 10 },
    );
    await clock.advance(4);
    expect(asked).toBe(1);
    await clock.advance(1);
    expect(asked).toBe(2);
    await pump.stop();
  });

  test("and returns no list is such a one", async () => {
    const logger = logbook();
    const { run } = working({ logger });
    const pump = startPump((() => undefined) as unknown as Claim<number>, run, {});
    await settle();
    await pump.stop();
    expect(logger.lines.at(-1)?.fields).toMatchObject({
      error: { message: "The function that claims items must return a list: got undefined" },
    });
  });

  test("is iterated anew if it can be; a generator ends the pump with its error", async () => {
    const { clock, run } = working();
    let iterated = 0;
    const source: AsyncIterable<number> = {
      async *[Symbol.asyncIterator]() {
        iterated += 1;
        yield 0;
        if (iterated < 3) throw new Error("away");
      },
    };
    const again = startPump(source, run, { backoffBaseMs: 10 });
    await clock.advance(100);
    expect(await within(1_000, again.closed)).toBeUndefined();
    expect(again.stats).toMatchObject({ taken: 3, done: 3 });
    const generator = source[Symbol.asyncIterator]() as AsyncGenerator<number>;
    const once = startPump(generator, run, {});
    iterated = 0;
    await clock.advance(100);
    expect(await within(1_000, once.closed)).toEqual(new Error("away"));
    expect(once.stats).toMatchObject({ taken: 1, done: 1, inFlight: 0 });
  });
});

describe("an iterable", () => {
  test("is read one item at a time while there is room, and its end ends the pump", async () => {
    const { clock, run } = working();
    let read = 0;
    async function* source() {
      for (; read < 6; read += 1) yield 10;
    }
    const pump = startPump(source(), run, { maxInFlight: 2 });
    await clock.advance(5);
    expect(read).toBe(1);
    expect(pump.stats).toMatchObject({ taken: 2, inFlight: 2 });
    await clock.advance(100);
    expect(await within(1_000, pump.closed)).toBeUndefined();
    expect(pump.stats).toEqual({ taken: 6, inFlight: 0, done: 6, failed: 0, released: 0 });
  });

  test("that is silent does not hold up the stop; what it yields later is released, then it is closed", async () => {
    const { run } = working();
    const gate = Promise.withResolvers<number>();
    let isClosed = false;
    async function* source() {
      try {
        yield await gate.promise;
        yield 2;
      } finally {
        isClosed = true;
      }
    }
    const { fates, hooks } = notes<number>();
    const pump = startPump(source(), run, hooks);
    await settle();
    expect(await within(1_000, pump.stop())).toMatchObject({ taken: 0 });
    gate.resolve(1);
    await settle();
    expect(fates).toEqual([["released", 1, "FLOW_STOPPED"]]);
    expect(isClosed).toBe(true);
  });
});

describe("the stop of a pump", () => {
  test("takes nothing more, lets items in flight finish, and leaves the flow running", async () => {
    const { clock, run } = working();
    const { fates, hooks } = notes<number>();
    const { claim, rooms } = queue([10, 20, 30, 40]);
    const pump = startPump(claim, run, { ...hooks, maxInFlight: 2 });
    await clock.advance(1);
    const stopped = pump.stop();
    const again = pump.stop({ drainMs: 5_000 });
    await clock.advance(50);
    expect(await within(1_000, stopped)).toEqual({ taken: 2, inFlight: 0, done: 2, failed: 0, released: 0 });
    expect(await within(1_000, again)).toEqual(pump.stats);
    expect(fates).toEqual([
      ["done", 10],
      ["done", 20],
    ]);
    expect(rooms).toEqual([2]);
    expect(clock.timers).toBe(0);
    const more = run.call(1);
    await clock.advance(1);
    expect(await more).toBe(1);
  });

  test("cancels and releases what is not done in time", async () => {
    const { clock, run } = working();
    const { fates, hooks } = notes<number>();
    const { claim } = queue([10, 1_000]);
    const pump = startPump(claim, run, { ...hooks, maxInFlight: 2 });
    await clock.advance(1);
    const stopped = pump.stop({ drainMs: 50 });
    await clock.advance(60);
    expect(await within(1_000, stopped)).toEqual({ taken: 2, inFlight: 0, done: 1, failed: 0, released: 1 });
    expect(fates).toEqual([
      ["done", 10],
      ["released", 1_000, "TRACE_CANCELLED"],
    ]);
  });

  test("tells the claim, waits for what that still claims, and releases it", async () => {
    const { run } = working();
    const { fates, hooks } = notes<number>();
    const claim = (_room: number, signal: AbortSignal) =>
      new Promise<number[]>((resolve) => {
        signal.addEventListener("abort", () => setImmediate(() => resolve([1])));
      });
    const pump = startPump(claim, run, hooks);
    await settle();
    expect(await within(1_000, pump.stop())).toMatchObject({ taken: 1, released: 1 });
    expect(fates).toEqual([["released", 1, "FLOW_STOPPED"]]);
  });

  test("gives up a claim that does not answer, and a hook that does not return", async () => {
    const { clock, run } = working({ graceMs: 20 });
    const deaf = startPump(() => new Promise<number[]>(() => {}), run, {});
    const { claim } = queue([0]);
    const hung = startPump(claim, run, { done: () => new Promise<void>(() => {}) });
    await settle();
    const stops = Promise.all([deaf.stop({ drainMs: 10 }), hung.stop({ drainMs: 10 })]);
    await clock.advance(29);
    expect(hung.stats.inFlight).toBe(1);
    await clock.advance(1);
    expect(await within(1_000, stops)).toMatchObject([{ taken: 0 }, { taken: 1, inFlight: 1 }]);
    expect(clock.timers).toBe(0);
  });

  test("comes with that of its flow, whose items are released; a flow that does not run gets no pump", async () => {
    const { clock, flow, run } = working();
    const { fates, hooks } = notes<number>();
    const { claim } = queue([10, 20]);
    const pump = startPump(claim, run, { ...hooks, maxInFlight: 2 });
    const idle = startPump(() => [], run, {});
    await clock.advance(1);
    await flow.stop();
    expect(await within(1_000, Promise.all([pump.closed, idle.closed]))).toEqual([undefined, undefined]);
    expect(fates).toEqual([
      ["released", 10, "FLOW_STOPPED"],
      ["released", 20, "FLOW_STOPPED"],
    ]);
    expect(clock.timers).toBe(0);
    expect(() => startPump(claim, flow, {})).toThrow("is not running");
  });

  test("is that of its block", async () => {
    const { clock, run } = working();
    const { claim } = queue([5]);
    let stats;
    {
      await using pump = startPump(claim, run, {});
      await settle();
      stats = () => pump.stats;
      void clock.advance(10);
    }
    expect(stats()).toMatchObject({ taken: 1, done: 1 });
  });
});

test("an item that is given back by a crash is handled once where it names its id", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const clock = new TestClock();
  let runs = 0;
  const build = () =>
    create(payloadNode("count", (item: string) => `${item} ${(runs += 1)}`).to(), {
      durability: durable({ checkpoints }),
      clock,
      logger: logbook(),
    });
  const feed = async () => {
    await using flow = build();
    flow.run();
    const results: unknown[] = [];
    const items = ["job-1"];
    await using pump = startPump(() => items.splice(0), flow, {
      options: (id) => ({ id }),
      // the process ends before the item is removed from its queue
      done: (_item, outcome) => void results.push(outcome.results[0]),
    });
    for (let turn = 0; turn < 50 && results.length === 0; turn += 1) await clock.advance(1);
    await pump.stop();
    return results;
  };
  expect([await feed(), await feed()]).toEqual([["job-1 1"], ["job-1 1"]]);
});

test.each([
  [{ maxInFlight: 0 }, "maxInFlight"],
  [{ idleMs: 0 }, "idleMs"],
  [{ backoffBaseMs: Number.NaN }, "backoffBaseMs"],
  [{ done: "yes" }, "done"],
  [{ concurrency: 3 }, 'Unknown option "concurrency" of a pump'],
])("the option %j is refused", (options, problem) => {
  const { run } = working();
  expect(() => startPump(() => [], run, options as never)).toThrow(problem);
});

test("a source that is neither a function nor an iterable is refused", async () => {
  const { run } = working();
  expect(() => startPump([1] as unknown as Claim<number>, run, {})).toThrow(
    "must be a function (room, signal) or an async iterable",
  );
  const pump = startPump(() => [], run, {});
  expect(await rejection(pump.stop({ drain: 5 } as never))).toBeInstanceOf(TypeError);
  expect(await rejection(pump.stop({ drainMs: -1 }))).toBeInstanceOf(RangeError);
  await pump.stop();
});

test("whatever fails and whenever it stops, each item taken is settled once, and the bound holds (L1, L2, L3, L5, L7)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        items: fc.array(fc.integer({ min: -9, max: 40 }), { maxLength: 30 }),
        maxInFlight: fc.integer({ min: 1, max: 5 }),
        stopAt: fc.integer({ min: 0, max: 120 }),
        drainMs: fc.integer({ min: 0, max: 30 }),
        stopsFlow: fc.boolean(),
        seed: fc.integer(),
      }),
      async ({ items, maxInFlight, stopAt, drainMs, stopsFlow, seed }) => {
        const random = seededRandom(seed);
        const chance = (share: number): boolean => random() < share;
        const { clock, flow, run, most } = working({ random });
        const later = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(resolve, ms));
        const all = items.map((value) => ({ value }));
        const left = [...all];
        const taken: object[] = [];
        const fates = new Map<object, string[]>();
        let asking = 0;
        let worst = 0;
        const note = (fate: string) => async (item: object) => {
          fates.set(item, [...(fates.get(item) ?? []), fate]);
          if (chance(0.3)) await later(3);
          if (chance(0.1)) throw new Error("hook");
        };
        const claim = async (room: number) => {
          worst = Math.max(worst, room, (asking += 1) > 1 ? 99 : 0);
          try {
            if (chance(0.3)) await later(2);
            if (chance(0.2)) throw new Error("source");
            const given = left.splice(0, chance(0.2) ? 0 : Math.ceil(random() * room));
            taken.push(...given);
            return given;
          } finally {
            asking -= 1;
          }
        };
        const pump = startPump(claim, run, {
          maxInFlight,
          idleMs: 4,
          backoffBaseMs: 2,
          input: ({ value }) => value,
          done: note("done"),
          failed: note("failed"),
          released: note("released"),
        });
        const watching = (async () => {
          await settle();
          while (pump.stats.inFlight > 0 || pump.stats.taken < items.length) {
            expect(pump.stats.inFlight).toBeLessThanOrEqual(maxInFlight);
            await later(1);
            if (clock.now() > stopAt + 60) break;
          }
        })();
        await clock.advance(stopAt);
        const ends = stopsFlow ? flow.stop() : pump.stop({ drainMs });
        await clock.advance(1_500);
        await within(2_000, Promise.all([ends, watching, pump.closed]));
        const stats = await pump.stop();
        expect(worst).toBeLessThanOrEqual(maxInFlight);
        expect(most()).toBeLessThanOrEqual(maxInFlight);
        expect([...fates.keys()]).toHaveLength(taken.length);
        for (const item of taken) expect(fates.get(item)).toHaveLength(1);
        expect(stats).toMatchObject({ taken: taken.length, inFlight: 0 });
        expect(stats.done + stats.failed + stats.released).toBe(taken.length);
        expect(left.length + taken.length).toBe(all.length);
        if (!stopsFlow) await flow.stop();
        expect(clock.timers).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});
