import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Context, create, FlowErrorCode, joinK, type Message, node, payloadNode, shape } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, isPending, range, readAll, running } from "../fixtures/quiet-flow.ts";
import { rejection, within } from "../fixtures/watched-flow.ts";

const one = { concurrency: 1 } as const;

/** Creates a node that holds its messages until the test releases them, one by one. */
function held(name: string, concurrency = 1) {
  const waiting: (() => void)[] = [];
  const seen: number[] = [];
  const made = payloadNode({ name, policy: { concurrency } }, async (payload: number) => {
    seen.push(payload);
    await new Promise<void>((resolve) => waiting.push(resolve));
    return payload;
  });
  const release = async (count = 1): Promise<void> => {
    for (let left = count; left > 0; left -= 1) {
      waiting.shift()?.();
      await settle();
    }
  };
  return { node: made, seen, waiting, release };
}

describe("an edge of capacity 1", () => {
  test("takes one message beside the one in work and blocks the next sender, in order", async () => {
    const slow = held("slow");
    const flow = running(create(slow.node.to(), { queueMaxSize: 1 }));
    const emits = [1, 2, 3].map((payload) => flow.emit(payload));
    await emits[0];
    await emits[1];
    expect(await isPending(emits[2] as Promise<string>)).toBe(true);
    expect(flow.stats().edges).toMatchObject([{ size: 1, capacity: 1, waiting: 1 }]);
    await slow.release();
    await within(500, emits[2] as Promise<string>);
    await slow.release(2);
    expect(slow.seen).toEqual([1, 2, 3]);
    const fetched = [];
    for (let left = 3; left > 0; left -= 1) fetched.push(((await flow.fetch()) as Message<number>).payload);
    expect(fetched).toEqual([1, 2, 3]);
  });

  test("refuses emitNowait with QUEUE_FULL, and the refused message is in no counter", async () => {
    const slow = held("slow");
    const flow = running(create(slow.node.to(), { queueMaxSize: 1 }));
    const calls = [flow.call(1), flow.call(2)];
    await settle();
    const before = flow.stats();
    expect(() => flow.emitNowait(3, { traceId: "refused" })).toThrow(
      expect.objectContaining({ code: FlowErrorCode.QUEUE_FULL, retryable: true }),
    );
    expect(flow.stats()).toEqual(before);
    await expect(rejection(flow.fetch({ traceId: "refused" }))).resolves.toMatchObject({
      code: FlowErrorCode.TRACE_UNKNOWN,
    });
    await slow.release(2);
    expect(await Promise.all(calls)).toEqual([1, 2]);
    expect(slow.seen).toEqual([1, 2]);
  });

  test("blocks an emitting handler until there is capacity", async () => {
    const slow = held("slow");
    const progress: number[] = [];
    const source = payloadNode("source", async (count: number, ctx) => {
      for (const index of range(count)) {
        await ctx.emit(index);
        progress.push(index);
      }
    });
    const flow = running(create(source.to(slow.node), { queueMaxSize: 1 }));
    const outcome = flow.outcome(4);
    await settle();
    expect(progress).toEqual([0, 1]);
    expect(flow.stats().nodes[0]).toMatchObject({ name: "source", running: 1, blocked: 1 });
    await slow.release();
    expect(progress).toEqual([0, 1, 2]);
    await slow.release(4);
    expect(await outcome).toMatchObject({ status: "completed", results: [0, 1, 2, 3] });
  });
});

describe("a value for several successors", () => {
  test("is sent to all of them or to none while one of them has no room", async () => {
    const slow = held("slow");
    const fast: number[] = [];
    const split = payloadNode("split", (payload: number) => payload);
    const quick = payloadNode("quick", (payload: number) => void fast.push(payload));
    const flow = running(create(split.to(quick, slow.node), { queueMaxSize: 1 }));
    const outcomes = range(4).map((payload) => flow.outcome(payload));
    await settle();
    expect(slow.seen).toEqual([0]);
    expect(fast).toEqual([0, 1]);
    await slow.release();
    expect(fast).toEqual([0, 1, 2]);
    await slow.release(3);
    expect(fast).toEqual([0, 1, 2, 3]);
    expect((await Promise.all(outcomes)).map(({ status }) => status)).toEqual(range(4).map(() => "completed"));
  });

  test.each([1, 4])("paces a fast sibling by the bound of the slow edge alone: %i", async (queueMaxSize) => {
    const slow = held("slow");
    const fast: number[] = [];
    const split = payloadNode("split", (payload: number) => payload);
    const quick = payloadNode("quick", (payload: number) => void fast.push(payload));
    const flow = running(create(split.to(slow.node, quick), { queueMaxSize }));
    const outcomes = range(12).map((payload) => flow.outcome(payload));
    await settle();
    // one in flight and a full edge
    expect(fast).toEqual(range(1 + queueMaxSize));
    await slow.release(12);
    expect(fast).toEqual(range(12));
    await within(500, Promise.all(outcomes));
  });

  test("is refused by ctx.emitNowait for all of them when one has no room", async () => {
    const slow = held("slow");
    const fast: number[] = [];
    const codes: unknown[] = [];
    const split = payloadNode({ name: "split", policy: one }, (count: number, ctx) => {
      for (const index of range(count)) {
        try {
          ctx.emitNowait(index);
        } catch (error) {
          codes.push((error as { code?: unknown }).code);
        }
      }
    });
    const quick = payloadNode("quick", (payload: number) => void fast.push(payload));
    const flow = running(create(split.to(quick, slow.node), { queueMaxSize: 1 }));
    const outcome = flow.outcome(5);
    await settle();
    await slow.release(5);
    await outcome;
    expect(slow.seen).toEqual(fast);
    expect(fast.length + codes.length).toBe(5);
    expect(new Set(codes)).toEqual(new Set([FlowErrorCode.QUEUE_FULL]));
  });
});

