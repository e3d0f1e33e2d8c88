import { describe, expect, test } from "vitest";
import {
  type ClosedTrace,
  create,
  joinK,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  shape,
  WM,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { gate, passing, running } from "../fixtures/quiet-flow.ts";
import { logbook, rejection } from "../fixtures/watched-flow.ts";

const end = payloadNode("end", (value: unknown) => value);

describe("a handler appends to the log of its trace", () => {
  test("and is given the position after its items; later handlers read what earlier ones have appended", async () => {
    const first = payloadNode("first", async (text: string, ctx) => {
      const lengths = [await ctx.log.append([text]), await ctx.log.append(["a", "b"])];
      return { lengths, own: await ctx.log.read() };
    });
    const second = payloadNode("second", async (before: object, ctx) => ({
      ...before,
      length: await ctx.log.append([{ deep: [1] }]),
      all: await ctx.log.read(),
      two: await ctx.log.read(2),
      none: await ctx.log.read(0),
    }));
    const flow = running(create(first.to(second), second.to(end)));
    expect(await flow.call("penguins")).toEqual({
      lengths: [1, 3],
      own: ["penguins", "a", "b"],
      length: 4,
      all: ["penguins", "a", "b", { deep: [1] }],
      two: ["penguins", "a"],
      none: [],
    });
  });

  test("in every round of a loop, also beside other traces of the same id", async () => {
    const think = node({ name: "think", allowCycle: true }, async (message: Message<WM>, ctx) => {
      const length = await ctx.log.append([message.payload.hops]);
      if (length < 5) return message.payload.with({ facts: [...message.payload.facts, length] });
      return message.with({ payload: (await ctx.log.read()) as never });
    });
    const flow = running(create(think.to(think)));
    const ask = async (): Promise<unknown> => await flow.call(new WM({ query: "q" }), { traceId: "t" });
    expect(await Promise.all([ask(), ask()])).toEqual([
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3, 4],
    ]);
  });

  test("and an empty list tells the length", async () => {
    const count = payloadNode("count", async (_: number, ctx) => [
      await ctx.log.append([]),
      await ctx.log.append(["a"]),
      await ctx.log.append([]),
    ]);
    const flow = running(create(count.to(end)));
    expect(await flow.call(1)).toEqual([0, 1, 1]);
  });

  test("of a playbook's own trace, apart from that of its caller", async () => {
    const inner = create(
      payloadNode("inside", async (_: unknown, ctx) => {
        await ctx.log.append(["inner"]);
        return await ctx.log.read();
      }).to(end),
    );
    const outer = payloadNode("outer", async (n: number, ctx) => {
      await ctx.log.append(["outer"]);
      return [await ctx.callPlaybook(inner, n), await ctx.log.read()];
    });
    const flow = running(create(outer.to(end)));
    expect(await flow.call(1)).toEqual([["inner"], ["outer"]]);
  });

  test("only as long as its attempt runs", async () => {
    let late: Promise<unknown> | undefined;
    const hasty = payloadNode("hasty", (_: number, ctx) => {
      late = Promise.resolve().then(() => ctx.log.append(["late"]));
      return 1;
    });
    const flow = running(create(hasty.to(end)));
    await flow.call(1);
    expect(await rejection(late as Promise<unknown>)).toMatchObject({ code: "ATTEMPT_OVER" });
  });
});

