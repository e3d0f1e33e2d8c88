import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Context, create, type FlowError, FlowErrorCode, type Outcome, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, range, running } from "../fixtures/quiet-flow.ts";
import { recorder, within } from "../fixtures/watched-flow.ts";

interface Step {
  readonly left: number;
}

type Handle = (step: Step, ctx: Context) => Promise<Step | undefined>;

const stepNode = <const Name extends string>(name: Name, handle: Handle, concurrency = 64) =>
  payloadNode({ name, policy: { concurrency } }, handle);
const start = payloadNode("start", (step: Step) => step);

/** Forwards each message twice until it has been forwarded `left` times. */
const twice: Handle = async (step, ctx) => {
  if (step.left === 0) return undefined;
  await ctx.emit({ left: step.left - 1 });
  await ctx.emit({ left: step.left - 1 });
  return undefined;
};

/** Creates two nodes that forward each message twice, to one another. */
function doubling(concurrency: number) {
  let count = 0;
  const handle: Handle = (step, ctx) => {
    count += 1;
    return twice(step, ctx);
  };
  const [a, b] = [stepNode("a", handle, concurrency), stepNode("b", handle, concurrency)];
  return { edges: [start.to(a), a.to(b), b.to(a)] as const, handled: () => count };
}

describe("a cycle in which each message causes two, with edges of capacity 2", () => {
  test.each([1, 2, 64])("drains when the messages end some time, at concurrency %i", async (concurrency) => {
    const { edges, handled } = doubling(concurrency);
    const flow = running(create(...edges, { allowCycles: true, queueMaxSize: 2 }));
    const outcome = await within(2_000, flow.outcome({ left: 5 }));
    // no edge leads out of the cycle
    expect(outcome).toMatchObject({ status: "empty" });
    expect(handled()).toBe(2 ** 6 - 1);
  });

  test("fails the trace and names the cycle when they never end", async () => {
    const seen = recorder();
    const { edges } = doubling(1);
    const flow = running(create(...edges, { allowCycles: true, queueMaxSize: 2, middlewares: [seen.middleware] }));
    const outcome = await within(4_000, flow.outcome({ left: Number.POSITIVE_INFINITY }));
    expect(outcome).toMatchObject({ status: "failed", error: { code: FlowErrorCode.DEADLOCK } });
    const { error } = outcome as { error: FlowError };
    const cycle = error.details?.["cycle"] as string[];
    expect(cycle[0]).toBe(cycle.at(-1));
    expect(new Set(cycle)).toEqual(new Set(["a", "b"]));
    for (const name of cycle) expect(error.message).toContain(`"${name}"`);
    await flow.flush();
    expect(seen.of("deadlock")).toMatchObject([{ cycle }]);
    expectEmpty(flow);
  });

  test("leaves the flow usable: the trace after a deadlock passes", async () => {
    const { edges } = doubling(1);
    const flow = running(create(...edges, { allowCycles: true, queueMaxSize: 2 }));
    await within(4_000, flow.outcome({ left: Number.POSITIVE_INFINITY }));
    expect(await within(2_000, flow.outcome({ left: 3 }))).toMatchObject({ status: "empty" });
  });

  test("spares a trace that passes the cycle at the same time", async () => {
    const leave = payloadNode("leave", (step: Step) => step.left);
    const isEndless = (step: Step): boolean => step.left === Number.POSITIVE_INFINITY;
    const a = stepNode("a", async (step, ctx) => {
      if (step.left === 0) await ctx.emit(step, { to: leave });
      else await ctx.emit({ left: step.left - 1 }, { to: "b" });
      if (isEndless(step)) await ctx.emit(step, { to: "b" });
      return undefined;
    });
    const b = stepNode("b", async (step, ctx) => {
      await ctx.emit(step);
      if (isEndless(step)) await ctx.emit(step);
      return undefined;
    });
    const flow = running(create(start.to(a), a.to(b, leave), b.to(a), { allowCycles: true, queueMaxSize: 2 }));
    const outcomes = (await within(
      4_000,
      Promise.all([
        flow.outcome({ left: 6 }),
        flow.outcome({ left: Number.POSITIVE_INFINITY }),
        flow.outcome({ left: 6 }),
      ]),
    )) as Outcome[];
    expect(outcomes.map(({ status }) => status)).toEqual(["completed", "failed", "completed"]);
  });
});