test("no edge ever holds more than its capacity, whatever the graph's width, length and concurrency, and nothing is lost", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 25 }),
      async (queueMaxSize, concurrencies, delays) => {
        const clock = new TestClock();
        const over: unknown[] = [];
        const stages = concurrencies.map((concurrency, index) =>
          payloadNode({ name: `stage ${index}`, policy: { concurrency } }, async (payload: number, ctx) => {
            for (const edge of flow.stats().edges) if (edge.size > edge.capacity) over.push(edge);
            for (const stage of flow.stats().nodes) if (stage.running > stage.concurrency) over.push(stage);
            await ctx.sleep(((payload * 7 + index * 3) % 5) + (delays[payload] ?? 0));
            return payload;
          }),
        );
        const flow = create(
          ...stages.map((stage, index) => {
            const next = stages[index + 1];
            return next === undefined ? stage.to() : stage.to(next);
          }),
          { queueMaxSize, clock },
        );
        flow.run();
        const calls = Promise.all(delays.map((_, payload) => flow.call(payload)));
        for (let steps = 0; steps < 400 && flow.stats().traces > 0; steps += 1) await clock.advance(1);
        expect(await within(1_000, calls, "the calls")).toEqual(range(delays.length));
        expect(over).toEqual([]);
        expectEmpty(flow);
        await flow.stop();
      },
    ),
    { numRuns: 25 },
  );
});

test("an edge without bound never blocks a sender", async () => {
  const slow = held("slow");
  const flow = running(create(slow.node.to(), { queueMaxSize: 0 }));
  const emits = range(500).map((payload) => flow.emit(payload, { traceId: "all" }));
  await within(500, Promise.all(emits));
  expect(flow.stats().edges[0]).toMatchObject({ size: 499, capacity: 0, waiting: 0 });
  await flow.cancel("all");
  await slow.release();
});

describe("results that are not fetched", () => {
  test("block the sender of their trace, and a call passes beside it at the same node", async () => {
    let sent = 0;
    const source = payloadNode({ name: "source", policy: one }, async (count: number, ctx) => {
      for (const index of range(count)) {
        await ctx.emit(index);
        sent = index + 1;
      }
    });
    const flow = running(create(source.to(), { queueMaxSize: 2 }));
    await flow.emit(12, { traceId: "unread" });
    await settle();
    expect(sent).toBe(2);
    expect(await within(500, flow.outcome(3))).toMatchObject({ status: "completed", results: [0, 1, 2] });
    const read: unknown[] = [];
    for (let left = 12; left > 0; left -= 1) {
      read.push(((await within(500, flow.fetch({ traceId: "unread" }))) as Message).payload);
    }
    expect(read).toEqual(range(12));
  });

  test("block emit in the end, however many traces they belong to: nothing is unbounded", async () => {
    const echo = payloadNode({ name: "echo", policy: { concurrency: 4 } }, (payload: number) => payload);
    const flow = running(create(echo.to(), { queueMaxSize: 4, limits: { rookeryMaxSize: 16 } }));
    let accepted = 0;
    const emits = range(1_000).map((payload) => flow.emit(payload).then(() => (accepted += 1)));
    await settle();
    await settle();
    const unread = accepted;
    for (let left = 1_000; left > 0; left -= 1) await within(500, flow.fetch());
    await within(500, Promise.all(emits));
    expect(unread).toBeLessThan(200);
  });
});

