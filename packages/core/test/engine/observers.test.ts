import { describe, expect, test } from "vitest";
import {
  type BusEnvelope,
  type Clock,
  create,
  type FlowEvent,
  type HistoryPage,
  MemoryMessageBus,
  MemoryStateStore,
  type Message,
  type MessageBus,
  node,
  payloadNode,
  type StateStore,
  type StoredEvent,
  systemClock,
} from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { logbook, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const double = () => payloadNode("double", (value: number) => value * 2);
const add = () => payloadNode("add", (value: number) => value + 1);
const pair = () => {
  const [first, second] = [double(), add()];
  return first.to(second);
};
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Creates a store with the given `saveEvents`. */
const storing = (saveEvents: (batch: readonly StoredEvent[]) => Promise<void>): StateStore => ({
  saveEvents,
  loadHistory: async (): Promise<HistoryPage> => ({ events: [], cursor: undefined }),
  listTraces: async () => ({ traces: [], cursor: undefined }),
  prune: async () => 0,
  saveRemoteBinding: async () => {},
  findRemoteBindings: async () => [],
});

describe("middlewares", () => {
  test("see every event of a trace in order, each of them", async () => {
    const watches = [recorder(), recorder()];
    const flow = tidy(create(pair(), { middlewares: watches.map((one) => one.middleware) }).run());
    await Promise.all(Array.from({ length: 20 }, (_, index) => flow.call(index, { traceId: `t${index}` })));
    await flow.flush();
    for (const watch of watches) {
      for (const [, events] of Map.groupBy(watch.events, (event) => event.traceId)) {
        expect(events.map((event) => event.type)).toEqual([
          "trace_start",
          "node_start",
          "node_success",
          "node_start",
          "node_success",
          "trace_end",
        ]);
      }
    }
  });

  test("that are slow, one event at a time and in order, cost the flow nothing", async () => {
    const seen: FlowEvent[] = [];
    let running = 0;
    let most = 0;
    const slow = async (event: FlowEvent): Promise<void> => {
      most = Math.max(most, (running += 1));
      await turn();
      seen.push(event);
      running -= 1;
    };
    const quick = recorder();
    const flow = tidy(create(pair(), { middlewares: [slow, quick.middleware] }).run());
    await flow.call(1);
    expect(seen.length).toBeLessThan(6);
    await flow.flush();
    expect(seen).toEqual(quick.events);
    expect(most).toBe(1);
  });

  test("that throw or reject are logged, counted, and see the next event nevertheless", async () => {
    const logger = logbook();
    let calls = 0;
    const throwing = () => {
      calls += 1;
      throw new Error("observer broke");
    };
    const rejecting = async () => {
      await turn();
      throw new Error("observer rejected");
    };
    const flow = tidy(create(pair(), { middlewares: [throwing, rejecting], logger }).run());
    expect(await flow.call(1)).toBe(3);
    await flow.flush();
    expect(calls).toBe(6);
    expect(flow.stats().observers.middlewares).toMatchObject([{ failed: 6 }, { failed: 6 }]);
    expect(logger.lines).toHaveLength(12);
    expect(logger.lines[0]).toMatchObject({ level: "warn", fields: { event: "trace_start" } });
    expect(JSON.stringify(logger.lines)).toContain("observer broke");
  });

  test("whose logger throws as well do not break the flow", async () => {
    const broken = () => {
      throw new Error("logger broke");
    };
    const logger = { debug: broken, info: broken, warn: broken, error: broken };
    const throwing = () => {
      throw new Error("observer broke");
    };
    const quick = recorder();
    const flow = tidy(create(pair(), { middlewares: [throwing, quick.middleware], logger }).run());
    expect(await flow.call(1)).toBe(3);
    await within(1_000, flow.flush(), "flush");
    expect(quick.events).toHaveLength(6);
    expect(await flow.call(2)).toBe(5);
  });

  test("1 000 of them, slow or throwing, change nothing but their own counters", async () => {
    const logger = logbook();
    const never = new Promise<void>(() => {});
    const middlewares = Array.from({ length: 1_000 }, (_, index) =>
      index % 2 === 0
        ? () => never
        : () => {
            throw new Error("broken");
          },
    );
    const flow = create(pair(), { middlewares, limits: { observerBuffer: 4 }, logger }).run();
    const results = await within(
      5_000,
      Promise.all(Array.from({ length: 20 }, (_, index) => flow.call(index))),
      "twenty calls",
    );
    expect(results).toEqual(Array.from({ length: 20 }, (_, index) => index * 2 + 1));
    const { observers, traces } = flow.stats();
    expect(traces).toBe(0);
    // 120 events: those in delivery and 4 in the buffer are kept, the rest is counted
    const [slow, throwing] = [0, 1].map((rest) => observers.middlewares.filter((_, index) => index % 2 === rest));
    for (const count of slow!) {
      expect(count.dropped + count.pending).toBe(120);
      expect(count.dropped).toBeGreaterThan(0);
    }
    for (const count of throwing!) expect(count.failed).toBeGreaterThan(0);
  });

  test("that hang forever do not delay stop", async () => {
    const flow = create(pair(), { middlewares: [() => new Promise<void>(() => {})] }).run();
    expect(await flow.call(1)).toBe(3);
    const report = await within(3_000, flow.stop(), "stop");
    expect(report).toMatchObject({ cancelled: 0, abandoned: 0 });
  });

  test("count what finds their buffer full, and no other middleware loses anything", async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const seen: string[] = [];
    const slow = async (event: FlowEvent): Promise<void> => {
      seen.push(event.type);
      await gate;
    };
    const quick = recorder();
    const flow = tidy(create(pair(), { middlewares: [slow, quick.middleware], limits: { observerBuffer: 10 } }).run());
    for (let call = 0; call < 10; call += 1) {
      await flow.call(call);
      await turn();
    }
    const [slowCount, quickCount] = flow.stats().observers.middlewares;
    expect(quickCount).toEqual({ dropped: 0, failed: 0, pending: 0 });
    expect((slowCount?.dropped ?? 0) + (slowCount?.pending ?? 0)).toBe(60);
    expect(slowCount?.dropped).toBeGreaterThanOrEqual(40);
    open();
    await flow.flush();
    expect(seen.length + (slowCount?.dropped ?? 0)).toBe(60);
    expect(flow.stats().observers.middlewares[0]?.pending).toBe(0);
  });

  test("cannot change what others see: events are frozen", async () => {
    const failures: unknown[] = [];
    const meddling = (event: FlowEvent) => {
      try {
        (event as { type: string }).type = "changed";
      } catch (error) {
        failures.push(error);
      }
    };
    const quick = recorder();
    const flow = tidy(create(pair(), { middlewares: [meddling, quick.middleware] }).run());
    await flow.call(1);
    await flow.flush();
    expect(failures).toHaveLength(6);
    expect(quick.types()).not.toContain("changed");
  });

  test("may call the flow they observe", async () => {
    let isInner = false;
    let inner: Promise<number> | undefined;
    const flow = create(pair(), {
      middlewares: [
        (event) => {
          if (event.type !== "trace_end" || isInner) return;
          isInner = true;
          inner = flow.call(10);
        },
      ],
    });
    tidy(flow.run());
    await flow.call(1);
    await flow.flush();
    expect(await inner).toBe(21);
  });

  test("are fixed at run: adding one to a running flow throws, before and after it is fine", async () => {
    const [early, late, later] = [recorder(), recorder(), recorder()];
    const flow = create(pair(), { middlewares: [early.middleware] }).addMiddleware(late.middleware);
    tidy(flow.run());
    expect(() => flow.addMiddleware(later.middleware)).toThrow(/running/);
    await flow.call(1);
    await flow.stop();
    expect(late.events).toEqual(early.events);
    expect(later.events).toEqual([]);
    flow.addMiddleware(later.middleware).run();
    await flow.call(1);
    await flow.stop();
    expect(later.events).toHaveLength(6);
  });

  test.each([undefined, null, 5, {}])("that are no function (%s) are refused", (middleware) => {
    expect(() => create(pair(), { middlewares: [middleware as never] })).toThrow(/middleware must be a function/);
    expect(() => create(pair()).addMiddleware(middleware as never)).toThrow(/middleware must be a function/);
  });

  test("are told everything before stop resolves", async () => {
    const watch = recorder();
    const flow = create(pair(), {
      middlewares: [
        async (event) => {
          await turn();
          watch.middleware(event);
        },
      ],
    }).run();
    await flow.call(1);
    await flow.stop();
    expect(watch.types().at(-1)).toBe("trace_end");
  });
});