test("a cycle that is freed by the end of another trace's handler continues", async () => {
  const door = gate();
  const handle: Handle = async (step, ctx) => {
    if (step.left >= 0) return twice(step, ctx);
    await door.passed;
    return undefined;
  };
  const [a, b] = [stepNode("a", handle), stepNode("b", handle)];
  const flow = running(create(start.to(a), a.to(b), b.to(a), { allowCycles: true, queueMaxSize: 1 }));
  // its handler at "a" works while the other trace fills both edges
  const idler = flow.outcome({ left: -1 });
  await settle();
  const worker = flow.outcome({ left: 6 });
  await settle();
  door.open();
  expect(await within(1_000, idler)).toMatchObject({ status: "empty" });
  expect(await within(1_000, worker)).toMatchObject({ status: "empty" });
});

test("a cycle blocked beside a handler that works for long is freed when that handler returns", async () => {
  const door = gate();
  const handle: Handle = async (step, ctx) => {
    if (step.left < 0) await door.passed;
    if (step.left > 0) await Promise.all([ctx.emit({ left: step.left - 1 }), ctx.emit({ left: step.left - 1 })]);
    return undefined;
  };
  const [a, b, c] = [stepNode("a", handle, 2), stepNode("b", handle, 2), stepNode("c", handle, 2)];
  const flow = running(create(start.to(a), a.to(b), b.to(c), c.to(a), { allowCycles: true, queueMaxSize: 2 }));
  const idler = flow.outcome({ left: -1 });
  const workers = range(3).map(() => flow.outcome({ left: 6 }));
  await settle();
  await settle();
  door.open();
  await within(1_000, idler);
  expect((await within(1_500, Promise.all(workers))).map(({ status }) => status)).toEqual(["empty", "empty", "empty"]);
});

test("a pause in a handler of the cycle does not make a deadlock of it", async () => {
  const clock = new TestClock();
  const handle: Handle = async (step, ctx) => {
    await ctx.sleep(5);
    return twice(step, ctx);
  };
  const [a, b] = [stepNode("a", handle, 1), stepNode("b", handle, 1)];
  const flow = running(create(start.to(a), a.to(b), b.to(a), { allowCycles: true, queueMaxSize: 1, clock }), clock);
  const outcome = flow.outcome({ left: 4 });
  await clock.advance(1_000);
  expect(await within(500, outcome)).toMatchObject({ status: "empty" });
});

/** Found by the property below: broadcasts that reserve places on unused edges. */
const BLOCKED_ONCE = [
  { size: 4, extra: [[1, 0]], queueMaxSize: 2, concurrency: 2, depth: 3, pauses: [1, 1, 1, 0] },
  { size: 3, extra: [[1, 0]], queueMaxSize: 1, concurrency: 2, depth: 2, pauses: [1, 0, 0, 0] },
  { size: 3, extra: [[0, 2]], queueMaxSize: 1, concurrency: 2, depth: 3, pauses: [2, 0, 0, 0] },
] satisfies { extra: [number, number][]; [key: string]: unknown }[];