describe("a stream that is not read", () => {
  test("blocks its producer within the window, and no other trace, even at a node of concurrency 1", async () => {
    const sent: Record<string, number> = {};
    const talker = node({ name: "talker", policy: one }, async (message: Message<string>, ctx) => {
      for (const index of range(20)) {
        await ctx.emitChunk({ text: String(index) });
        sent[message.payload] = index + 1;
      }
      return message.payload;
    });
    const flow = running(create(talker.to(), { streamWindow: 4 }));
    const unread = flow.stream("unread");
    const first = unread.next();
    await settle();
    await first;
    await settle();
    expect(sent["unread"]).toBe(5);
    const texts: string[] = [];
    for await (const item of flow.stream("read")) if (item.type === "chunk") texts.push(item.chunk.text);
    expect(texts).toEqual([...range(20).map(String), ""]);
    expect(sent).toEqual({ unread: 5, read: 20 });
    await readAll(unread);
    expect(sent["unread"]).toBe(20);
  });

  test("stops a producer that ends a stream with every chunk, too", async () => {
    let sent = 0;
    const talker = payloadNode("talker", async (count: number, ctx) => {
      for (const index of range(count)) {
        await ctx.emitChunk({ text: "all", streamId: `stream ${index}`, done: true });
        sent += 1;
      }
      return count;
    });
    const flow = running(create(talker.to(), { streamWindow: 4 }));
    const stream = flow.stream(100);
    await stream.next();
    await settle();
    const ahead = sent;
    await readAll(stream);
    expect(sent).toBe(100);
    expect(ahead).toBeLessThanOrEqual(6);
  });

  test("stops a node that returns many results to it, and the results come in order", async () => {
    let sent = 0;
    const source = payloadNode("source", async (count: number, ctx) => {
      for (const index of range(count)) {
        await ctx.emit(index);
        sent += 1;
      }
    });
    const flow = running(create(source.to(), { streamWindow: 3 }));
    const stream = flow.stream(30);
    await stream.next();
    await settle();
    expect(sent).toBeLessThanOrEqual(5);
    const results: unknown[] = [];
    for await (const item of stream) if (item.type === "result") results.push(item.result);
    expect(results).toEqual(range(30).slice(1));
  });

  test("never costs its node a slot, though several chunks of one attempt got room while another had the slot", async () => {
    const [begin, door] = [gate(), gate()];
    const talker = payloadNode({ name: "talker", policy: one }, async (kind: string, ctx) => {
      if (kind === "slow") await door.passed;
      if (kind !== "many") return kind;
      await begin.passed;
      await Promise.all(range(6).map((index) => ctx.emitChunk({ text: String(index) })));
      return kind;
    });
    const flow = running(create(talker.to(), { streamWindow: 2 }));
    const stream = flow.stream("many");
    const first = stream.next();
    begin.open();
    await first;
    const slow = flow.call("slow");
    await settle();
    expect(flow.stats().nodes[0]).toMatchObject({ running: 1, queued: 0 });
    for (let left = 4; left > 0; left -= 1) await stream.next();
    door.open();
    await within(500, readAll(stream), "the stream");
    expect(await slow).toBe("slow");
    await settle();
    expect(flow.stats().nodes[0]).toMatchObject({ running: 0 });
    expect(await within(500, flow.call("after"))).toBe("after");
  });
});

test("a broadcast into two nodes of one cycle puts no more on an edge than it holds", async () => {
  const clock = new TestClock();
  const leave = async (message: Message<string>, ctx: Context) => {
    if (message.payload === "first" && ctx.node === "b" && ctx.attempt === 1) throw new Error("later");
    await ctx.sleep(10);
    return ctx.emit(message, { to: "Rookery" });
  };
  const source = node("source", (message: Message<string>) => message);
  const a = node({ name: "a", policy: { concurrency: 1 } }, leave);
  const b = node({ name: "b", policy: { concurrency: 1, maxRetries: 1, backoffBaseMs: 1_000, jitter: 0 } }, leave);
  const edges = [source.to(a, b), a.to(b), b.to(a)] as const;
  const flow = running(create(...edges, { allowCycles: true, queueMaxSize: 1, clock }), clock);
  const sizes = () => flow.stats().edges.map(({ size, capacity }) => size - capacity);
  const results: Promise<unknown>[] = [];
  for (const [payload, traceId] of [
    ["first", "x"],
    ["behind it", "x"],
    ["another's", "y"],
  ] as const) {
    results.push(flow.fetch(), flow.fetch());
    void flow.emit(payload, { traceId });
    await clock.advance(1);
    expect(Math.max(...sizes())).toBeLessThanOrEqual(0);
    await clock.advance(50);
  }
  await clock.advance(5_000);
  await Promise.all(results);
});