describe("without listeners", () => {
  test("no event is built: the wall clock is not read for hops", async () => {
    let reads = 0;
    const clock: Clock = {
      now: () => systemClock.now(),
      epochNow: () => {
        reads += 1;
        return systemClock.epochNow();
      },
      setTimer: (callback, delayMs) => systemClock.setTimer(callback, delayMs),
    };
    const chain = (length: number) => {
      const nodes = Array.from({ length }, (_, index) => payloadNode(`n${index}`, (value: number) => value + 1));
      return nodes.slice(1).map((next, index) => nodes[index]!.to(next));
    };
    const readsOf = async (length: number, watch?: ReturnType<typeof recorder>) => {
      const options = { clock, middlewares: watch === undefined ? [] : [watch.middleware] };
      const flow = tidy(create(...chain(length), options).run());
      reads = 0;
      expect(await flow.call(0)).toBe(length);
      return reads;
    };
    // a slow machine spreads the hops over a few turns, each of which may read it
    expect(await readsOf(40)).toBeLessThan(20);
    // the end of one handler and the start of the next are the same moment
    expect(await readsOf(40, recorder())).toBeGreaterThanOrEqual(40);
  });
});

describe("the state store", () => {
  test("gets every event in order, in batches, one at a time", async () => {
    const batches: (readonly StoredEvent[])[] = [];
    let running = 0;
    const store = storing(async (batch) => {
      running += 1;
      expect(running).toBe(1);
      await turn();
      batches.push(batch);
      running -= 1;
    });
    const watch = recorder();
    const flow = tidy(create(pair(), { stateStore: store, middlewares: [watch.middleware] }).run());
    for (let call = 0; call < 30; call += 1) await flow.call(call);
    await flow.flush();
    expect(batches.flat().map((event) => event.payload)).toEqual(watch.events);
    expect(batches.length).toBeLessThan(watch.events.length / 2);
  });

  test("stores plain data with tenant, trace, kind, time and node", async () => {
    const stateStore = new MemoryStateStore();
    const clock = new TestClock();
    const failing = payloadNode("failing", (value: number) => {
      throw Object.assign(new Error("boom"), { cause: new TypeError("inner"), value });
    });
    const flow = tidy(create(failing.to(), { stateStore, clock }).run());
    await flow.outcome(7, { traceId: "t", tenant: "acme", topic: "birds" });
    const { events, cursor } = await flow.loadHistory("t", { tenant: "acme" });
    expect(cursor).toBeUndefined();
    expect(events.map(({ kind, node: name }) => [kind, name])).toEqual([
      ["trace_start", undefined],
      ["node_start", "failing"],
      ["node_error", "failing"],
      ["node_failed", "failing"],
      ["trace_end", undefined],
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ tenant: "acme", traceId: "t", at: clock.epochNow() });
      expect(JSON.parse(JSON.stringify(event.payload))).toEqual(withoutUndefined(event.payload));
    }
    expect(JSON.stringify(events)).toContain("inner");
  });

  test("that fails is logged with the events' names; handlers and callers never notice", async () => {
    const logger = logbook();
    let saves = 0;
    const store = storing(async () => {
      saves += 1;
      if (saves === 1) throw new Error("disk full");
    });
    const flow = tidy(create(pair(), { stateStore: store, logger }).run());
    expect(await flow.call(1)).toBe(3);
    await flow.flush();
    expect(await flow.call(2)).toBe(5);
    await flow.flush();
    expect(flow.stats().observers.stateStore).toMatchObject({ failed: 1, dropped: 0, pending: 0 });
    expect(saves).toBeGreaterThan(1);
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines[0]?.level).toBe("error");
    expect(JSON.stringify(logger.lines[0])).toMatch(/trace_start.*disk full/);
  });

  test("that throws at once is no different", async () => {
    const logger = logbook();
    const store = storing(() => {
      throw new Error("no connection");
    });
    const flow = tidy(create(pair(), { stateStore: store, logger }).run());
    expect(await flow.call(1)).toBe(3);
    await flow.flush();
    expect(logger.lines.length).toBeGreaterThan(0);
  });

  test("that hangs loses events beyond the buffer, counted, and delays neither calls nor stop", async () => {
    const store = storing(() => new Promise<void>(() => {}));
    const flow = create(pair(), { stateStore: store, limits: { observerBuffer: 10 } }).run();
    for (let call = 0; call < 20; call += 1) expect(await flow.call(call)).toBe(call * 2 + 1);
    const { dropped, pending } = flow.stats().observers.stateStore;
    expect(dropped + pending).toBe(120);
    expect(dropped).toBeGreaterThan(0);
    await within(3_000, flow.stop(), "stop");
  });

  test("gives a history page by page, also after stop, and never another tenant's", async () => {
    const stateStore = new MemoryStateStore();
    const flow = create(pair(), { stateStore }).run();
    await flow.call(1, { traceId: "t", tenant: "acme" });
    await flow.call(1, { traceId: "t", tenant: "rival" });
    await flow.stop();
    const kinds: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await flow.loadHistory("t", {
        tenant: "acme",
        limit: 4,
        ...(cursor === undefined ? {} : { cursor }),
      });
      kinds.push(...page.events.map((event) => event.kind));
      for (const event of page.events) expect(event.tenant).toBe("acme");
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined);
    expect(pages).toBe(2);
    expect(kinds).toEqual(["trace_start", "node_start", "node_success", "node_start", "node_success", "trace_end"]);
    expect((await flow.loadHistory("t")).events).toEqual([]);
  });

  test("is needed for a history: without one loadHistory says so", async () => {
    expect(await rejection(tidy(create(pair()).run()).loadHistory("t"))).toMatchObject({
      name: "TypeError",
      message: expect.stringMatching(/history.*stateStore/) as string,
    });
  });
});

