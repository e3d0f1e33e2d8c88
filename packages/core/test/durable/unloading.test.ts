import { deepStrictEqual } from "node:assert";
import { getEventListeners } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import {
  type CheckpointFilter,
  type CheckpointPartition,
  type Context,
  create,
  type Flow,
  FlowError,
  type FlowOptions,
  joinK,
  MemoryCheckpointStore,
  type Outcome,
  type PauseTicket,
  payloadNode,
  shape,
} from "penguiflow";
import { durable, type DurableOptions } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { gate, isPending, passing, range, readAll } from "../fixtures/quiet-flow.ts";
import { logbook, recorder, rejection, within } from "../fixtures/watched-flow.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** So long that no test renews it. */
const LEASE_MS = 10_000 * HOUR;

const codeOf = (error: unknown): unknown => (error instanceof FlowError ? error.code : error);
const ticketOf = (outcome: Outcome): PauseTicket => {
  if (outcome.status !== "paused") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.pauses[0] as PauseTicket;
};

const started: { readonly flow: Flow<number, unknown>; readonly clock: TestClock }[] = [];

/** Starts a flow that the test must leave without traces, and with no timer but the renewal of its lease. */
function running<Running extends Flow<number, unknown>>(flow: Running, clock: TestClock): Running {
  (flow as Flow<number, unknown>).run({});
  started.push({ flow, clock });
  return flow;
}

afterEach(async () => {
  for (const { flow, clock } of started.splice(0)) {
    if (!flow.isRunning) continue;
    const { traces, timers, unreadResults, fetchers } = flow.stats();
    await passing(clock, flow.stop());
    deepStrictEqual([traces, timers, unreadResults, fetchers], [0, 1, 0, 0]);
  }
});

type Handle = (n: number, ctx: Context) => Promise<unknown>;

/** Creates a store, and processes that run one flow on it one after the other. */
function machine(handle: Handle, durability: Partial<DurableOptions> = {}) {
  const clock = new TestClock();
  const checkpoints = new MemoryCheckpointStore({ clock });
  const logger = logbook();
  const boot = (options: FlowOptions = {}, isRun = true) => {
    const work = payloadNode("work", async (n: number, ctx) => await handle(n, ctx));
    const flow = create(work.to(), {
      logger,
      clock,
      durability: durable({ checkpoints, leaseMs: LEASE_MS, unloadAfterMs: MINUTE, ...durability }),
      ...options,
    });
    return isRun ? running(flow, clock) : flow;
  };
  return { clock, checkpoints, logger, boot };
}

/** Makes reads of a store slow that begin while `isSlow`: until `begin`, they have read nothing, and until `end`, not all. */
function slowReads(checkpoints: MemoryCheckpointStore) {
  const reading = { isSlow: false, begin: Promise.withResolvers<void>(), end: Promise.withResolvers<void>() };
  const open = checkpoints.open.bind(checkpoints);
  checkpoints.open = async (lease) => {
    const partition = await open(lease);
    const all = partition.read.bind(partition);
    partition.read = async function* (filter) {
      const { isSlow, begin, end } = reading;
      if (isSlow) await begin.promise;
      yield* all(filter);
      if (isSlow) await end.promise;
    };
    return partition;
  };
  return reading;
}

const asking: Handle = async (n, ctx) => n + (await ctx.pause<number>({ reason: "how many?" }));

