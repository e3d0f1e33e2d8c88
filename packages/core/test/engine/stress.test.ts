import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Context,
  create,
  type FinalAnswer,
  FlowErrorCode,
  joinK,
  type Message,
  node,
  payloadNode,
  predicateRouter,
  shape,
  WM,
} from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, passUntil, range, readAll, readOne, running } from "../fixtures/quiet-flow.ts";
import { within } from "../fixtures/watched-flow.ts";

describe("ten thousand traces at once", () => {
  test("each get their own result through a graph that branches and joins, with edges of capacity 8", async () => {
    const split = payloadNode("split", (payload: number) => payload);
    const left = payloadNode("left", async (payload: number) => ["left", payload] as const);
    const right = payloadNode("right", (payload: number) => ["right", payload] as const);
    const join = joinK("join", 2, { input: shape<readonly [string, number]>() });
    const sum = payloadNode("sum", (pairs: readonly (readonly [string, number])[]) => {
      expect(new Set(pairs.map(([side]) => side)).size).toBe(2);
      return pairs.reduce((total, [, payload]) => total + payload, 0);
    });
    const flow = running(
      create(split.to(left, right), left.to(join), right.to(join), join.to(sum), { queueMaxSize: 8 }),
    );
    const results = await within(20_000, Promise.all(range(10_000).map((payload) => flow.call(payload))));
    expect(results).toEqual(range(10_000).map((payload) => payload * 2));
    expect(flow.stats().outcomes).toMatchObject({ completed: 10_000 });
  });

  test("settle each, once, though a third of them fail, time out or are cancelled", async () => {
    const clock = new TestClock();
    const worker = payloadNode(
      { name: "worker", policy: { maxRetries: 1, backoffBaseMs: 2, timeoutMs: 50, concurrency: 256 } },
      async (payload: number, ctx) => {
        if (payload % 10 === 1) throw new Error("always");
        if (payload % 10 === 2 && ctx.attempt === 1) throw new Error("once");
        if (payload % 10 === 3) await ctx.sleep(1_000);
        if (payload % 10 === 4) await ctx.sleep(5);
        return payload;
      },
    );
    const next = payloadNode("next", (payload: number) => payload);
    const flow = running(create(worker.to(next), { clock }), clock);
    const counts: Record<string, number> = {};
    const state = { settled: 0, wrong: 0 };
    const all = range(10_000).map(async (payload) => {
      const traceId = `trace ${payload}`;
      const outcome = await flow.outcome(payload, { traceId });
      state.settled += 1;
      counts[outcome.status] = (counts[outcome.status] ?? 0) + 1;
      if (outcome.status === "completed" && outcome.result !== payload) state.wrong += 1;
    });
    await clock.advance(1);
    const cancels = range(10_000)
      .filter((payload) => payload % 10 === 5)
      .map((payload) => flow.cancel(`trace ${payload}`));
    await passUntil(clock, () => state.settled === 10_000, 25, 2_000);
    await within(5_000, Promise.all([...all, ...cancels]));
    expect(state).toEqual({ settled: 10_000, wrong: 0 });
    const cancelled = counts["cancelled"] ?? 0;
    expect(cancelled).toBeGreaterThan(0);
    expect(counts).toEqual({ completed: 8_000 - cancelled, failed: 2_000, cancelled });
    expect(flow.stats().outcomes).toMatchObject(counts);
  }, 60_000);
});