describe("the message bus", () => {
  const busOf = () => {
    const envelopes: BusEnvelope[] = [];
    const bus: MessageBus = { publish: async (batch) => void envelopes.push(...batch) };
    return { bus, envelopes };
  };

  test("is told of ingress, inner and Rookery edges, in order, after acceptance", async () => {
    const clock = new TestClock();
    const { bus, envelopes } = busOf();
    const flow = tidy(create(pair(), { messageBus: bus, clock, name: "sums" }).run());
    await flow.call(4, { traceId: "t", tenant: "acme", topic: "x", meta: { a: [1] } });
    await flow.flush();
    expect(envelopes.map(({ edge, source, target, payload }) => [edge, source, target, payload])).toEqual([
      ["OpenSea->double", "OpenSea", "double", 4],
      ["double->add", "double", "add", 8],
      ["add->Rookery", "add", "Rookery", 9],
    ]);
    for (const envelope of envelopes) {
      expect(envelope).toMatchObject({
        version: 1,
        flow: "sums",
        traceId: "t",
        tenant: "acme",
        headers: { tenant: "acme", topic: "x" },
        meta: { a: [1] },
        at: clock.epochNow(),
      });
      expect(JSON.parse(JSON.stringify(envelope))).toEqual(JSON.parse(JSON.stringify({ ...envelope })));
      expect(Object.keys(JSON.parse(JSON.stringify(envelope)) as object)).toContain("payload");
    }
  });

  test("is told of a broadcast once per edge, of a loop once per round, of nothing for what is refused", async () => {
    const { bus, envelopes } = busOf();
    const clock = new TestClock();
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (value: number, ctx) => {
      await ctx.sleep(10);
      return value;
    });
    const flow = tidy(create(slow.to(), { messageBus: bus, queueMaxSize: 1, clock }).run());
    const ids = [flow.emitNowait(1), flow.emitNowait(2)];
    expect(() => flow.emitNowait(3)).toThrow(expect.objectContaining({ code: "QUEUE_FULL" }) as Error);
    await clock.advance(20);
    for (const traceId of ids) await flow.fetch({ traceId });
    await flow.flush();
    expect(envelopes.map(({ edge, payload }) => [edge, payload])).toEqual([
      ["OpenSea->slow", 1],
      ["OpenSea->slow", 2],
      ["slow->Rookery", 1],
      ["slow->Rookery", 2],
    ]);
  });

  test("is told of a message that waited for room only when it got in", async () => {
    const { bus, envelopes } = busOf();
    const clock = new TestClock();
    const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (value: number, ctx) => {
      await ctx.sleep(10);
      return value;
    });
    const flow = tidy(create(slow.to(), { messageBus: bus, queueMaxSize: 1, clock }).run());
    const calls = [1, 2, 3].map((value) => flow.call(value));
    await clock.advance(0);
    await flow.flush();
    expect(envelopes.map(({ payload }) => payload)).toEqual([1, 2]);
    await clock.advance(30);
    await Promise.all(calls);
    await flow.flush();
    expect(envelopes.filter(({ target }) => target === "slow").map(({ payload }) => payload)).toEqual([1, 2, 3]);
  });

  test("gets what a node with retries sends once, after the attempt that succeeded", async () => {
    const { bus, envelopes } = busOf();
    const clock = new TestClock();
    const flaky = node(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 1, jitter: 0 } },
      async (message: Message<number>, ctx) => {
        await ctx.emit(message.payload + ctx.attempt);
        if (ctx.attempt === 1) throw new Error("again");
        return undefined as number | undefined;
      },
    );
    const flow = tidy(create(flaky.to(add()), { messageBus: bus, clock }).run());
    const call = flow.call(10);
    await clock.advance(5);
    expect(await call).toBe(13);
    await flow.flush();
    expect(envelopes.map(({ edge, payload }) => [edge, payload])).toEqual([
      ["OpenSea->flaky", 10],
      ["flaky->add", 12],
      ["add->Rookery", 13],
    ]);
  });

  test("that fails is logged with its edges and never reaches the flow; one that hangs does not delay stop", async () => {
    const logger = logbook();
    const failing: MessageBus = {
      publish: async () => {
        throw new Error("broker gone");
      },
    };
    const flow = tidy(create(pair(), { messageBus: failing, logger }).run());
    expect(await flow.call(1)).toBe(3);
    await flow.flush();
    expect(JSON.stringify(logger.lines)).toMatch(/OpenSea->double.*broker gone/);
    expect(flow.stats().observers.messageBus.failed).toBeGreaterThan(0);

    const hanging = create(pair(), { messageBus: { publish: () => new Promise<void>(() => {}) } }).run();
    expect(await hanging.call(1)).toBe(3);
    await within(3_000, hanging.stop(), "stop");
  });

  test("reaches the subscribers of a memory bus by tenant and edge", async () => {
    const messageBus = new MemoryMessageBus();
    const [all, inner, others]: [unknown[], unknown[], unknown[]] = [[], [], []];
    messageBus.subscribe({ tenant: "acme" }, (envelope) => all.push(envelope.edge));
    const leave = messageBus.subscribe({ tenant: "acme", edge: "double->add" }, (one) => inner.push(one.payload));
    messageBus.subscribe({ tenant: "rival" }, (envelope) => others.push(envelope));
    const flow = tidy(create(pair(), { messageBus }).run());
    await flow.call(1, { tenant: "acme" });
    await flow.flush();
    leave();
    await flow.call(2, { tenant: "acme" });
    await flow.flush();
    expect(all).toHaveLength(6);
    expect(inner).toEqual([2]);
    expect(others).toEqual([]);
  });
});

