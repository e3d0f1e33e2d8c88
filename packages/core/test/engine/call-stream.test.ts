import { ReadableStream } from "node:stream/web";
import { describe, expect, test } from "vitest";
import { create, FlowError, type Message, node, payloadNode, type StreamItem } from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { leftovers, NOTHING, recorder, rejection, tidy, within } from "../fixtures/watched-flow.ts";

const same = payloadNode("same", (value: number) => value);
const codeOf = (error: unknown) => (error instanceof FlowError ? error.code : error);
const turns = async (count = 5) => {
  for (let turn = 0; turn < count; turn += 1) await settle();
};

/** Reads a stream to its end: texts of chunks, results, and the error it failed with. */
async function readAll(items: AsyncIterable<StreamItem<unknown>>) {
  const seen: unknown[] = [];
  try {
    for await (const item of items) {
      if (item.type === "chunk") seen.push(item.chunk.text);
      else seen.push(item.type === "result" ? item.result : item.pause.reason);
    }
  } catch (error) {
    seen.push(codeOf(error));
  }
  return seen;
}

describe("call", () => {
  test("resolves with the first result when the whole trace has ended", async () => {
    const clock = new TestClock();
    const two = payloadNode("two", async (value: number, ctx) => {
      await ctx.emit(value + 1);
      await ctx.sleep(100);
      return value + 2;
    });
    const flow = tidy(create(two.to(), { clock }).run());
    let result: number | undefined;
    void flow.call(1).then((value) => (result = value));
    await clock.advance(99);
    expect(result).toBeUndefined();
    await clock.advance(1);
    expect(result).toBe(2);
  });

  test("rejects with the FlowError of a trace that failed after its first result", async () => {
    const two = payloadNode("two", async (value: number, ctx) => {
      await ctx.emit(value);
      throw new Error("afterwards");
    });
    const flow = tidy(create(two.to()).run());
    expect(codeOf(await rejection(flow.call(1)))).toBe("NODE_EXCEPTION");
    expect(await flow.outcome(1)).toMatchObject({ status: "failed", results: [1], error: { code: "NODE_EXCEPTION" } });
  });

  test("with one business id twice at once gives each caller its own result", async () => {
    const clock = new TestClock();
    const wait = payloadNode("wait", async (value: number, ctx) => {
      await ctx.sleep(value);
      return `${ctx.traceId} ${value}`;
    });
    const flow = tidy(create(wait.to(), { clock }).run());
    const calls = [30, 10, 20].map((value) => flow.call(value, { traceId: "order-7" }));
    await settle();
    expect(flow.stats().traces).toBe(3);
    await clock.advance(30);
    expect(await Promise.all(calls)).toEqual(["order-7 30", "order-7 10", "order-7 20"]);
  });

  test("a caller who leaves ends its own trace and not another of the same id", async () => {
    const clock = new TestClock();
    const wait = payloadNode("wait", async (value: number, ctx) => {
      await ctx.sleep(value);
      return value;
    });
    const flow = tidy(create(wait.to(), { clock }).run());
    const controller = new AbortController();
    const leaving = rejection(flow.call(10, { traceId: "t", signal: controller.signal }));
    const staying = flow.call(20, { traceId: "t" });
    const expiring = rejection(flow.call(30, { traceId: "t", timeoutMs: 5 }));
    await settle();
    controller.abort(new Error("tab closed"));
    await clock.advance(20);
    const error = await leaving;
    expect(error).toMatchObject({ code: "TRACE_CANCELLED", name: "TraceCancelled", traceId: "t" });
    expect((error as Error).cause).toBe(controller.signal.reason);
    expect(codeOf(await expiring)).toBe("DEADLINE_EXCEEDED");
    expect(await staying).toBe(20);
    const again = flow.call(1, { traceId: "t" });
    await clock.advance(1);
    expect(await within(1_000, again)).toBe(1);
  });

  test("with a signal that has aborted already is rejected and runs nothing", async () => {
    const ran: number[] = [];
    const flow = tidy(create(payloadNode("note", (value: number) => void ran.push(value)).to()).run());
    for (const act of [
      () => flow.call(1, { signal: AbortSignal.abort("gone") }),
      () => flow.stream(1, { signal: AbortSignal.abort("gone") }).next(),
    ]) {
      expect(codeOf(await rejection(within(1_000, act())))).toBe("TRACE_CANCELLED");
    }
    expect(await within(1_000, flow.outcome(1, { signal: AbortSignal.abort("gone") }))).toMatchObject({
      status: "cancelled",
      reason: "gone",
    });
    await settle();
    expect(ran).toEqual([]);
  });

  test("with a deadline that has passed already is exhausted and runs nothing", async () => {
    const clock = new TestClock();
    const ran: number[] = [];
    const flow = tidy(create(payloadNode("note", (value: number) => void ran.push(value)).to(), { clock }).run());
    const outcome = flow.outcome(1, { deadlineAt: clock.epochNow() - 1 });
    await clock.advance(0);
    expect(await within(1_000, outcome)).toMatchObject({ status: "exhausted", error: { code: "DEADLINE_EXCEEDED" } });
    expect(ran).toEqual([]);
  });

  test("takes its listener off the signal when it is done", async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const flow = tidy(create(same.to()).run());
    for (let value = 0; value < 10; value += 1) await flow.call(value, { signal });
    await readAll(flow.stream(1, { signal }));
    expect(listeners).toBe(0);
  });

  test("ten thousand at once each get their own", async () => {
    const flow = tidy(create(same.to(payloadNode("next", async (value: number) => value * 2))).run());
    const calls = Array.from({ length: 10_000 }, (_, index) => flow.call(index, { traceId: `t${index % 7}` }));
    const results = await within(20_000, Promise.all(calls));
    expect(results.every((value, index) => value === index * 2)).toBe(true);
  });

  test("from within a handler of the same flow works", async () => {
    const again = payloadNode("again", async (value: number): Promise<number> =>
      value === 0 ? 0 : 1 + ((await flow.call(value - 1)) as number),
    );
    const flow: { call(value: number): Promise<unknown> } = tidy(create(again.to()).run());
    expect(await within(1_000, flow.call(20))).toBe(20);
  });
});