describe("with the machine's clock", () => {
  test("a deadline fires in spite of an endless loop of immediate handlers, and so do other timers", async () => {
    let runs = 0;
    const controller = node({ name: "controller", allowCycle: true }, (message: Message<WM>): WM | FinalAnswer => {
      runs += 1;
      return message.payload;
    });
    const flow = running(create(controller.to(controller)));
    let ticks = 0;
    const ticking = setInterval(() => (ticks += 1), 2);
    const outcome = await within(3_000, flow.outcome(new WM({ query: "q", budgetHops: null }), { timeoutMs: 60 }));
    clearInterval(ticking);
    expect(outcome).toMatchObject({ status: "exhausted", error: { code: FlowErrorCode.DEADLINE_EXCEEDED } });
    expect(outcome.durationMs).toBeLessThan(1_500);
    expect(runs).toBeGreaterThan(1_000);
    expect(ticks).toBeGreaterThan(3);
  });

  test.each([
    ["an endless ring", false],
    ["an endless ring that is watched", true],
  ])("a deadline fires in spite of immediate handlers in %s", async (_, isWatched) => {
    const start = payloadNode("start", (payload: number) => payload);
    const ping = payloadNode("ping", (payload: number) => payload + 1);
    const pong = payloadNode("pong", async (payload: number) => payload + 1);
    const flow = running(
      create(start.to(ping), ping.to(pong), pong.to(ping), {
        allowCycles: true,
        middlewares: isWatched ? [() => {}] : [],
      }),
    );
    const outcome = await within(3_000, flow.outcome(1, { timeoutMs: 60 }));
    expect(outcome).toMatchObject({ status: "exhausted" });
    expect(outcome.durationMs).toBeLessThan(1_500);
  });

  test("a timeout fires in spite of a thousand callers that call again at once", async () => {
    const echo = payloadNode("echo", (payload: number) => payload);
    const flow = running(create(echo.to()));
    const state = { isOver: false, calls: 0 };
    const callers = range(100).map(async (payload) => {
      while (!state.isOver) {
        await flow.call(payload);
        state.calls += 1;
      }
    });
    await within(3_000, new Promise((resolve) => setTimeout(resolve, 50)));
    state.isOver = true;
    await within(3_000, Promise.all(callers));
    // each has called again, however little of the machine they had
    expect(state.calls).toBeGreaterThan(callers.length);
  });

  test("a handler that emits without end is stopped by cancel", async () => {
    const source = payloadNode("source", async (_: number, ctx): Promise<number | undefined> => {
      for (let index = 0; ; index += 1) await ctx.emit(index);
    });
    const sink = payloadNode("sink", (_: number) => undefined);
    const flow = running(create(source.to(sink)));
    const outcome = flow.outcome(1, { traceId: "t" });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await within(3_000, flow.cancel("t"))).toMatchObject({ found: true, zombies: 0 });
    expect(await outcome).toMatchObject({ status: "cancelled" });
  });

  test("a chain of two thousand immediate nodes overflows no stack", async () => {
    const nodes = range(2_000).map((index) => payloadNode(`n${index}`, (payload: number) => payload + 1));
    const edges = nodes.map((one, index) => {
      const next = nodes[index + 1];
      return next === undefined ? one.to() : one.to(next);
    });
    for (const middlewares of [[], [() => {}]]) {
      const flow = running(create(...edges, { middlewares }));
      expect(await within(5_000, flow.call(0))).toBe(2_000);
    }
  });

  test("a node with two thousand successors sends to all of them", async () => {
    const source = payloadNode("source", (payload: number) => payload);
    const targets = range(2_000).map((index) => payloadNode(`n${index}`, (payload: number) => payload + index));
    const flow = running(create(...targets.map((target) => source.to(target)), { limits: { maxResults: 5_000 } }));
    const outcome = await within(5_000, flow.outcome(1));
    expect(outcome.results).toEqual(range(2_000).map((index) => index + 1));
  });
});

describe("a trace that ends empty says where and why", () => {
  test("when a node returns nothing", async () => {
    const swallow = payloadNode("swallow", (_: number) => undefined);
    const flow = running(create(payloadNode("source", (payload: number) => payload).to(swallow)));
    const outcome = await flow.outcome(1);
    expect(outcome).toMatchObject({
      status: "empty",
      lastNode: "swallow",
      error: { code: FlowErrorCode.NO_RESULT, node: "swallow" },
    });
    expect((outcome as { reason: string }).reason).toContain('"swallow"');
  });

  test("when a router sends a message nowhere", async () => {
    const router = predicateRouter("router", (_: Message<number>) => null);
    const target = payloadNode("target", (payload: number) => payload);
    const flow = running(create(router.to(target)));
    const outcome = await flow.outcome(1);
    expect(outcome).toMatchObject({ status: "empty", lastNode: "router" });
    expect((outcome as { reason: string }).reason).toContain('"router"');
  });

  test("when a join stays short", async () => {
    const join = joinK("join", 3, { input: shape<number>() });
    const flow = running(create(payloadNode("source", (payload: number) => payload).to(join)));
    const outcome = await flow.outcome(1);
    expect(outcome).toMatchObject({ status: "empty" });
    expect((outcome as { reason: string }).reason).toContain('join "join" has 1 of 3');
    expect(outcome).toMatchObject({ lastNode: "join" });
  });

  test("and names the node at which the last message ended when several branches did", async () => {
    const clock = new TestClock();
    const swallow = (name: string, ms: number) =>
      payloadNode(name, async (_: number, ctx) => {
        await ctx.sleep(ms);
      });
    const source = payloadNode("source", (payload: number) => payload);
    const flow = running(create(source.to(swallow("late", 20), swallow("early", 10)), { clock }), clock);
    const outcome = flow.outcome(1);
    await clock.advance(20);
    expect(await within(500, outcome)).toMatchObject({ status: "empty", lastNode: "late" });
  });
});

interface Plan {
  readonly width: number;
  readonly depth: number;
  readonly queueMaxSize: number;
  readonly concurrency: number;
  readonly traces: number;
  readonly behaviours: readonly number[];
  readonly capturesChunks: boolean;
  readonly ends: readonly number[];
}