describe("a trace at rest", () => {
  test("leaves memory after unloadAfterMs, with its timers, and is counted as before", async () => {
    const { clock, boot } = machine(asking);
    const flow = boot();
    await flow.ready();
    for (const n of range(5))
      ticketOf(await within(2_000, flow.outcome(n, { traceId: `t${n}`, timeoutMs: 10 * HOUR })));
    await clock.advance(MINUTE - 1);
    const before = flow.stats();
    await clock.advance(1);
    const after = flow.stats();
    // one timer renews the lease, one waits for the earliest deadline
    expect(after.timers).toBe(2);
    expect(before.timers).toBeGreaterThan(5);
    expect([after.traces, after.accepted, after.outcomes]).toEqual([5, 5, before.outcomes]);
    for (const n of range(5)) await flow.cancel(`t${n}`);
    expect(flow.stats()).toMatchObject({ traces: 0, outcomes: { cancelled: 5 } });
  });

  test("is loaded by the token of its pause, and answered once", async () => {
    const { clock, boot } = machine(asking);
    const flow = boot();
    await flow.ready();
    const { token } = ticketOf(await within(2_000, flow.outcome(1)));
    await clock.advance(HOUR);
    const answers = [1, 2, 3].map((value) =>
      flow.pauses.resume(token, value).then((outcome) => outcome.results, codeOf),
    );
    const told = await passing(clock, Promise.all(answers));
    expect(told).toEqual([[2], "PAUSE_USED", "PAUSE_USED"]);
    expect(codeOf(await rejection(flow.pauses.resume(token, 4)))).toBe("PAUSE_USED");
    expect(flow.stats()).toMatchObject({ traces: 0, accepted: 1, outcomes: { completed: 1 } });
  });

  test("keeps its answer from another tenant", async () => {
    const { clock, boot } = machine(asking);
    const flow = boot();
    await flow.ready();
    const { token } = ticketOf(await within(2_000, flow.outcome(1, { tenant: "ada" })));
    await clock.advance(HOUR);
    expect(codeOf(await rejection(flow.pauses.resume(token, 1, { tenant: "bob" })))).toBe("PAUSE_FOREIGN");
    expect((await flow.cancel("none", { tenant: "bob" })).found).toBe(false);
    expect(await flow.pauses.list({ tenant: "bob" })).toEqual([]);
    expect(await passing(clock, flow.pauses.resume(token, 1, { tenant: "ada" }))).toMatchObject({ results: [2] });
  });

  test("is cancelled, fetched and followed by its id", async () => {
    const { clock, boot } = machine(asking);
    const flow = boot();
    await flow.ready();
    const tokens: string[] = [];
    for (const id of ["a", "b", "c"])
      tokens.push(ticketOf(await within(2_000, flow.outcome(1, { traceId: id }))).token);
    await clock.advance(HOUR);
    expect(await flow.cancel("a")).toMatchObject({ found: true, dropped: 1 });
    const fetched = flow.fetch({ traceId: "b" });
    expect(await isPending(fetched)).toBe(true);
    // a trace that a fetch waits for stays
    await clock.advance(HOUR);
    expect(await isPending(fetched)).toBe(true);
    await passing(clock, flow.pauses.resume(tokens[1] as string, 1));
    expect(await within(2_000, fetched)).toMatchObject({ payload: 2 });
    const followed = await flow.recovery.follow("c");
    // the reader takes its time
    await clock.advance(HOUR);
    expect(codeOf(await rejection(readAll(followed)))).toBe("TRACE_PAUSED");
    await clock.advance(HOUR);
    const stream = flow.pauses.resumeStream(tokens[2] as string, 5);
    expect(await passing(clock, readAll(stream))).toMatchObject([{ type: "result", result: 6 }]);
    expect(codeOf(await rejection(flow.recovery.follow("d")))).toBe("TRACE_UNKNOWN");
  });

  test("is listed without being loaded", async () => {
    const { clock, boot } = machine(asking);
    const flow = boot();
    await flow.ready();
    for (const n of range(3))
      await within(2_000, flow.outcome(n, { traceId: `t${n}`, tenant: n === 2 ? "bob" : "ada" }));
    const listed = await flow.pauses.list({ tenant: "ada" });
    const ofAll = await flow.pauses.list({ allTenants: true });
    expect(ofAll.map(({ tenant }) => tenant).sort()).toEqual(["ada", "ada", "bob"]);
    const unfinished = await flow.recovery.unfinished();
    await clock.advance(HOUR);
    await within(2_000, flow.outcome(3, { traceId: "t3", tenant: "bob" }));
    const timers = flow.stats().timers;
    expect(await flow.pauses.list({ tenant: "ada" })).toEqual(listed);
    expect(await flow.pauses.list({ allTenants: true })).toEqual(expect.arrayContaining(ofAll));
    expect(await flow.pauses.list({ tenant: "ada", traceId: "t1" })).toEqual([listed[1]]);
    expect((await flow.pauses.list({ tenant: "bob" })).map(({ traceId }) => traceId).sort()).toEqual(["t2", "t3"]);
    const now = await flow.recovery.unfinished();
    for (const trace of unfinished) expect(now).toContainEqual(trace);
    expect(now.map(({ status }) => status)).toEqual(["paused", "paused", "paused", "paused"]);
    expect(flow.stats().timers).toBe(timers);
    for (const n of range(4)) await flow.cancel(`t${n}`);
  });

  test("is listed also when it is loaded and due to leave again while the store is read", async () => {
    const { clock, checkpoints, boot } = machine(asking);
    const reading = slowReads(checkpoints);
    const flow = boot();
    await flow.ready();
    await within(2_000, flow.outcome(1, { traceId: "t" }));
    const unfinished = await flow.recovery.unfinished();
    const pauses = await flow.pauses.list();
    await clock.advance(HOUR);
    reading.isSlow = true;
    const listings = Promise.all([flow.recovery.unfinished(), flow.pauses.list()]);
    expect(await isPending(listings)).toBe(true);
    reading.isSlow = false;
    const reader = await flow.recovery.follow("t");
    expect(codeOf(await rejection(readAll(reader)))).toBe("TRACE_PAUSED");
    reading.begin.resolve();
    expect(await isPending(listings)).toBe(true);
    await clock.advance(HOUR);
    reading.end.resolve();
    expect(await within(2_000, listings)).toEqual([unfinished, pauses]);
    const { timers } = flow.stats();
    // afterwards it does leave
    await clock.advance(HOUR);
    expect(flow.stats().timers).toBe(timers - 1);
    await flow.cancel("t");
  });

  test("is found by its id also when it has come to rest while the store is read", async () => {
    const question = Promise.withResolvers<void>();
    const { clock, checkpoints, boot } = machine(async (n, ctx) => {
      if (n > 0) await question.promise;
      return await ctx.pause({ reason: "how many?" });
    });
    const reading = slowReads(checkpoints);
    const flow = boot();
    await flow.ready();
    await within(2_000, flow.outcome(0, { traceId: "unloaded" }));
    await clock.advance(HOUR);
    const outcome = flow.outcome(1, { traceId: "t" });
    reading.isSlow = true;
    const cancelling = flow.cancel("t");
    reading.begin.resolve();
    expect(await isPending(cancelling)).toBe(true);
    question.resolve();
    ticketOf(await within(2_000, outcome));
    await clock.advance(HOUR);
    reading.end.resolve();
    expect((await within(2_000, cancelling)).found).toBe(true);
    reading.isSlow = false;
    await flow.cancel("unloaded");
  });

  test("tells observers that it was unloaded, and nothing when it is loaded", async () => {
    const told = recorder();
    const { clock, boot } = machine(asking);
    const flow = boot({ middlewares: [told.middleware] });
    await flow.ready();
    const { token } = ticketOf(await within(2_000, flow.outcome(1)));
    await clock.advance(HOUR);
    await passing(clock, flow.pauses.resume(token, 1));
    await flow.flush();
    const types = told.events.map(({ type }) => type).filter((type) => type.startsWith("trace_"));
    expect(types).toEqual(["trace_start", "trace_pause", "trace_unload", "trace_end"]);
  });
});