describe("outcome", () => {
  test("is the same data however it is read", async () => {
    const flow = tidy(create(same.to()).run());
    const outcome = await flow.outcome(1, { traceId: "t", tenant: "acme" });
    expect({ ...outcome }).toMatchObject({ status: "completed", result: 1, results: [1], traceId: "t" });
    expect(JSON.parse(JSON.stringify(outcome))).toMatchObject({ status: "completed", result: 1, results: [1] });
  });

  test("has a result only when it completed", async () => {
    const flow = tidy(create(payloadNode("none", () => undefined).to()).run());
    expect("result" in (await flow.outcome(1))).toBe(false);
  });

  test("tells how long the trace took", async () => {
    const clock = new TestClock();
    const wait = payloadNode("wait", (value: number, ctx) => ctx.sleep(value).then(() => value));
    const flow = tidy(create(wait.to(), { clock }).run());
    await clock.advance(7);
    const outcome = flow.outcome(25);
    await clock.advance(25);
    expect((await outcome).durationMs).toBe(25);
  });

  test("does not reject for what happens at run time", async () => {
    const held = payloadNode("held", (_: number, ctx) => ctx.sleep(1_000));
    const clock = new TestClock();
    const flow = create(held.to(), { clock }).run();
    const cancelled = flow.outcome(1, { traceId: "c" });
    const exhausted = flow.outcome(1, { timeoutMs: 10 });
    const stopped = flow.outcome(1);
    await settle();
    await flow.cancel("c", { reason: "no longer wanted" });
    await clock.advance(10);
    await flow.stop();
    expect(await cancelled).toMatchObject({ status: "cancelled", reason: "no longer wanted" });
    expect(await exhausted).toMatchObject({ status: "exhausted", finalAnswer: { text: "Deadline exceeded" } });
    expect(await stopped).toMatchObject({ status: "stopped", error: { code: "FLOW_STOPPED" } });
  });
});