describe("what an attempt has appended is undone", () => {
  test("when it fails: the retry appends at the same place", async () => {
    const seen: unknown[] = [];
    const shaky = payloadNode(
      { name: "shaky", policy: { maxRetries: 2, backoffBaseMs: 0 } },
      async (_: number, ctx) => {
        seen.push(await ctx.log.read());
        seen.push(await ctx.log.append([`attempt ${ctx.attempt}`]));
        if (ctx.attempt < 3) throw new Error("later");
        return await ctx.log.read();
      },
    );
    const flow = running(create(shaky.to(end)));
    expect(await flow.call(1)).toEqual(["attempt 3"]);
    expect(seen).toEqual([[], 1, [], 1, [], 1]);
  });

  test("when it times out, or a value of onFailed takes its place", async () => {
    const clock = new TestClock();
    const slow = payloadNode(
      { name: "slow", policy: { timeoutMs: 10, onFailed: () => "instead" } },
      async (_: number, ctx) => {
        await ctx.log.append(["undone"]);
        await ctx.sleep(1_000);
        return "never";
      },
    );
    const last = payloadNode("last", async (value: unknown, ctx) => [
      value,
      await ctx.log.append([]),
      await ctx.log.read(),
    ]);
    const flow = running(create(slow.to(last), { clock, graceMs: 1 }), clock);
    expect(await passing(clock, flow.call(1), 10)).toEqual(["instead", 0, []]);
  });

  test("when it pauses or sleeps: its handler appends again", async () => {
    const clock = new TestClock();
    const nap = payloadNode("nap", async (_: number, ctx) => {
      await ctx.log.append(["before"]);
      await ctx.sleepUntil(clock.epochNow() + 50, { name: "nap" });
      return await ctx.log.read();
    });
    const flow = running(create(nap.to(end), { clock }), clock);
    expect(await passing(clock, flow.call(1), 100)).toEqual(["before"]);
  });

  test("and does not change the places of what others append meanwhile", async () => {
    const [failed, appended] = [gate(), gate()];
    const split = payloadNode("split", (n: number) => n);
    const one = payloadNode({ name: "one", policy: { maxRetries: 1, backoffBaseMs: 0 } }, async (_: number, ctx) => {
      const length = await ctx.log.append([`one, attempt ${ctx.attempt}`]);
      if (ctx.attempt === 2) return length;
      appended.open();
      await failed.passed;
      throw new Error("later");
    });
    const two = payloadNode("two", async (_: number, ctx) => {
      await appended.passed;
      const length = await ctx.log.append(["two"]);
      // items of an attempt that has not committed are not seen
      expect(await ctx.log.read()).toEqual(["two"]);
      failed.open();
      return length;
    });
    const both = joinK("both", 2, { input: shape<number>() });
    const read = payloadNode("read", async (lengths: number[], ctx) => [
      lengths.toSorted((a, b) => a - b),
      await ctx.log.read(),
    ]);
    const flow = running(create(split.to(one, two), one.to(both), two.to(both), both.to(read)));
    // the place of the failed attempt, 0, stays empty
    expect(await flow.call(1)).toEqual([
      [2, 3],
      ["two", "one, attempt 2"],
    ]);
  });
});

describe("the log of a trace is read from outside", () => {
  test("while the trace runs: what has been committed, by its own tenant alone", async () => {
    const held = gate();
    const first = payloadNode("first", async (n: number, ctx) => {
      await ctx.log.append(["first"]);
      return n;
    });
    const second = payloadNode("second", async (n: number, ctx) => {
      await ctx.log.append(["second"]);
      await held.passed;
      return n;
    });
    const flow = running(create(first.to(second)));
    const called = flow.call(1, { traceId: "t", tenant: "ada" });
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    expect(await flow.log("t", { tenant: "ada" })).toEqual(["first"]);
    for (const options of [{ tenant: "bob" }, {}])
      expect(await rejection(flow.log("t", options))).toMatchObject({ code: "TRACE_UNKNOWN" });
    held.open();
    await called;
    expect(await rejection(flow.log("t", { tenant: "ada" }))).toMatchObject({ code: "TRACE_UNKNOWN" });
  });

  test("afterwards, of as many traces as limits.maxKeptLogs says, the latest of an id first", async () => {
    const note = payloadNode("note", async (text: string, ctx) => {
      await ctx.log.append([text]);
      if (text === "fails") throw new Error("no");
      return text;
    });
    const flow = running(create(note.to(end), { limits: { maxKeptLogs: 2 } }));
    await flow.call("one", { traceId: "a" });
    await flow.call("two", { traceId: "b" });
    await flow.call("three", { traceId: "b" });
    expect(await rejection(flow.log("a"))).toMatchObject({ code: "TRACE_UNKNOWN" });
    expect(await flow.log("b")).toEqual(["three"]);
    await flow.outcome("fails", { traceId: "c" });
    // the attempt that failed has left nothing
    expect(await rejection(flow.log("c"))).toMatchObject({ code: "TRACE_UNKNOWN" });
  });

  test("from every outcome of a trace that has a log, whatever its status", async () => {
    const clock = new TestClock();
    const note = payloadNode("note", async (what: string, ctx) => {
      await ctx.log.append([what, "noted"]);
      return what;
    });
    const act = payloadNode("act", async (what: string, ctx) => {
      await ctx.log.append(["act"]);
      if (what === "failed") throw new Error("no");
      if (what === "paused") await ctx.pause({ reason: "well?" });
      if (what === "exhausted" || what === "cancelled") await ctx.sleep(1_000);
      return what === "empty" ? undefined : what;
    });
    const flow = running(create(note.to(act), { clock }), clock);
    for (const status of ["completed", "failed", "cancelled", "exhausted", "empty", "paused"]) {
      const asked = flow.outcome(status, {
        traceId: status,
        ...(status === "exhausted" ? { timeoutMs: 10 } : {}),
      });
      await clock.advance(1);
      if (status === "cancelled") await flow.cancel(status);
      const outcome = await passing(clock, asked, 20);
      const noted = [status, "noted", ...(status === "completed" || status === "empty" ? ["act"] : [])];
      expect([outcome.status, outcome.log?.length, await outcome.log?.read()]).toEqual([status, noted.length, noted]);
    }
    await flow.cancel("paused");
    const silent = running(create(payloadNode("silent", (n: number) => n).to(end)));
    expect(await silent.outcome(1)).not.toHaveProperty("log");
  });
});