describe("an unloaded trace continues at its instant", () => {
  test("when its sleep is over", async () => {
    const calls: number[] = [];
    const { clock, boot } = machine(async (n, ctx) => {
      if (n === 1) await ctx.pause({ reason: "?" });
      await ctx.sleep(2 * HOUR, { name: "nap" });
      calls.push(clock.now());
      return n;
    });
    const flow = boot();
    await flow.ready();
    const { token } = ticketOf(await within(2_000, flow.outcome(1, { traceId: "t" })));
    const outcome = flow.pauses.resume(token, 0);
    await clock.advance(2 * HOUR - 1);
    // its caller waits: it stays in memory
    expect(await isPending(outcome)).toBe(true);
    await clock.advance(1);
    expect(await within(2_000, outcome)).toMatchObject({ status: "completed" });
    expect(calls).toEqual([2 * HOUR]);
  });

  test("when its pause expires", async () => {
    const { clock, boot } = machine(async (n, ctx) => {
      const expiresAt = clock.epochNow() + n * HOUR;
      return await ctx.pause<number>({ reason: "?", expiresAt, ...(n === 2 ? { ifExpired: 7 } : {}) });
    });
    const flow = boot();
    await flow.ready();
    for (const n of [3, 2, 1]) ticketOf(await within(2_000, flow.outcome(n, { traceId: `t${n}` })));
    await clock.advance(HOUR - 1);
    expect(flow.stats()).toMatchObject({ traces: 3, timers: 2 });
    await clock.advance(1);
    expect(flow.stats()).toMatchObject({ traces: 2, outcomes: { failed: 1 } });
    expect(codeOf(await rejection(flow.fetch({ traceId: "t1" })))).toBe("PAUSE_EXPIRED");
    await clock.advance(HOUR);
    expect(await within(2_000, flow.fetch({ traceId: "t2" }))).toMatchObject({ payload: 7 });
    await clock.advance(HOUR);
    expect(flow.stats()).toMatchObject({ traces: 0, outcomes: { failed: 2, completed: 1 } });
    await flow.recovery.discard("t1");
    await flow.recovery.discard("t3");
    await rejection(flow.fetch({ traceId: "t3" }));
  });

  test("when its deadline passes, and when a join gives up", async () => {
    const { clock, checkpoints } = machine(asking);
    const split = payloadNode("split", (n: number) => n);
    const ask = payloadNode("ask", async (n: number, ctx) => n + (await ctx.pause<number>({ reason: "?" })));
    const both = joinK("both", 2, { input: shape<number>(), timeoutMs: 3 * HOUR });
    const flow = running(
      create(split.to(ask, both), ask.to(both), {
        clock,
        logger: logbook(),
        durability: durable({ checkpoints, partition: "joins", leaseMs: LEASE_MS, unloadAfterMs: MINUTE }),
      }),
      clock,
    );
    await flow.ready();
    const { token } = ticketOf(await within(2_000, flow.outcome(1, { traceId: "answered" })));
    ticketOf(await within(2_000, flow.outcome(1, { traceId: "late", timeoutMs: HOUR })));
    ticketOf(await within(2_000, flow.outcome(1, { traceId: "short" })));
    await clock.advance(HOUR - 1);
    expect(flow.stats().nodes.flatMap(({ groups }) => groups)).toEqual([]);
    await clock.advance(1);
    expect(flow.stats()).toMatchObject({ traces: 2, outcomes: { exhausted: 1 } });
    expect(await passing(clock, flow.pauses.resume(token, 4), 1)).toMatchObject({ results: [[1, 5]] });
    await clock.advance(2 * HOUR);
    expect(flow.stats()).toMatchObject({ traces: 0, outcomes: { failed: 1, completed: 1 } });
    expect(codeOf(await rejection(flow.fetch({ traceId: "short" })))).toBe("JOIN_TIMEOUT");
    await rejection(flow.fetch({ traceId: "late" }));
    await flow.recovery.discard("short");
  });
});