describe("stream", () => {
  const talk = payloadNode("talk", async (words: readonly string[], ctx) => {
    for (const text of words) {
      await ctx.emitChunk({ text });
      await settle();
    }
    return words.length;
  });

  test("yields chunks and then the result, and ends", async () => {
    const flow = tidy(create(talk.to()).run());
    expect(await readAll(flow.stream(["a", "b"]))).toEqual(["a", "b", "", 2]);
  });

  test("yields the chunks and results of its own trace only, two hundred at once", async () => {
    const flow = tidy(
      create(
        talk.to(
          payloadNode("more", async (count: number, ctx) => {
            await ctx.emitChunk({ text: `${ctx.message.meta["who"] as string}!` });
            return `${ctx.message.meta["who"] as string} ${count}`;
          }),
        ),
      ).run(),
    );
    const streams = Array.from({ length: 200 }, (_, index) => {
      const who = `w${index}`;
      const words = Array.from({ length: 1 + (index % 5) }, (_word, at) => `${who}.${at}`);
      return { who, words, read: readAll(flow.stream(words, { traceId: `t${index % 10}`, meta: { who } })) };
    });
    for (const { who, words, read } of streams)
      expect(await within(20_000, read)).toEqual([...words, "", `${who}!`, "", `${who} ${words.length}`]);
  });

  test("yields every result of the trace with its message", async () => {
    const three = payloadNode("three", async (value: number, ctx) => {
      await ctx.emit(value);
      await ctx.emit(value + 1);
      return value + 2;
    });
    const flow = tidy(create(three.to()).run());
    const results: unknown[] = [];
    for await (const item of flow.stream(1, { traceId: "t" })) {
      if (item.type === "result") results.push([item.result, item.message.payload, item.message.traceId]);
    }
    expect(results).toEqual([
      [1, 1, "t"],
      [2, 2, "t"],
      [3, 3, "t"],
    ]);
  });

  test("throws the error of the trace after what came before it", async () => {
    const breaking = payloadNode("breaking", async (value: number, ctx) => {
      await ctx.emitChunk({ text: "so far" });
      await ctx.emit(value);
      throw new Error("broken");
    });
    const flow = tidy(create(breaking.to()).run());
    expect(await readAll(flow.stream(1))).toEqual(["so far", 1, "", "NODE_EXCEPTION"]);
  });

  test("of a trace that ends empty throws the diagnosis", async () => {
    const flow = tidy(create(payloadNode("none", () => undefined).to()).run());
    expect(await readAll(flow.stream(1))).toEqual(["NO_RESULT"]);
  });

  test("begins when it is first read", async () => {
    const flow = tidy(create(same.to()).run());
    const stream = flow.stream(1);
    await settle();
    expect(flow.stats().accepted).toBe(0);
    await stream.next();
    expect(flow.stats().accepted).toBe(1);
    await stream.return(undefined);
  });

  /** Creates a node that sends chunks forever and records its abort reason. */
  const endless = () => {
    const reasons: unknown[] = [];
    const written: number[] = [];
    const talker = payloadNode("talker", async (_: number, ctx) => {
      ctx.signal.addEventListener("abort", () => reasons.push(codeOf(ctx.signal.reason)));
      for (let index = 0; ; index += 1) {
        await ctx.emitChunk({ text: String(index) });
        written.push(index);
        await ctx.sleep(1);
      }
    });
    return { node: talker, reasons, written };
  };

  test("left early cancels the trace, and leaving waits for its handlers", async () => {
    const talker = endless();
    const flow = tidy(create(talker.node.to()).run());
    const read: string[] = [];
    for await (const item of flow.stream(1)) {
      if (item.type === "chunk") read.push(item.chunk.text);
      if (read.length === 3) break;
    }
    expect(read).toEqual(["0", "1", "2"]);
    expect(talker.reasons).toEqual(["TRACE_CANCELLED"]);
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("left by an error in the loop cancels the trace and passes the error on", async () => {
    const talker = endless();
    const flow = tidy(create(talker.node.to()).run());
    const error = await rejection(
      (async () => {
        for await (const item of flow.stream(1)) throw new Error(`no more than ${item.type}`);
      })(),
    );
    expect(String(error)).toBe("Error: no more than chunk");
    expect(talker.reasons).toEqual(["TRACE_CANCELLED"]);
  });

  test("left while it waits for the next item cancels the trace at once", async () => {
    const reasons: unknown[] = [];
    const silent = payloadNode("silent", async (value: number, ctx) => {
      ctx.signal.addEventListener("abort", () => reasons.push(codeOf(ctx.signal.reason)));
      await ctx.sleep(60_000);
      return value;
    });
    const flow = tidy(create(silent.to(), { clock: new TestClock() }).run());
    const stream = flow.stream(1);
    const pending = stream.next();
    await settle();
    const left = stream.return(undefined);
    await within(1_000, left, "leaving the stream");
    expect(reasons).toEqual(["TRACE_CANCELLED"]);
    expect(await within(1_000, pending)).toMatchObject({ done: true });
    expect(leftovers(flow.stats())).toEqual(NOTHING);
  });

  test("as a web stream whose reader goes away cancels the trace at once", async () => {
    const reasons: unknown[] = [];
    const silent = payloadNode("silent", async (value: number, ctx) => {
      ctx.signal.addEventListener("abort", () => reasons.push(codeOf(ctx.signal.reason)));
      await ctx.emitChunk({ text: "hello" });
      await ctx.sleep(60_000);
      return value;
    });
    const flow = tidy(create(silent.to(), { clock: new TestClock() }).run());
    const reader = ReadableStream.from<StreamItem<number>>(flow.stream(1)).getReader();
    await reader.read();
    void reader.read().catch(() => {});
    await settle();
    await within(1_000, reader.cancel("client disconnected"), "cancelling the reader");
    expect(reasons).toEqual(["TRACE_CANCELLED"]);
  });

  test("left with onLeave detach lets the trace continue, detached", async () => {
    const done: number[] = [];
    const talker = payloadNode("talker", async (count: number, ctx) => {
      for (let index = 0; index < count; index += 1) await ctx.emitChunk({ text: String(index) });
      done.push(count);
      return count;
    });
    const flow = tidy(create(talker.to(), { streamWindow: 2 }).run());
    for await (const item of flow.stream(50, { onLeave: "detach" })) if (item.type === "chunk") break;
    await turns();
    expect(done).toEqual([50]);
    expect(flow.stats().outcomes).toMatchObject({ completed: 1, cancelled: 0 });
  });

  test("refuses another word for onLeave by name", async () => {
    const flow = tidy(create(same.to()).run());
    const error = await rejection(
      (async () => {
        for await (const item of flow.stream(1, { onLeave: "cancle" as never })) expect(item).toBeUndefined();
      })(),
    );
    expect(String(error)).toMatch(/"onLeave".*"cancel".*"detach".*got "cancle"/);
  });

  test("cancelled from elsewhere ends with TRACE_CANCELLED", async () => {
    const talker = endless();
    const flow = tidy(create(talker.node.to()).run());
    const reading = readAll(flow.stream(1, { traceId: "t" }));
    await turns(2);
    expect(await flow.cancel("t")).toMatchObject({ found: true, aborted: 1 });
    expect((await within(1_000, reading)).at(-1)).toBe("TRACE_CANCELLED");
  });

  test("read slowly blocks its producer within the window, and no other trace", async () => {
    const talker = endless();
    const flow = tidy(create(talker.node.to(), { streamWindow: 4 }).run());
    const stream = flow.stream(1);
    await stream.next();
    await turns(20);
    const { length } = talker.written;
    expect(length).toBeLessThanOrEqual(6);
    await turns(20);
    expect(talker.written).toHaveLength(length);
    const other = flow.stream(2);
    for (let index = 0; index < 20; index += 1) await within(1_000, other.next());
    await Promise.all([stream.return(undefined), other.return(undefined)]);
  });

  test.each(["cancelled", "completed"])("whose trace is %s releases an outside writer that waits", async (how) => {
    const gate = Promise.withResolvers<undefined>();
    const flow = tidy(create(payloadNode("held", () => gate.promise).to(), { streamWindow: 1 }).run());
    const stream = flow.stream(1, { traceId: "t" });
    const first = stream.next();
    await flow.emitChunk({ traceId: "t", text: "read" });
    await first;
    await flow.emitChunk({ traceId: "t", text: "in the window" });
    const waiting = rejection(flow.emitChunk({ traceId: "t", text: "waits" }));
    await settle();
    const cancelling = how === "cancelled" ? flow.cancel("t") : undefined;
    gate.resolve(undefined);
    await cancelling;
    expect(await within(1_000, waiting)).toBeInstanceOf(FlowError);
    await readAll(stream);
  });

  test("whose trace completes releases an outside writer with a typed error", async () => {
    const gate = Promise.withResolvers<undefined>();
    const early = payloadNode("early", async (value: number, ctx) => {
      await ctx.emit(value);
      await gate.promise;
    });
    const flow = tidy(create(early.to(), { streamWindow: 1 }).run());
    const stream = flow.stream(1, { traceId: "t" });
    expect(await stream.next()).toMatchObject({ value: { type: "result" } });
    await flow.emitChunk({ traceId: "t", text: "in the window" });
    const waiting = rejection(flow.emitChunk({ traceId: "t", text: "waits" }));
    await settle();
    gate.resolve(undefined);
    expect(await within(1_000, waiting)).toBeInstanceOf(FlowError);
    await readAll(stream);
  });

  test("carries the retry of a node: the old stream is closed with its reason, the next begins again", async () => {
    const clock = new TestClock();
    const flaky = payloadNode(
      { name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 10, jitter: 0 } },
      async (value: number, ctx) => {
        await ctx.emitChunk({ text: `try ${ctx.attempt}` });
        await ctx.emit(value + ctx.attempt);
        if (ctx.attempt === 1) throw new Error("again");
        return value;
      },
    );
    const flow = tidy(create(flaky.to(), { clock }).run());
    const items: unknown[] = [];
    const reading = (async () => {
      for await (const item of flow.stream(0))
        items.push(
          item.type !== "chunk"
            ? item.type === "result" && item.result
            : [item.chunk.text, item.chunk.attempt, item.chunk.run, item.chunk.seq, item.chunk.end],
        );
    })();
    await clock.advance(10);
    await within(1_000, reading);
    expect(items).toEqual([
      ["try 1", 1, 0, 0, undefined],
      ["", 1, 0, 1, "retry"],
      ["try 2", 2, 1, 0, undefined],
      ["", 2, 1, 1, "done"],
      2,
      0,
    ]);
  });
});

describe("traces of many kinds at once", () => {
  test("end once each, and every waiter gets exactly its own", async () => {
    const clock = new TestClock();
    const seen = recorder();
    const act = node("act", async (message: Message<number>, ctx) => {
      const kind = message.payload % 5;
      await ctx.sleep(message.payload % 3);
      if (kind === 1) throw new Error("broken");
      if (kind === 2) return undefined;
      if (kind === 3) await ctx.sleep(10_000);
      if (kind === 4) await ctx.emit(message.payload);
      return message.payload;
    });
    const flow = tidy(create(act.to(same), { clock, middlewares: [seen.middleware], queueMaxSize: 8 }).run());
    const outcomes = Array.from({ length: 300 }, (_, value) => flow.outcome(value, { timeoutMs: 500 }));
    await clock.advance(1_000);
    const ended = await within(2_000, Promise.all(outcomes));
    const wanted = ["completed", "failed", "empty", "exhausted", "completed"];
    expect(ended.map((outcome) => outcome.status)).toEqual(ended.map((_, value) => wanted[value % 5]));
    await flow.flush();
    const ends = seen.of("trace_end");
    expect(ends).toHaveLength(300);
    expect(new Set(ends.map((event) => event.traceId)).size).toBe(300);
    expect(flow.stats().outcomes).toEqual({
      completed: 120,
      failed: 60,
      empty: 60,
      exhausted: 60,
      cancelled: 0,
      stopped: 0,
    });
  });
});