test("whatever the cycles, capacities and numbers of messages, every trace settles and leaves nothing behind", async () => {
  const plan = fc.record({
    size: fc.integer({ min: 2, max: 4 }),
    extra: fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 4 }),
    queueMaxSize: fc.integer({ min: 1, max: 3 }),
    concurrency: fc.integer({ min: 1, max: 3 }),
    depth: fc.integer({ min: 0, max: 4 }),
    copies: fc.integer({ min: 1, max: 2 }),
    traces: fc.integer({ min: 1, max: 4 }),
    pauses: fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }),
    together: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      plan,
      async ({ size, extra, queueMaxSize, concurrency, depth, copies, traces, pauses, together }) => {
        const clock = new TestClock();
        const nodes = range(size).map((index) =>
          stepNode(
            `n${index}`,
            async (step, ctx) => {
              const pause = pauses[index] ?? 0;
              if (pause > 0) await ctx.sleep(pause);
              if (step.left === 0) return undefined;
              const next = { left: step.left - 1 };
              if (together) await Promise.all(range(copies).map(() => ctx.emit(next)));
              else for (let left = copies; left > 0; left -= 1) await ctx.emit(next);
              return undefined;
            },
            concurrency,
          ),
        );
        const at = (index: number) => nodes[index % size] as (typeof nodes)[number];
        const flow = create(
          start.to(at(0)),
          ...range(size).map((index) => at(index).to(at(index + 1))),
          ...extra.filter(([from, to]) => from % size !== to % size).map(([from, to]) => at(from).to(at(to))),
          { allowCycles: true, queueMaxSize, clock },
        );
        flow.run();
        const outcomes = Promise.all(range(traces).map(() => flow.outcome({ left: depth })));
        for (let steps = 0; steps < 600 && flow.stats().traces > 0; steps += 1) await clock.advance(4);
        for (const outcome of await within(500, outcomes, "the traces")) {
          const ending = outcome.status === "failed" ? outcome.error.code : outcome.status;
          expect(["empty", FlowErrorCode.DEADLOCK]).toContain(ending);
        }
        await settle();
        expectEmpty(flow);
        await flow.stop();
      },
    ),
    { numRuns: 60, examples: BLOCKED_ONCE.map((found) => [{ ...found, copies: 2, traces: 2, together: false }]) },
  );
}, 60_000);

test("a cycle blocked beside a message that waits for its retry is freed when that message's trace ends", async () => {
  const clock = new TestClock();
  const again = payloadNode(
    { name: "again", policy: { concurrency: 2, maxRetries: 1, backoffBaseMs: 1_000, jitter: 0 } },
    async (step: Step, ctx): Promise<Step | undefined> => {
      if (step.left < 0) throw new Error("to be tried again");
      return twice(step, ctx);
    },
  );
  const back = stepNode("back", twice, 2);
  const edges = [start.to(again), again.to(back), back.to(again)] as const;
  const flow = running(create(...edges, { allowCycles: true, queueMaxSize: 1, clock }), clock);
  const parked = flow.outcome({ left: -1 }, { timeoutMs: 10 });
  await settle();
  const blocked = flow.outcome({ left: 6 });
  await clock.advance(20);
  expect(await within(1_000, parked)).toMatchObject({ status: "exhausted" });
  expect(await within(1_000, blocked)).toMatchObject({ status: "empty" });
  expectEmpty(flow);
});

test("a cycle that also sends out of itself continues, regardless of the sender that blocks last", async () => {
  const setting = fc.record({
    concurrencies: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    steps: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 6 }),
    pauses: fc.infiniteStream(fc.integer({ min: 0, max: 2 })),
  });
  await fc.assert(
    fc.asyncProperty(setting, async ({ concurrencies, steps, pauses }) => {
      const pause = async () => {
        for (let left = (pauses.next() as IteratorYieldResult<number>).value; left > 0; left -= 1)
          await Promise.resolve();
      };
      const handle: Handle = async (step, ctx) => {
        await pause();
        return twice(step, ctx);
      };
      const [a, b] = [stepNode("a", handle, concurrencies[0]), stepNode("b", handle, concurrencies[1])];
      const out = payloadNode({ name: "out", policy: { concurrency: 1 } }, async (step: Step) => {
        await pause();
        return step.left;
      });
      const edges = [start.to(a), a.to(out, b), b.to(a)] as const;
      await using flow = create(...edges, { allowCycles: true, queueMaxSize: 1 }).run();
      const outcomes = await within(4_000, Promise.all(steps.map((left) => flow.outcome({ left }))));
      expect(outcomes.map(({ status }) => status)).toEqual(steps.map((left) => (left === 0 ? "empty" : "completed")));
    }),
    { numRuns: 200, seed: 11 },
  );
});