describe("a trace stays in memory", () => {
  test("while a caller waits for it, or a task or a signal of its own belongs to it", async () => {
    const { clock, boot } = machine(async (n, ctx) => {
      if (n === 0) await ctx.sleep(5 * HOUR, { name: "nap" });
      else await ctx.pause({ reason: "?" });
      return n;
    });
    const flow = boot();
    await flow.ready();
    const called = flow.call(0);
    await within(2_000, flow.outcome(2, { traceId: "watched" }));
    const signal = flow.ensureTraceSignal("watched");
    await clock.advance(HOUR);
    await flow.cancel("watched");
    expect(signal.aborted).toBe(true);
    expect(await passing(clock, called, HOUR)).toBe(0);
  });

  test("of emit, so that further messages join it", async () => {
    const { clock, boot } = machine(asking);
    const flow = boot();
    await flow.ready();
    await flow.emit(1, { traceId: "t" });
    await clock.advance(HOUR);
    flow.emitNowait(2, { traceId: "t" });
    await clock.advance(1);
    expect(flow.stats().traces).toBe(1);
    expect(await flow.pauses.list()).toHaveLength(2);
    await flow.cancel("t");
    await rejection(flow.fetch({ traceId: "t" }));
  });

  test("with unloadAfterMs of Infinity", async () => {
    const { clock, boot } = machine(asking, { unloadAfterMs: Number.POSITIVE_INFINITY });
    const flow = boot();
    await flow.ready();
    ticketOf(await within(2_000, flow.outcome(1, { traceId: "t", timeoutMs: 1_000 * HOUR })));
    await clock.advance(100 * HOUR);
    // the renewal of the lease and the deadline
    expect(flow.stats().timers).toBe(2);
    expect(flow.ensureTraceSignal("t").aborted).toBe(false);
    await flow.cancel("t");
  });
});

test("the signal of its caller cancels an unloaded trace, and one that was loaded again", async () => {
  const { clock, boot } = machine(asking);
  const flow = boot();
  await flow.ready();
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
  for (const [n, { signal }] of [one, two, three].entries())
    ticketOf(await within(2_000, flow.outcome(n, { traceId: `t${n}`, signal })));
  const [, again] = await flow.pauses.list();
  await clock.advance(HOUR);
  one.abort();
  await clock.advance(1);
  expect(flow.stats()).toMatchObject({ traces: 2, outcomes: { cancelled: 1 } });
  const resumed = flow.pauses.resumeStream(again?.token as string, 1);
  expect(await passing(clock, readAll(resumed))).toHaveLength(1);
  two.abort();
  const followed = await flow.recovery.follow("t2");
  three.abort();
  await clock.advance(1);
  expect(flow.stats()).toMatchObject({ traces: 0, outcomes: { cancelled: 2, completed: 1 } });
  await rejection(readAll(followed));
  expect(flow.stats().timers).toBe(1);
});