test("whatever handlers do and whenever callers give up, every trace settles exactly once and the flow is empty in the end", async () => {
  const plan: fc.Arbitrary<Plan> = fc.record({
    width: fc.integer({ min: 1, max: 3 }),
    depth: fc.integer({ min: 1, max: 3 }),
    queueMaxSize: fc.integer({ min: 1, max: 3 }),
    concurrency: fc.integer({ min: 1, max: 3 }),
    traces: fc.integer({ min: 1, max: 8 }),
    behaviours: fc.array(fc.nat(11), { minLength: 1, maxLength: 12 }),
    capturesChunks: fc.boolean(),
    ends: fc.array(fc.nat(8), { minLength: 1, maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(
      plan,
      async ({ width, depth, queueMaxSize, concurrency, traces, behaviours, capturesChunks, ends }) => {
        const clock = new TestClock();
        let calls = 0;
        const inner = create(
          payloadNode({ name: "inner", policy: { concurrency: 1 } }, async (payload: number, ctx) => {
            await ctx.emitChunk({ text: "inner" });
            await ctx.sleep(1);
            return payload;
          }).to(),
          { queueMaxSize: 1 },
        );
        const act = async (payload: number, ctx: Context): Promise<number | undefined> => {
          const behaviour = behaviours[calls++ % behaviours.length];
          if (behaviour === 1) await ctx.sleep(2);
          if (behaviour === 2) throw new Error("broken");
          if (behaviour === 3) return undefined;
          if (behaviour === 4) await Promise.all([ctx.emit(payload), ctx.emit(payload)]);
          if (behaviour === 5) await ctx.fetch({ timeoutMs: 3 }).catch(() => undefined);
          if (behaviour === 6) await ctx.callPlaybook(inner, payload);
          if (behaviour === 7) for (const index of range(3)) await ctx.emitChunk({ text: String(index) });
          if (behaviour === 8) ctx.fetch().catch(() => undefined);
          if (behaviour === 9) ctx.emit(payload).catch(() => undefined);
          if (behaviour === 10) await Promise.race([ctx.callPlaybook(inner, payload).catch(() => 0), ctx.sleep(1)]);
          if (behaviour === 11) await ctx.sleep(30);
          return payload;
        };
        const layers = range(depth).map((layer) =>
          range(width).map((index) =>
            payloadNode(
              {
                name: `n${layer}.${index}`,
                policy: {
                  concurrency,
                  maxRetries: index % 2,
                  backoffBaseMs: 2,
                  ...(index === 2 ? { timeoutMs: 20 } : {}),
                },
              },
              act,
            ),
          ),
        );
        const edges = layers.flatMap((layer, depthOf) =>
          layer.flatMap((one) => (layers[depthOf + 1] ?? []).map((next) => one.to(next))),
        );
        const flow = create(...(layers[0] ?? []).map((one) => one.to()), ...edges, {
          queueMaxSize,
          clock,
          streamWindow: 2,
          graceMs: 5,
          limits: { rookeryMaxSize: 4 },
        });
        flow.run();
        const endings: string[] = [];
        const waiting = range(traces).map(async (index) => {
          const end = ends[index % ends.length] ?? 0;
          const traceId = `t${index}`;
          const options = { traceId, tenant: `tenant ${index % 2}`, ...(end === 1 ? { timeoutMs: 7 } : {}) };
          const controller = new AbortController();
          if (end === 2) clock.setTimer(() => controller.abort(), 4);
          if (end === 3) clock.setTimer(() => void flow.cancel(traceId), 3);
          if (end === 4 || (capturesChunks && end === 5)) {
            const stream = flow.stream(index, options);
            await (end === 4 ? readOne(stream) : readAll(stream)).catch(() => undefined);
            endings.push("read");
          } else if (end === 6) {
            await flow.emit(index, { ...options, timeoutMs: 400 }).catch(() => undefined);
            try {
              for (;;) await flow.fetch({ traceId, timeoutMs: 500 });
            } catch {}
            endings.push("fetched");
          } else {
            const { status } = await flow.outcome(index, { ...options, signal: controller.signal });
            endings.push(status);
          }
        });
        await passUntil(clock, () => endings.length === traces, 3, 500);
        await within(1_000, Promise.all(waiting), "the traces");
        const known = new Set(["completed", "failed", "cancelled", "exhausted", "empty", "read", "fetched"]);
        expect(endings.filter((ending) => known.has(ending))).toHaveLength(traces);
        await passUntil(clock, () => flow.stats().traces === 0, 40, 20);
        await settle();
        expectEmpty(flow);
        const stopping = flow.stop();
        await clock.advance(10);
        await within(500, stopping, "stop");
        expect(clock.timers).toBe(0);
      },
    ),
    { numRuns: 150 },
  );
}, 120_000);

test("the heap is flat after a hundred thousand messages with failures, cancels, timeouts, streams and abandoned fetches", () => {
  const script = fileURLToPath(new URL("../fixtures/heap-after-messages.ts", import.meta.url));
  const child = spawnSync(
    process.execPath,
    ["--expose-gc", "--conditions=@penguiflow/source", "--no-warnings", script],
    {
      encoding: "utf8",
      timeout: 60_000,
      env: { ...process.env, NODE_OPTIONS: "" },
    },
  );
  expect(child.stderr).toBe("");
  const { heapMb, empty } = JSON.parse(child.stdout) as { heapMb: number[]; empty: boolean };
  expect(empty).toBe(true);
  const [first, last] = [heapMb[0] ?? 0, heapMb.at(-1) ?? 0];
  // per round of 25 000 messages, a leak of one small object each would exceed a megabyte
  expect(last - first).toBeLessThan(1.5);
}, 70_000);
