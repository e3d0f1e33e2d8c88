import { describe, expect, test } from "vitest";
import { create, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { gate, passing, range, readAll, running } from "../fixtures/quiet-flow.ts";
import { within } from "../fixtures/watched-flow.ts";

const one = { concurrency: 1 } as const;

/** Creates a node that works 1 ms on each message, one at a time, and records its owner. */
function counter(policy: { concurrency: number; ordering?: "trace" | "none" } = one) {
  const log: string[] = [];
  const made = payloadNode({ name: "worker", policy }, async (payload: number, ctx) => {
    log.push(ctx.tenant);
    await ctx.sleep(1);
    return payload;
  });
  return { node: made, log };
}

const countOf = (log: readonly string[], tenant: string): number => log.filter((name) => name === tenant).length;

describe("tenants at one node", () => {
  test("share it evenly, so that a flood of one delays another's few messages by no more than their share", async () => {
    const clock = new TestClock();
    const { node: worker, log } = counter();
    const flow = running(create(worker.to(), { clock }), clock);
    const flood = range(500).map((payload) => flow.call(payload, { tenant: "flood" }));
    const few = Promise.all(range(10).map((payload) => flow.call(payload, { tenant: "few" })));
    await clock.advance(22);
    await within(500, few, "the few");
    await passing(clock, Promise.all(flood), 100);
    expect(log).toHaveLength(510);
  });

  test("share it by weight", async () => {
    const clock = new TestClock();
    const { node: worker, log } = counter();
    const flow = running(create(worker.to(), { clock, tenantWeights: { gold: 5, silver: 3 } }), clock);
    const calls = ["bronze", "silver", "gold"].flatMap((tenant) =>
      range(100).map((payload) => flow.call(payload, { tenant })),
    );
    await clock.advance(90);
    const first = log.slice(0, 90);
    for (const [tenant, share] of Object.entries({ bronze: 10, silver: 30, gold: 50 }))
      expect(Math.abs(countOf(first, tenant) - share)).toBeLessThanOrEqual(2);
    await passing(clock, Promise.all(calls), 100);
  });

  test("share it by a weight function, which may not answer nonsense", async () => {
    const clock = new TestClock();
    const { node: worker, log } = counter();
    const flow = running(
      create(worker.to(), { clock, tenantWeights: (tenant) => (tenant === "odd" ? Number.NaN : tenant.length) }),
      clock,
    );
    await expect(flow.call(1, { tenant: "odd" })).rejects.toThrow(/weight of tenant "odd"/);
    const calls = ["aaaa", "b"].flatMap((tenant) => range(50).map((payload) => flow.call(payload, { tenant })));
    await clock.advance(50);
    expect(Math.abs(countOf(log.slice(0, 50), "b") - 10)).toBeLessThanOrEqual(2);
    await passing(clock, Promise.all(calls), 100);
  });

  test.each(["trace", "none"] as const)(
    "get their share also when one always has just one message waiting (ordering: %s)",
    async (ordering) => {
      const clock = new TestClock();
      const { node: worker, log } = counter({ concurrency: 1, ordering });
      const flow = running(create(worker.to(), { clock }), clock);
      const backlog = range(100).map((payload) => flow.call(payload, { tenant: "backlog" }));
      const state = { isOver: false };
      const clients = range(2).map(async () => {
        while (!state.isOver) await flow.call(1, { tenant: "clients" });
      });
      await clock.advance(60);
      state.isOver = true;
      const served = countOf(log.slice(0, 60), "backlog");
      await passing(clock, Promise.all([...backlog, ...clients]), 100);
      expect(served).toBeGreaterThanOrEqual(28);
    },
  );

  test.each([
    ["several entry nodes", 2],
    ["one entry node", 1],
  ])("get their share also behind %s and full edges", async (_, width) => {
    const clock = new TestClock();
    const doing = range(width).map((index) => {
      const log: string[] = [];
      const worker = payloadNode({ name: `worker ${index}`, policy: one }, async (payload: number, ctx) => {
        log.push(ctx.tenant);
        await ctx.sleep(1);
        return payload;
      });
      return { worker, log };
    });
    const flow = running(create(...doing.map(({ worker }) => worker.to()), { clock, queueMaxSize: 4 }), clock);
    const flood = range(200).map((payload) => flow.call(payload as never, { tenant: "flood" }));
    const few = range(5).map((payload) => flow.call(payload as never, { tenant: "few" }));
    await clock.advance(50);
    const served = doing.map(({ log }) => countOf(log.slice(0, 50), "few"));
    await passing(clock, Promise.all([...flood, ...few]), 100);
    expect(served).toEqual(range(width).map(() => 5));
  });

  test("get their share also of a node behind a broadcast with full edges", async () => {
    const clock = new TestClock();
    const { node: worker, log } = counter();
    const split = payloadNode("split", (payload: number) => payload);
    const other = payloadNode({ name: "other", policy: one }, async (_: number, ctx) => ctx.sleep(1));
    const flow = running(create(split.to(worker, other), { clock, queueMaxSize: 2 }), clock);
    const flood = range(200).map((payload) => flow.outcome(payload, { tenant: "flood" }));
    const few = range(5).map((payload) => flow.outcome(payload, { tenant: "few" }));
    await clock.advance(100);
    const served = countOf(log.slice(0, 100), "few");
    await passing(clock, Promise.all([...flood, ...few]), 100);
    expect(served).toBe(5);
  });
});

describe("traces of one tenant", () => {
  test("take turns: one with a thousand messages delays another's by no more than one each", async () => {
    const clock = new TestClock();
    const done: string[] = [];
    const source = payloadNode("source", async (count: number, ctx) => {
      for (const index of range(count)) await ctx.emit({ count, index });
    });
    const worker = payloadNode({ name: "worker", policy: one }, async (item: { count: number; index: number }, ctx) => {
      await ctx.sleep(1);
      done.push(`${item.count}.${item.index}`);
      return item;
    });
    const flow = running(create(source.to(worker), { clock, queueMaxSize: 8 }), clock);
    const big = flow.outcome(1_000);
    await clock.advance(10);
    const small = flow.outcome(5);
    await clock.advance(14);
    expect(await within(500, small, "the small trace")).toMatchObject({ status: "completed" });
    expect(done.length).toBeLessThan(26);
    await passing(clock, big, 100);
  });

  test("with a higher priority are served sooner, and the lower ones age", async () => {
    const clock = new TestClock();
    const done: number[] = [];
    const worker = payloadNode({ name: "worker", policy: one }, async (payload: number, ctx) => {
      await ctx.sleep(1);
      done.push(payload);
      return payload;
    });
    const flow = running(create(worker.to(), { clock, queueMaxSize: 0 }), clock);
    const early = range(300).map((payload) => flow.call(payload));
    const urgent = range(3).map((index) => flow.call(-1 - index, { priority: 1 }));
    const never = flow.call(9_999, { priority: -1_000 });
    await passing(clock, Promise.all([...early, ...urgent, never]), 50);
    // a level is worth a hundred places
    expect(done.indexOf(-1)).toBeGreaterThan(150);
    expect(done.indexOf(-1)).toBeLessThan(210);
    expect(done.at(-1)).toBe(9_999);
  });

  test.each(["retries", "sleeps in another node", "is not read", "waits for a message", "waits in a join"])(
    "are not delayed by one that %s",
    async (what) => {
      const clock = new TestClock();
      let attempts = 0;
      const worker = payloadNode(
        { name: "worker", policy: { concurrency: 1, maxRetries: 1, backoffBaseMs: 10_000, jitter: 0 } },
        async (payload: string, ctx) => {
          if (payload === "quick") return payload;
          attempts += 1;
          if (what === "retries" && ctx.attempt === 1) throw new Error("once");
          if (what === "is not read") for (const index of range(9)) await ctx.emitChunk({ text: String(index) });
          if (what === "waits for a message") await ctx.fetch().catch(() => undefined);
          return payload;
        },
      );
      const source = payloadNode("source", async (payload: string, ctx) => {
        await ctx.emit(payload);
        if (payload !== "quick" && what === "waits for a message") await ctx.sleep(10_000);
      });
      const sleeper = payloadNode("sleeper", async (payload: string, ctx) => {
        if (payload !== "quick" && what === "sleeps in another node") await ctx.sleep(10_000);
        return payload;
      });
      const flow = running(create(source.to(worker), worker.to(sleeper), { clock, streamWindow: 2 }), clock);
      const stream = flow.stream("slow");
      const first = stream.next();
      await clock.advance(1);
      expect(attempts).toBe(1);
      const quick = range(20).map(() => flow.call("quick"));
      await clock.advance(1);
      expect(await within(500, Promise.all(quick), "the quick ones")).toEqual(range(20).map(() => "quick"));
      await clock.advance(20_000);
      await first;
      await readAll(stream);
    },
  );
});

test("a thousand abandoned callers and unread streams block no other trace", async () => {
  const talker = payloadNode({ name: "talker", policy: { concurrency: 2 } }, async (payload: number, ctx) => {
    for (const index of range(10)) await ctx.emitChunk({ text: String(index) });
    return payload;
  });
  const flow = running(create(talker.to(), { streamWindow: 2 }));
  const streams = range(1_000).map((payload) => flow.stream(payload));
  await Promise.all(streams.map((stream) => stream.next()));
  await settle();
  expect(await within(1_000, Promise.all(range(100).map((payload) => flow.call(payload))))).toEqual(range(100));
  await within(3_000, Promise.all(streams.map((stream) => stream.return())));
});

test("a message is not handled twice or lost when a node's slot changes hands between waiting and returning handlers", async () => {
  const clock = new TestClock();
  const door = gate();
  const handled: number[] = [];
  const source = payloadNode("source", async (payload: number, ctx) => {
    await ctx.emit(payload);
    if (payload % 3 === 0) await door.passed;
    return payload % 3 === 0 ? payload : undefined;
  });
  const worker = payloadNode({ name: "worker", policy: { concurrency: 2 } }, async (payload: number, ctx) => {
    if (payload % 3 === 0) await ctx.fetch();
    await ctx.sleep(payload % 5);
    handled.push(payload);
    return payload;
  });
  const flow = running(create(source.to(worker), { clock, queueMaxSize: 3 }), clock);
  const calls = range(60).map((payload) => flow.call(payload));
  await clock.advance(20);
  door.open();
  expect(await passing(clock, Promise.all(calls), 20)).toEqual(range(60));
  expect(handled.toSorted((a, b) => a - b)).toEqual(range(60));
  expect(flow.stats().nodes.map(({ running: now }) => now)).toEqual([0, 0]);
});