test("nothing listens to the signal of a caller once its trace has ended, or the flow has stopped", async () => {
  const { clock, boot } = machine(asking);
  const flow = boot();
  await flow.ready();
  const { signal } = new AbortController();
  for (const n of range(3)) await within(2_000, flow.outcome(n, { traceId: `t${n}`, signal }));
  await clock.advance(HOUR);
  expect(getEventListeners(signal, "abort")).toHaveLength(3);
  const [one, two] = await flow.pauses.list();
  await passing(clock, flow.pauses.resume(one?.token as string, 1));
  await flow.signal("t1", "hurry", 1);
  expect(getEventListeners(signal, "abort")).toHaveLength(2);
  await clock.advance(HOUR);
  expect(getEventListeners(signal, "abort")).toHaveLength(2);
  await passing(clock, flow.pauses.resume(two?.token as string, 1));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  await passing(clock, flow.stop());
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

test("an unloaded trace keeps its log and its budget", async () => {
  const { clock, checkpoints } = machine(asking);
  const note = payloadNode("note", async (n: number, ctx) => {
    await ctx.log.append([`noted ${n}`]);
    ctx.budget.spend({ calls: 1 });
    return n;
  });
  const ask = payloadNode("ask", async (_: number, ctx) => {
    const answer = await ctx.pause<number>({ reason: "?" });
    await ctx.log.append([`answered ${answer}`]);
    ctx.budget.spend({ calls: 1 });
    return [await ctx.log.read(), ctx.budget.left] as const;
  });
  const flow = running(
    create(note.to(ask), {
      clock,
      logger: logbook(),
      durability: durable({ checkpoints, leaseMs: LEASE_MS, unloadAfterMs: MINUTE }),
    }) as unknown as Flow<number, unknown>,
    clock,
  );
  await flow.ready();
  const paused = await within(2_000, flow.outcome(1, { traceId: "t", budget: { calls: 3 } }));
  const { token } = ticketOf(paused);
  await clock.advance(HOUR);
  expect(await flow.log("t")).toEqual(["noted 1"]);
  // a view of the log from before refers to what has left memory
  expect("log" in paused && (await paused.log?.read())).toEqual(["noted 1"]);
  await clock.advance(HOUR);
  const outcome = await passing(clock, flow.pauses.resume(token, 2));
  expect(outcome).toMatchObject({ results: [[["noted 1", "answered 2"], { calls: 1 }]] });
});

test("an unloaded trace that waits for a signal receives it", async () => {
  const { clock, boot } = machine(async (n, ctx) => {
    if (n === 1) await ctx.pause({ reason: "?" });
    const { value } = await ctx.signals<number>("go").next();
    return n + (value ?? 0);
  });
  const flow = boot();
  await flow.ready();
  const { token } = ticketOf(await within(2_000, flow.outcome(1, { traceId: "t" })));
  await clock.advance(HOUR);
  await flow.signal("t", "go", 5);
  await clock.advance(HOUR);
  expect(await passing(clock, flow.pauses.resume(token, 0))).toMatchObject({ results: [6] });
});

test("an exclusive trace leaves memory and keeps its key, also when the flow runs again", async () => {
  const { clock, boot } = machine(async (n, ctx) => {
    const expiresAt = clock.epochNow() + 10 * HOUR;
    return n + (await ctx.pause<number>({ reason: "how many?", expiresAt, ifExpired: 100 }));
  });
  let flow = boot();
  await flow.ready();
  const begin = async (n: number, exclusive: string): Promise<string> =>
    ticketOf(await within(2_000, flow.outcome(n, { exclusive, traceId: `t${n}` }))).token;
  const token = await begin(1, "k");
  await begin(2, "l");
  await clock.advance(HOUR);
  // the lease, and the alarm for both
  expect(flow.stats()).toMatchObject({ traces: 2, timers: 2 });
  expect(await flow.pauses.list({ traceId: "t1" })).toMatchObject([{ token }]);
  const waiting = flow.outcome(3, { exclusive: "k", traceId: "t3" }).catch(codeOf);
  await clock.advance(MINUTE);
  expect(await isPending(waiting)).toBe(true);
  await passing(clock, flow.stop());
  expect(await within(2_000, waiting)).toMatchObject({ status: "stopped" });
  flow = boot();
  await passing(clock, flow.ready());
  await clock.advance(HOUR);
  expect(flow.stats()).toMatchObject({ traces: 2, timers: 2, accepted: 2 });
  const [next, other] = [flow.outcome(4, { exclusive: "k" }), flow.outcome(5, { exclusive: "l" })];
  await clock.advance(HOUR);
  expect([await isPending(next), await isPending(other)]).toEqual([true, true]);
  expect(await passing(clock, flow.pauses.resume(token, 1), 1)).toMatchObject({ results: [2] });
  const { token: last } = ticketOf(await within(2_000, next));
  expect(await isPending(other)).toBe(true);
  // the other expires
  await clock.advance(8 * HOUR);
  expect(await within(2_000, flow.fetch({ traceId: "t2" }))).toMatchObject({ payload: 102 });
  const { token: third } = ticketOf(await within(2_000, other));
  for (const each of [last, third])
    expect(await passing(clock, flow.pauses.resume(each, 1), 1)).toMatchObject({ status: "completed" });
  expect(flow.stats().waitingTraces).toBe(0);
});

test("a signal asked for an unloaded trace belongs to the trace", async () => {
  const { clock, boot } = machine(asking);
  const flow = boot();
  await flow.ready();
  ticketOf(await within(2_000, flow.outcome(1, { traceId: "t" })));
  await clock.advance(HOUR);
  const [known, unknown] = [flow.ensureTraceSignal("t"), flow.ensureTraceSignal("u")];
  await clock.advance(HOUR);
  expect([known.aborted, unknown.aborted]).toEqual([false, true]);
  await flow.cancel("t");
  expect(known.aborted).toBe(true);
});

test("traces of maxTraces give up their place while they rest, in memory or not", async () => {
  const { clock, boot } = machine(asking);
  const flow = boot({ maxTraces: 1 });
  await flow.ready();
  const tokens: string[] = [];
  for (const n of range(3)) {
    tokens.push(ticketOf(await within(2_000, flow.outcome(n))).token);
    await clock.advance(HOUR);
  }
  const ends = await passing(clock, Promise.all(tokens.map((token) => flow.pauses.resume(token, 1))));
  expect(ends.flatMap(({ results }) => results)).toEqual([1, 2, 3]);
  expect(flow.stats()).toMatchObject({ traces: 0, waitingTraces: 0 });
});

describe("a start", () => {
  test("reads only what does not rest, and counts the rest", async () => {
    const { clock, checkpoints, boot } = machine(async (n, ctx) => {
      if (n === 0) await ctx.sleep(HOUR, { name: "nap" });
      return await ctx.pause<number>({ reason: "?" });
    });
    const first = boot();
    await first.ready();
    const tokens: string[] = [];
    for (const n of [1, 2, 3]) tokens.push(ticketOf(await within(2_000, first.outcome(n, { traceId: `t${n}` }))).token);
    const called = first.call(0, { traceId: "t0" }).catch(codeOf);
    await clock.advance(MINUTE);
    await passing(clock, first.stop());
    expect(await within(2_000, called)).toBe("FLOW_STOPPED");
    const open = checkpoints.open.bind(checkpoints);
    let read = 0;
    checkpoints.open = async (lease) => {
      const partition = await open(lease);
      const all = partition.read.bind(partition);
      partition.read = async function* (filter) {
        for await (const page of all(filter)) {
          read += page.length;
          yield page;
        }
      };
      return partition;
    };
    const second = boot();
    expect(await passing(clock, second.ready())).toMatchObject({ resumed: 4 });
    expect(read).toBe(0);
    expect(second.stats()).toMatchObject({ traces: 4, accepted: 4 });
    expect(await passing(clock, second.pauses.resume(tokens[1] as string, 8))).toMatchObject({ results: [8] });
    await clock.advance(HOUR);
    // the sleeper asks by now
    expect(await second.pauses.list({ traceId: "t0" })).toHaveLength(1);
    for (const n of [0, 1, 3]) await second.cancel(`t${n}`);
    expect(second.stats()).toMatchObject({ traces: 0, accepted: 4, outcomes: { completed: 1, cancelled: 3 } });
  });

  test("continues what became due while no process ran", async () => {
    const { clock, boot } = machine(async (n, ctx) => {
      const expiresAt = clock.epochNow() + HOUR;
      return n + (await ctx.pause<number>({ reason: "?", expiresAt, ifExpired: 5 }));
    });
    const first = boot();
    await first.ready();
    await within(2_000, first.outcome(1, { traceId: "t" }));
    await passing(clock, first.stop());
    await clock.advance(2 * HOUR);
    const second = boot();
    await passing(clock, second.ready());
    expect(await within(2_000, second.fetch({ traceId: "t" }))).toMatchObject({ payload: 6 });
  });

  test("finds a trace that does not fit any more when that is loaded", async () => {
    const { clock, checkpoints, logger, boot } = machine(asking);
    const first = boot();
    await first.ready();
    const { token } = ticketOf(await within(2_000, first.outcome(1, { traceId: "t" })));
    await passing(clock, first.stop());
    const other = payloadNode("other", (n: number) => n);
    const changed = running(
      create(other.to(), {
        name: "flow",
        clock,
        logger,
        durability: durable({ checkpoints, leaseMs: LEASE_MS, unloadAfterMs: MINUTE }),
      }),
      clock,
    );
    expect(await passing(clock, changed.ready())).toMatchObject({ resumed: 1, changed: [] });
    expect(codeOf(await rejection(passing(clock, changed.pauses.resume(token, 1))))).toBe("PAUSE_USED");
    expect((await changed.ready()).changed).toMatchObject([{ traceId: "t", action: "parked" }]);
    expect(changed.stats()).toMatchObject({ traces: 0, accepted: 0 });
    expect(await changed.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "parked" }]);
    await passing(clock, changed.stop());
    // the next release fits again
    const last = boot();
    await passing(clock, last.ready());
    expect(await passing(clock, last.pauses.resume(token, 1))).toMatchObject({ results: [2] });
  });
});