describe("a join whose groups wait for a slot", () => {
  test.each([1, 2])("blocks its senders when as many wait as an edge holds, in groups of %i", async (count) => {
    const door = gate();
    let emitted = 0;
    const source = payloadNode("source", async (total: number, ctx) => {
      for (const index of range(total)) {
        await ctx.emit(index);
        emitted += 1;
      }
    });
    const join = joinK("join", count, { input: shape<number>(), policy: { concurrency: 1 } });
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (group: readonly number[]) => {
      await door.passed;
      return group.length;
    });
    const flow = running(create(source.to(join), join.to(slow), { queueMaxSize: 2 }));
    const outcome = flow.outcome(100);
    await settle();
    expect(flow.stats().nodes.find(({ name }) => name === "join")?.queued).toBe(2);
    expect(emitted).toBeLessThan(10 * count);
    door.open();
    expect(await within(2_000, outcome)).toMatchObject({ status: "completed", results: { length: 100 / count } });
    expect(emitted).toBe(100);
  });

  test("takes what completes its groups from others as long as there is room, and drains in a cycle", async () => {
    const spread = payloadNode({ name: "spread", policy: { concurrency: 1 } }, async (left: readonly number[], ctx) => {
      for (const each of left)
        if (each > 0) {
          await ctx.emit(each - 1);
          await ctx.emit(each - 1);
        }
    });
    const join = joinK("join", 1, { input: shape<number>(), policy: { concurrency: 1 } });
    const enter = payloadNode("enter", (left: number) => left);
    const edges = [enter.to(join), join.to(spread), spread.to(join)] as const;
    const flow = running(create(...edges, { allowCycles: true, queueMaxSize: 1 }));
    expect(await within(4_000, flow.outcome(5))).toMatchObject({ status: "empty" });
    // more than the cycle can drain is a named deadlock, not an endless line
    const endless = flow.outcome(Number.POSITIVE_INFINITY);
    expect(await within(4_000, endless)).toMatchObject({ status: "failed", error: { code: FlowErrorCode.DEADLOCK } });
  });
});

describe("calls for which an edge has no room", () => {
  test("stand in line without a place, so that an emit that comes later gets the next one and its turn after them", async () => {
    const slow = held("slow");
    const flow = running(create(slow.node.to(), { queueMaxSize: 1 }));
    const calls = [1, 2, 3, 4].map((payload) => flow.call(payload));
    const emit = flow.emit(5);
    await settle();
    expect(flow.stats().edges).toMatchObject([{ size: 1, capacity: 1, waiting: 1 }]);
    expect(flow.stats().nodes).toMatchObject([{ queued: 4, running: 1 }]);
    expect(await isPending(emit)).toBe(true);
    await slow.release();
    await within(500, emit, "the emit");
    expect(slow.seen).toEqual([1, 2]);
    await slow.release(4);
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4]);
    expect(slow.seen).toEqual([1, 2, 3, 4, 5]);
    await flow.fetch();
  });

  test("share the line by tenant and by priority with those that have a place", async () => {
    const slow = held("slow");
    const flow = running(create(slow.node.to(), { queueMaxSize: 1 }));
    const calls = [
      ...[1, 2, 3, 4].map((payload) => flow.call(payload, { tenant: "many" })),
      flow.call(5, { tenant: "few" }),
      flow.call(6, { tenant: "few", priority: 1 }),
    ];
    await settle();
    await slow.release(6);
    await Promise.all(calls);
    expect(slow.seen).toEqual([1, 2, 6, 3, 5, 4]);
  });

  test("leave the line when they are cancelled, when their time is over and when the flow stops", async () => {
    const slow = held("slow");
    const clock = new TestClock();
    const dropped: unknown[] = [];
    const flow = create(slow.node.to(), { queueMaxSize: 1, clock })
      .addMiddleware((event) => {
        if (event.type === "message_drop" || event.type === "deadline_skip") dropped.push([event.type, event.traceId]);
      })
      .run();
    const outcomes = range(6).map((payload) =>
      flow.outcome(payload, { traceId: `t${payload}`, ...(payload === 4 ? { timeoutMs: 20 } : {}) }),
    );
    await settle();
    expect(flow.stats().nodes).toMatchObject([{ queued: 5 }]);
    expect(await flow.cancel("t3")).toMatchObject({ found: true, dropped: 1, aborted: 0 });
    await clock.advance(20);
    expect(flow.stats().nodes).toMatchObject([{ queued: 3 }]);
    const stopped = flow.stop();
    await slow.release();
    await stopped;
    expect((await Promise.all(outcomes)).map(({ status }) => status)).toEqual([
      "stopped",
      "stopped",
      "stopped",
      "cancelled",
      "exhausted",
      "stopped",
    ]);
    expect(slow.seen).toEqual([0]);
    expect(dropped.toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual([
      ["deadline_skip", "t4"],
      ["message_drop", "t1"],
      ["message_drop", "t2"],
      ["message_drop", "t3"],
      ["message_drop", "t5"],
    ]);
  });
});