describe("wrong use of a log is refused:", () => {
  const using = (
    act: (ctx: { readonly log: { append(items: unknown): unknown; read(upTo?: unknown): unknown } }) => unknown,
  ) => payloadNode("use", async (_: number, ctx) => await act(ctx as never));

  test("items that are no list, and a position that is no whole number", async () => {
    for (const [act, says] of [
      [(ctx) => ctx.log.append("text"), 'The items of a log must be an array: got "text"'],
      [(ctx) => ctx.log.append({ length: 1 }), "The items of a log must be an array: got an object"],
      [(ctx) => ctx.log.read(-1), 'Option "upTo" must be a whole number of 0 or more: got -1'],
      [(ctx) => ctx.log.read("1"), 'Option "upTo" must be a whole number of 0 or more: got "1"'],
    ] as [Parameters<typeof using>[0], string][]) {
      const flow = running(create(using(act).to(end)));
      expect(await rejection(flow.call(1))).toMatchObject({ message: expect.stringContaining(says) as unknown });
    }
  });

  test("more items than limits.maxLogItems", async () => {
    const many = payloadNode({ name: "many", policy: { maxRetries: 3 } }, async (_: number, ctx) => {
      await ctx.log.append([1, 2]);
      await ctx.log.append([3, 4]);
    });
    const flow = running(create(many.to(end), { limits: { maxLogItems: 3 } }));
    expect(await rejection(flow.call(1))).toMatchObject({
      code: "LOG_LIMIT",
      node: "many",
      attempt: 1,
      message:
        'Cannot append 2 items at node "many": the log of the trace has 2 of at most 3; raise limits.maxLogItems',
    });
    expect(() => create(many.to(end), { limits: { maxLogItems: 0 } })).toThrow(RangeError);
    expect(() => create(many.to(end), { limits: { maxKeptLogs: -1 } })).toThrow(RangeError);
  });
});

describe("the log of a trace that ends without a result", () => {
  const closing = {
    closeLog: ({ status, error, spent }: ClosedTrace) => [{ status, code: error.code, spent }],
    limits: { maxKeptLogs: 5 },
    graceMs: 5,
  };
  const note = payloadNode("note", async (text: string, ctx) => {
    await ctx.log.append([text]);
    ctx.budget.spend({ steps: 1 });
    return text;
  });
  const last = payloadNode("last", async (text: string, ctx) => {
    if (text === "fails") throw new Error("no");
    if (text === "hangs") await ctx.pause({ reason: "?" });
    return text === "empty" ? undefined : text;
  });

  test("is closed with items that say how, for its reader, its outcome and later", async () => {
    const flow = running(create(note.to(last), closing));
    const failed = await flow.outcome("fails", { traceId: "1" });
    expect(await failed.log?.read()).toEqual([
      "fails",
      { status: "failed", code: "NODE_EXCEPTION", spent: { steps: 1 } },
    ]);
    expect(await flow.log("1")).toEqual(await failed.log?.read());
    await flow.outcome("hangs", { traceId: "2" });
    await flow.cancel("2");
    expect((await flow.log("2")).at(-1)).toMatchObject({ status: "cancelled", code: "TRACE_CANCELLED" });
    const items: unknown[] = [];
    await rejection(
      (async () => {
        for await (const item of flow.stream("empty", { log: true })) items.push(item);
      })(),
    );
    expect(items.at(-1)).toMatchObject({ type: "log", at: 1, items: [{ status: "empty", code: "NO_RESULT" }] });
  });

  test("is not closed when there is a result, or when a durable flow may take the trace up again", async () => {
    const flow = running(create(note.to(last), closing));
    expect(await (await flow.outcome("fine")).log?.read()).toEqual(["fine"]);
    const durability = durable({ checkpoints: new MemoryCheckpointStore() });
    await using kept = create(note.to(last), { ...closing, durability, logger: logbook() }).run();
    expect(await (await kept.outcome("fails")).log?.read()).toEqual(["fails"]);
    await kept.outcome("hangs", { traceId: "2" });
    await kept.cancel("2");
    expect((await kept.log("2")).at(-1)).toMatchObject({ status: "cancelled" });
  });

  test("stays as it is when the function throws, and the fault is logged", async () => {
    const logger = logbook();
    const closeLog = () => {
      throw new Error("broken");
    };
    const flow = running(create(note.to(last), { ...closing, closeLog, logger }));
    expect(await (await flow.outcome("fails")).log?.read()).toEqual(["fails"]);
    expect(JSON.stringify(logger)).toContain("close_log_failed");
  });
});