test("a store that fails while a trace is loaded leaves the trace where it is", async () => {
  const { clock, checkpoints, boot } = machine(asking);
  const open = checkpoints.open.bind(checkpoints);
  let isDown = false;
  checkpoints.open = async (lease) => {
    const partition = await open(lease);
    const all = partition.read.bind(partition);
    partition.read = (filter) => {
      if (isDown) throw new Error("down");
      return all(filter);
    };
    return partition;
  };
  const flow = boot();
  await flow.ready();
  const paused = await within(2_000, flow.outcome(1));
  const { token } = ticketOf(paused);
  const { traceId } = paused;
  await clock.advance(HOUR);
  isDown = true;
  const failed = { code: "CHECKPOINT_FAILED", retryable: true, cause: { message: "down" } };
  expect(await rejection(flow.pauses.resume(token, 1))).toMatchObject(failed);
  for (const call of [
    () => flow.cancel(traceId, { tenant: "default" }),
    () => flow.signal(traceId, "go", 1, { tenant: "default" }),
    () => flow.log(traceId, { tenant: "default" }),
    () => flow.fetch({ traceId, tenant: "default" }),
    () => flow.emitChunk({ text: "x", traceId, tenant: "default" }),
    () => flow.call(1, { id: traceId }),
    () => flow.pauses.list({ traceId, tenant: "default" }),
  ]) {
    const error = await rejection(call());
    expect(error, String(call)).toBeInstanceOf(FlowError);
    expect(error, String(call)).toMatchObject({ ...failed, traceId, tenant: "default" });
  }
  expect(await rejection(flow.recovery.unfinished())).toMatchObject(failed);
  expect(flow.isRunning).toBe(true);
  isDown = false;
  expect(await passing(clock, flow.pauses.resume(token, 1))).toMatchObject({ results: [2] });
});

