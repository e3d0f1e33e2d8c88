import { describe, expect, test } from "vitest";
import { create, type FlowError, type Message, payloadNode } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { passing, readAll, running } from "../fixtures/quiet-flow.ts";

const DAY_MS = 86_400_000;

/** Creates a flow whose only node works 10 ms, and counts its handler calls. */
function counted(options: object = {}, work: (n: number) => unknown = (n) => n * 2) {
  const clock = new TestClock();
  const calls: number[] = [];
  const node = payloadNode("work", async (n: number, ctx) => {
    calls.push(n);
    await ctx.emitChunk({ text: `working on ${n}` });
    await ctx.sleep(10);
    return work(n) as number;
  });
  return { clock, calls, flow: running(create(node.to(), { clock, ...options }), clock) };
}

async function refusalOf(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await work.then(
    (value) => expect.fail(`it resolved with ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  return error as FlowError;
}

describe("an id", () => {
  test("is accepted once: calls that come while its trace is in flight, or after its end, are given its outcome", async () => {
    const { clock, calls, flow } = counted();
    const first = flow.call(1, { id: "a" });
    const joined = [flow.call(1, { id: "a" }), flow.outcome(1, { id: "a" }).then((outcome) => outcome.results[0])];
    expect(flow.stats().traces).toBe(1);
    expect(await passing(clock, Promise.all([first, ...joined]), 20)).toEqual([2, 2, 2]);
    expect(await flow.call(1, { id: "a" })).toBe(2);
    expect(await flow.outcome(1, { id: "a" })).toMatchObject({ status: "completed", traceId: "a", results: [2] });
    expect(calls).toEqual([1]);
  });

  test("is the id of its trace, by which it is cancelled and told of", async () => {
    const { clock, flow } = counted();
    const outcome = flow.outcome(1, { id: "a" });
    await clock.advance(1);
    expect(await flow.cancel("a")).toMatchObject({ found: true });
    expect(await outcome).toMatchObject({ status: "cancelled", traceId: "a" });
    expect(await refusalOf(flow.call(1, { id: "a" }))).toMatchObject({ code: "TRACE_CANCELLED" });
  });

  test("takes every option of its call: its budget limits the trace, however it is sent", async () => {
    const spend = payloadNode("spend", (cents: number, ctx) => {
      ctx.budget.spend({ cents });
      return ctx.budget.left["cents"];
    });
    const flow = running(create(spend.to()));
    const budget = { cents: 1 };
    const outcome = await flow.outcome(5, { id: "a", budget });
    expect(outcome).toMatchObject({ status: "exhausted", which: "cents", spent: { cents: 1 } });
    expect(await refusalOf(flow.call(5, { id: "b", budget }))).toMatchObject({ code: "BUDGET_EXHAUSTED" });
    expect(await refusalOf(readAll(flow.stream(5, { id: "c", budget })))).toMatchObject({ code: "BUDGET_EXHAUSTED" });
    await flow.emit(5, { id: "d", budget });
    expect(await flow.fetch({ traceId: "d" })).toMatchObject({ payload: { text: "Budget exhausted: cents" } });
  });

  test("belongs to its tenant, and is no business of traces that share a traceId", async () => {
    const { clock, calls, flow } = counted();
    const options = [{ id: "a" }, { id: "a", tenant: "b" }, { traceId: "a" }, { traceId: "a" }];
    await passing(clock, Promise.all(options.map((each, index) => flow.call(index, each))), 50);
    expect(calls).toEqual([0, 1, 2, 3]);
  });

  test("keeps a failure as it keeps a result, with its error whole", async () => {
    const { clock, calls, flow } = counted({}, () => {
      throw new Error("no seat left");
    });
    const first = await passing(clock, refusalOf(flow.call(1, { id: "a" })), 20);
    expect(first).toMatchObject({ code: "NODE_EXCEPTION", cause: { message: "no seat left" } });
    expect(await refusalOf(flow.call(1, { id: "a" }))).toBe(first);
    expect(calls).toEqual([1]);
  });

  test("keeps every result of its trace, whoever was its first caller", async () => {
    for (const by of ["call", "outcome", "stream"] as const) {
      const clock = new TestClock();
      const count = payloadNode("count", async (n: number, ctx) => {
        for (let index = 1; index < n; index += 1) await ctx.emit(index);
        return n;
      });
      const flow = running(create(count.to()), clock);
      if (by === "stream") await readAll(flow.stream(3, { id: "a" }));
      else await flow[by](3, { id: "a" });
      expect(await flow.outcome(3, { id: "a" }), by).toMatchObject({ results: [1, 2, 3], droppedResults: 0 });
    }
  });
});

describe("another input for an id", () => {
  test("is refused while its trace is in flight, and after", async () => {
    const { clock, calls, flow } = counted();
    const first = flow.call(1, { id: "a" });
    expect(await refusalOf(flow.call(2, { id: "a" }))).toMatchObject({
      code: "ID_CONFLICT",
      traceId: "a",
      message: 'Cannot accept id "a": it was accepted with another input; give each input an id of its own',
    });
    await passing(clock, first, 20);
    for (const options of [{}, { topic: "other" }, { to: "work" as const }])
      expect(await refusalOf(flow.call(options.topic || options.to ? 1 : 2, { id: "a", ...options }))).toMatchObject({
        code: "ID_CONFLICT",
      });
    await expect(readAll(flow.stream(2, { id: "a" }))).rejects.toMatchObject({ code: "ID_CONFLICT" });
    await expect(flow.emit(2, { id: "a" })).rejects.toMatchObject({ code: "ID_CONFLICT" });
    expect(calls).toEqual([1]);
  });

  test("is another payload, topic or entry; the order of keys, priority, deadline and meta make no difference", async () => {
    const clock = new TestClock();
    const flow = running(create(payloadNode("work", (order: object) => Object.keys(order).length).to()), clock);
    expect(await flow.call({ a: 1, b: { c: [1], d: new Date(5) } }, { id: "a" })).toBe(2);
    const same = { b: { d: new Date(5), c: [1], e: undefined }, a: 1 };
    expect(await flow.call(same, { id: "a", priority: 3, timeoutMs: 9, meta: { delivery: 2 }, exclusive: "k" })).toBe(
      2,
    );
    for (const other of [{ a: 1, b: { c: [1], d: new Date(6) } }, { a: 1 }, { a: "1", b: { c: [1], d: new Date(5) } }])
      expect(await refusalOf(flow.call(other, { id: "a" }))).toMatchObject({ code: "ID_CONFLICT" });
  });

  test("cannot be recognised where the input is no data", async () => {
    const clock = new TestClock();
    const flow = running(create(payloadNode("work", (call: () => number) => call()).to()), clock);
    expect(await refusalOf(flow.call(() => 1, { id: "a" }))).toMatchObject({
      code: "NOT_SERIALISABLE",
      message: 'Cannot accept id "a": its input cannot be compared: a part of it is a function; send data',
    });
  });
});

describe("what is kept of an id", () => {
  test("is kept for keepMs from the end of its trace, a day by default", async () => {
    const { clock, calls, flow } = counted();
    await passing(clock, Promise.all([flow.call(1, { id: "short", keepMs: 100 }), flow.call(1, { id: "long" })]), 10);
    await clock.advance(99);
    await flow.call(1, { id: "short" });
    await clock.advance(1);
    await passing(clock, flow.call(1, { id: "short" }), 10);
    await clock.advance(DAY_MS - 111);
    await flow.call(1, { id: "long" });
    expect(calls).toHaveLength(3);
    await clock.advance(1);
    await passing(clock, flow.call(1, { id: "long" }), 10);
    expect(calls).toHaveLength(4);
  });

  test("is bounded in a flow that is not durable: the oldest outcomes are evicted, and it is logged once", async () => {
    const logged: unknown[] = [];
    const logger = {
      debug() {},
      info() {},
      error() {},
      warn: (event: string, facts: unknown) => logged.push([event, facts]),
    };
    const { clock, calls, flow } = counted({ limits: { maxKeptOutcomes: 2 }, logger });
    for (const n of [1, 2, 3, 4]) await passing(clock, flow.call(n, { id: `${n}` }), 10);
    expect(flow.stats().keptOutcomes).toBe(2);
    await flow.call(4, { id: "4" });
    await flow.call(3, { id: "3" });
    await passing(clock, flow.call(1, { id: "1" }), 10);
    expect(calls).toEqual([1, 2, 3, 4, 1]);
    expect(logged).toEqual([
      ["kept_outcomes_full", { flow: "flow", tenant: "default", traceId: "1", maxKeptOutcomes: 2 }],
    ]);
  });

  test("makes room for itself by what has expired", async () => {
    const { clock, flow } = counted();
    for (const n of [1, 2, 3]) await passing(clock, flow.call(n, { id: `${n}`, keepMs: 20 }), 10);
    await clock.advance(100);
    await passing(clock, flow.call(4, { id: "4" }), 10);
    expect(flow.stats().keptOutcomes).toBe(1);
  });

  test("ends with discard, and with the run", async () => {
    const { clock, calls, flow } = counted();
    await passing(clock, flow.call(1, { id: "a" }), 10);
    expect(await flow.recovery.discard("a", { tenant: "b" })).toBe(0);
    expect(await flow.recovery.discard("a")).toBe(1);
    await passing(clock, flow.call(1, { id: "a" }), 10);
    await flow.stop();
    flow.run();
    await passing(clock, flow.call(1, { id: "a" }), 10);
    expect(calls).toHaveLength(3);
  });

  test("is nothing where no edge has accepted the message: the id is free again", async () => {
    const { clock, calls, flow } = counted();
    const first = flow.call(1, { exclusive: "k" });
    const gone = new AbortController();
    const waiting = refusalOf(flow.call(2, { id: "a", exclusive: "k", signal: gone.signal }));
    gone.abort();
    expect(await waiting).toMatchObject({ code: "TRACE_CANCELLED" });
    expect(await refusalOf(flow.call(2, { id: "a", timeoutMs: 0 }))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await passing(clock, first, 20);
    expect(await passing(clock, flow.call(2, { id: "a" }), 20)).toBe(4);
    expect(calls).toEqual([1, 2]);
  });
});

describe("a caller that joins the trace of an id", () => {
  test("may leave by its signal or its deadline, and the trace goes on", async () => {
    const { clock, calls, flow } = counted();
    const first = flow.call(1, { id: "a" });
    const gone = new AbortController();
    const bySignal = refusalOf(flow.call(1, { id: "a", signal: gone.signal }));
    const byDeadline = refusalOf(flow.outcome(1, { id: "a", timeoutMs: 5 }));
    gone.abort(new Error("the client left"));
    expect(await bySignal).toMatchObject({ code: "WAIT_ABORTED", cause: { message: "the client left" } });
    expect(await passing(clock, byDeadline, 5)).toMatchObject({ code: "WAIT_TIMEOUT" });
    expect(await refusalOf(flow.call(1, { id: "a", signal: gone.signal }))).toMatchObject({ code: "WAIT_ABORTED" });
    expect(await passing(clock, first, 20)).toBe(2);
    await settle();
    expect(flow.stats()).toMatchObject({ traces: 0, timers: 0 });
    expect(calls).toEqual([1]);
  });

  test("reads as a stream its results, after the first reader has read chunks and results", async () => {
    const { clock, flow } = counted();
    const readers = Promise.all([1, 2].map(() => readAll(flow.stream(1, { id: "a" }))));
    const [first, second] = await passing(clock, readers, 20);
    const kinds = (items: readonly { type: string }[] = []): string[] => items.map(({ type }) => type);
    expect(kinds(first).filter((type) => type === "result")).toHaveLength(1);
    expect(kinds(first)).toContain("chunk");
    expect(kinds(second)).toEqual(["result"]);
    expect(kinds(await readAll(flow.stream(1, { id: "a" })))).toEqual(["result"]);
  });

  test("does not end the trace when it leaves a stream that is not its own", async () => {
    const { clock, flow } = counted();
    const first = flow.call(1, { id: "a" });
    const second = flow.stream(1, { id: "a" });
    const read = second.next();
    await clock.advance(1);
    await second.return();
    expect(await read).toMatchObject({ done: true });
    expect(await passing(clock, first, 20)).toBe(2);
  });

  test("is told when the flow takes the message", async () => {
    const { clock, flow } = counted();
    const first = flow.stream(1, { id: "a" });
    await first.accepted();
    const second = flow.stream(1, { id: "a" });
    await second.accepted();
    const [items] = await passing(clock, Promise.all([readAll(first), readAll(second)]), 20);
    expect(items?.map(({ type }) => type)).toContain("chunk");
    const third = flow.stream(1, { id: "a" });
    await third.accepted();
    expect(await readAll(third)).toHaveLength(1);
  });

  test("is told of the pauses of a paused trace at once, and of its end by the next call", async () => {
    const ask = payloadNode("ask", async (n: number, ctx) => n + (await ctx.pause<number>({ reason: "how many?" })));
    const flow = running(create(ask.to()), new TestClock());
    const [first, second] = await Promise.all([flow.outcome(1, { id: "a" }), flow.outcome(1, { id: "a" })]);
    const third = await flow.outcome(1, { id: "a" });
    for (const outcome of [first, second, third])
      expect(outcome).toMatchObject({ status: "paused", pauses: [{ reason: "how many?" }] });
    expect(await refusalOf(flow.call(1, { id: "a" }))).toMatchObject({ code: "TRACE_PAUSED" });
    if (third.status !== "paused") return;
    const resumed = flow.pauses.resume(third.pauses[0]?.token ?? "", 5);
    expect(await resumed).toMatchObject({ status: "completed", result: 6 });
    expect(await flow.call(1, { id: "a" })).toBe(6);
    expect(flow.stats().unreadResults).toBe(0);
  });
});

describe("emit with an id", () => {
  test("sends its message once, and resolves when it is accepted, now or earlier", async () => {
    const { clock, calls, flow } = counted();
    expect(await Promise.all([flow.emit(1, { id: "a" }), flow.emit(1, { id: "a" })])).toEqual(["a", "a"]);
    const result = await passing(clock, flow.fetch({ traceId: "a" }), 20);
    expect((result as Message).payload).toBe(2);
    expect(await flow.emit(1, { id: "a" })).toBe("a");
    expect(calls).toEqual([1]);
    await settle();
    expect(flow.stats()).toMatchObject({ traces: 0, unreadResults: 0 });
  });

  test("waits with the first caller until its message is accepted", async () => {
    const { clock, flow } = counted();
    const blocking = flow.call(0, { exclusive: "k" });
    const order: string[] = [];
    const first = flow.emit(1, { id: "a", exclusive: "k" }).then(() => order.push("first"));
    const second = flow.emit(1, { id: "a" }).then(() => order.push("second"));
    await clock.advance(5);
    expect(order).toEqual([]);
    await passing(clock, Promise.all([blocking, first, second]), 10);
    expect(order.sort()).toEqual(["first", "second"]);
    await passing(clock, flow.fetch({ traceId: "a" }), 10);
  });

  test("keeps its results for fetch: another call of its id is a mistake of the program", async () => {
    const { clock, flow } = counted();
    await flow.emit(1, { id: "a" });
    const says = 'Cannot wait for the outcome of id "a": it was sent by emit, so that its results go to fetch';
    await expect(flow.call(1, { id: "a" })).rejects.toThrow(new TypeError(says));
    await expect(readAll(flow.stream(1, { id: "a" }))).rejects.toThrow(says);
    await passing(clock, flow.fetch({ traceId: "a" }), 20);
    await settle();
    await expect(flow.outcome(1, { id: "a" })).rejects.toThrow(says);
  });

  test("is not there without waiting", async () => {
    const { flow } = counted();
    expect(() => flow.emitNowait(1, { id: "a" } as object)).toThrow(
      'Option "id" of emitNowait is not allowed: what is kept of an id may have to be read; use emit',
    );
  });
});

describe("wrong use of an id", () => {
  test.for([
    [{ id: "" }, 'Option "id" must be a non-empty string: got ""'],
    [{ id: 5 }, 'Option "id" must be a non-empty string: got 5'],
    [{ id: "a", traceId: "b" }, 'Options "id" and "traceId" exclude each other: an id is the trace id'],
    [{ keepMs: 5 }, 'Option "keepMs" needs "id": only the outcome of an id is kept'],
    [{ id: "a", keepMs: -1 }, 'Option "keepMs" must be a number of 0 or more: got -1'],
    [{ id: "a", keepMs: Number.NaN }, 'Option "keepMs" must be a number of 0 or more: got NaN'],
  ] as const)("%o", async ([options, says]) => {
    const { flow } = counted();
    for (const call of [
      flow.call(1, options as object),
      flow.outcome(1, options as object),
      flow.emit(1, options as object),
    ])
      await expect(call).rejects.toThrow(says);
    await expect(readAll(flow.stream(1, options as object))).rejects.toThrow(says);
  });
});