test("flush resolves at once on a flow that does not run, and with everything delivered on one that does", async () => {
  const watch = recorder();
  const flow = create(pair(), { middlewares: [watch.middleware] });
  await flow.flush();
  tidy(flow.run());
  await flow.call(1);
  await flow.flush();
  expect(watch.events).toHaveLength(6);
});

test("flush waits for what was told before it, not for what is told meanwhile", async () => {
  const state = { calls: 0, isOver: false };
  const flow = create(pair(), {
    // each received event leads to the next: the buffer is never empty
    middlewares: [
      async (event) => {
        await turn();
        if (event.type === "trace_end" && !state.isOver) void flow.call((state.calls += 1));
      },
    ],
  }).run();
  await flow.call(0);
  expect(await within(1_000, flow.flush(), "flush")).toBe(true);
  expect(flow.stats().observers.middlewares[0]?.pending).toBeGreaterThan(0);
  state.isOver = true;
  await flow.stop();
});

test("flush gives up an observer that hangs after its time and says so, and a history is read without it", async () => {
  const clock = new TestClock();
  const logger = logbook();
  const stateStore = new MemoryStateStore();
  const middlewares = [() => new Promise<void>(() => {})];
  const flow = create(pair(), { middlewares, stateStore, clock, logger, graceMs: 100 }).run();
  await flow.call(1, { traceId: "seen" });
  const flushed = flow.flush({ timeoutMs: 50 });
  expect(await within(1_000, flow.loadHistory("seen"), "the history")).toMatchObject({
    events: [{}, {}, {}, {}, {}, {}],
  });
  await clock.advance(50);
  expect(await within(1_000, flushed, "flush")).toBe(false);
  expect(logger.lines).toMatchObject([{ level: "warn", message: "observers_given_up" }]);
  const stopped = flow.stop();
  await clock.advance(200);
  await within(1_000, stopped, "stop");
});

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, withoutUndefined(item)]),
  );
}