/** Has every partition of a store changed by `change` when it is opened. */
function patched(checkpoints: MemoryCheckpointStore, change: (partition: CheckpointPartition) => void): void {
  const open = checkpoints.open.bind(checkpoints);
  checkpoints.open = async (lease) => {
    const partition = await open(lease);
    change(partition);
    return partition;
  };
}

/** Has reads of a store wait for `held` after they have read. */
function slowly(
  checkpoints: MemoryCheckpointStore,
  held: (filter: CheckpointFilter) => Promise<void> | undefined,
): void {
  patched(checkpoints, (partition) => {
    const read = partition.read.bind(partition);
    partition.read = async function* (filter = {}) {
      const pages = await readAll(read(filter));
      await held(filter);
      yield* pages;
    };
  });
}

test("a call of an id is told of its trace as soon as that is loaded, however long the look-ups of others take", async () => {
  const begun: number[] = [];
  const { clock, checkpoints, boot } = machine(async (n, ctx) => {
    begun.push(n);
    return await ctx.pause({ reason: "how many?" });
  });
  const answers = gate();
  let isSlow = false;
  slowly(checkpoints, ({ traceIds }) => (isSlow && traceIds?.includes("id 1") === true ? answers.passed : undefined));
  const flow = boot();
  await flow.ready();
  const ask = (n: number) => flow.outcome(n, { id: `id ${n}` });
  await within(2_000, Promise.all([ask(0), ask(1)]));
  await clock.advance(HOUR);
  isSlow = true;
  const slow = ask(1);
  await settle();
  expect(await within(2_000, ask(0))).toMatchObject({ status: "paused" });
  await clock.advance(HOUR);
  answers.open();
  expect(await within(2_000, slow)).toMatchObject({ status: "paused" });
  expect(begun).toEqual([0, 1]);
  for (const n of [0, 1]) await flow.cancel(`id ${n}`);
});

test("look-ups of one turn read the store as often for many traces as for one: by id, by token, and when due", async () => {
  const { clock, checkpoints, boot } = machine(async (n, ctx) => {
    const expiry = n >= 100 ? { expiresAt: clock.epochNow() + 3 * HOUR, ifExpired: 1 } : {};
    return n + (await ctx.pause<number>({ reason: "how many?", ...expiry }));
  });
  let reads = 0;
  patched(checkpoints, (partition) => {
    const read = partition.read.bind(partition);
    partition.read = (filter) => {
      reads += 1;
      return read(filter);
    };
  });
  const flow = boot();
  await flow.ready();
  const tenantOf = (n: number) => ({ tenant: n % 2 === 0 ? "ada" : "bob" });
  const ask = (n: number) => flow.outcome(n, { id: `id ${n}`, ...tenantOf(n) });
  const readsOf = async (count: number, from: number): Promise<number> => {
    const numbers = range(count).map((index) => from + index);
    const tokens = (await within(2_000, Promise.all(numbers.map(ask)))).map((outcome) => ticketOf(outcome).token);
    await clock.advance(HOUR);
    expect(flow.stats().traces).toBe(count);
    reads = 0;
    expect(await within(2_000, Promise.all(numbers.map(ask)))).toMatchObject(numbers.map(() => ({ status: "paused" })));
    const byId = reads;
    await clock.advance(HOUR);
    reads = 0;
    if (from < 100)
      await Promise.all(tokens.map((token, index) => flow.pauses.resume(token, 1, tenantOf(from + index))));
    else await clock.advance(HOUR);
    expect(flow.stats().traces).toBe(0);
    return byId + reads;
  };
  for (const from of [0, 100]) {
    const ofOne = await readsOf(1, from);
    expect(await readsOf(40, from + 10), `from ${from}`).toBe(ofOne);
  }
});

test("a trace does not leave memory while it is looked up by its id", async () => {
  const working = gate();
  const { clock, checkpoints, boot } = machine(async (n, ctx) => {
    if (n === 2) await working.passed;
    return n + (await ctx.pause<number>({ reason: "how many?" }));
  });
  const answers = gate();
  slowly(checkpoints, ({ traceIds }) => (traceIds?.includes("b") === true ? answers.passed : undefined));
  const flow = boot();
  await flow.ready();
  await within(2_000, flow.outcome(1, { traceId: "a" }));
  await clock.advance(HOUR);
  const outcome = flow.outcome(2, { traceId: "b" });
  await clock.advance(1);
  // the store is read while the trace is in memory, and answers when it has rested for long
  const found = flow.cancel("b");
  await clock.advance(1);
  working.open();
  ticketOf(await within(2_000, outcome));
  await clock.advance(HOUR);
  answers.open();
  expect(await within(2_000, found)).toMatchObject({ found: true });
  await flow.cancel("a");
});

test("a trace that leaves memory while traces are listed is listed", async () => {
  const { clock, checkpoints, boot } = machine(asking);
  const answers = gate();
  let isSlow = false;
  slowly(checkpoints, () => (isSlow ? answers.passed : undefined));
  const flow = boot();
  await flow.ready();
  await within(2_000, flow.outcome(1, { traceId: "a" }));
  await clock.advance(HOUR);
  isSlow = true;
  await within(2_000, flow.outcome(2, { traceId: "b" }));
  const pauses = flow.pauses.list({ traceId: "b" });
  const traces = flow.recovery.unfinished();
  await clock.advance(HOUR);
  answers.open();
  expect(await within(2_000, pauses)).toHaveLength(1);
  expect((await within(2_000, traces)).map(({ traceId }) => traceId).sort()).toEqual(["a", "b"]);
  for (const id of ["a", "b"]) await flow.cancel(id);
});

describe("no alarm is set once the store names the next instant", () => {
  /** Unloads two traces and has the first continue. The store does not name the instant of the second until `answers`. */
  async function oneAtRest() {
    const { clock, checkpoints, boot } = machine(async (n, ctx) => {
      const expiresAt = ctx.message.createdAt + n * HOUR;
      return await ctx.pause({ reason: "?", expiresAt, ifExpired: n });
    });
    const answers = gate();
    let isSlow = false;
    patched(checkpoints, (partition) => {
      const nextDueAt = partition.nextDueAt.bind(partition);
      partition.nextDueAt = async (after) => {
        const next = await nextDueAt(after);
        if (isSlow) await answers.passed;
        return next;
      };
    });
    const flow = boot();
    await flow.ready();
    for (const n of [2, 9]) ticketOf(await within(2_000, flow.outcome(n, { traceId: `t${n}` })));
    await clock.advance(HOUR);
    isSlow = true;
    await clock.advance(HOUR);
    expect(await within(2_000, flow.fetch({ traceId: "t2" }))).toMatchObject({ payload: 2 });
    // one timer renews the lease, one limits the wait for the store
    expect(flow.stats()).toMatchObject({ traces: 1, timers: 2, outcomes: { completed: 1 } });
    return { clock, flow, answers };
  }

  test("if the last unloaded trace has been loaded meanwhile", async () => {
    const { clock, flow, answers } = await oneAtRest();
    await flow.cancel("t9");
    answers.open();
    await clock.advance(1);
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 1 });
  });

  test("if the flow has stopped meanwhile", async () => {
    const { clock, flow, answers } = await oneAtRest();
    await passing(clock, flow.stop());
    answers.open();
    await clock.advance(1);
    expect(clock.timers).toBe(0);
  });
});

test("whoever waits for a store that does not answer is released when the flow stops", async () => {
  const { clock, checkpoints, boot } = machine(asking);
  let isDown = false;
  const never = new Promise<never>(() => {});
  slowly(checkpoints, () => (isDown ? never : undefined));
  patched(checkpoints, (partition) => {
    const outcomes = partition.outcomes.bind(partition);
    partition.outcomes = async (keys) => await (isDown ? never : outcomes(keys));
  });
  const flow = boot();
  await flow.ready();
  const { token } = ticketOf(await within(2_000, flow.outcome(1, { id: "a" })));
  await clock.advance(HOUR);
  isDown = true;
  const waiting = [
    flow.call(1, { id: "a" }),
    flow.signal("a", "hurry", 1),
    flow.pauses.resume(token, 1),
    flow.pauses.list(),
    flow.log("a"),
    flow.cancel("a"),
    flow.fetch({ traceId: "a" }),
    flow.recovery.follow("a"),
    flow.recovery.unfinished(),
    flow.recovery.discard("a"),
    readAll(flow.pauses.resumeStream(token, 1)),
  ].map(rejection);
  await clock.advance(1);
  await passing(clock, flow.stop());
  const codes = (await within(2_000, Promise.all(waiting))).map(codeOf);
  expect(codes).toEqual(waiting.map(() => "FLOW_STOPPED"));
});

test("a stop gives a store up that does not close within leaseMs", async () => {
  const { clock, checkpoints, logger, boot } = machine(asking);
  patched(checkpoints, (partition) => {
    partition.close = () => new Promise(() => {});
  });
  const flow = boot();
  await flow.ready();
  const stopped = flow.stop();
  expect(await isPending(stopped)).toBe(true);
  await clock.advance(LEASE_MS);
  await within(2_000, stopped);
  expect(logger.lines.map(({ message }) => message)).toContain("checkpoints_close_failed");
});

test.each([[0], [-1], [Number.NaN], ["1"]])("unloadAfterMs of %s is refused", (unloadAfterMs) => {
  const checkpoints = new MemoryCheckpointStore();
  expect(() => durable({ checkpoints, unloadAfterMs: unloadAfterMs as number })).toThrow(/"unloadAfterMs"/);
});
