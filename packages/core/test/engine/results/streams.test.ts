import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chunkId,
  create,
  type Context,
  FlowErrorCode,
  type Message,
  node,
  payloadNode,
  type StreamChunk,
} from "penguiflow";
import { settle, TestClock } from "penguiflow/testing";
import { expectEmpty, gate, range, readAll, running } from "../../fixtures/quiet-flow.ts";
import { rejection, within } from "../../fixtures/watched-flow.ts";

interface Streaming {
  stream(
    input: never,
    options?: object,
  ): AsyncIterable<{ type: "chunk"; chunk: StreamChunk } | { type: "result"; result: unknown }>;
}

/** Returns the chunks of one trace, and the error its stream ended with. */
async function chunksOf(flow: unknown, input: unknown, options: object = {}) {
  const chunks: StreamChunk[] = [];
  const results: unknown[] = [];
  let error: { code?: string } | undefined;
  try {
    for await (const item of (flow as Streaming).stream(input as never, options)) {
      if (item.type === "chunk") chunks.push(item.chunk);
      else results.push(item.result);
    }
  } catch (thrown) {
    error = thrown as { code?: string };
  }
  return { chunks, results, error };
}

/** Checks that every run of every stream counts from 0 without a gap and ends with exactly one last chunk. */
function expectWellFormed(chunks: readonly StreamChunk[]): void {
  const runs = new Map<string, StreamChunk[]>();
  for (const chunk of chunks) {
    const key = `${chunk.streamId} ${chunk.run}`;
    runs.set(key, [...(runs.get(key) ?? []), chunk]);
  }
  for (const [key, run] of runs) {
    expect([key, run.map(({ seq }) => seq)]).toEqual([key, range(run.length)]);
    expect([key, run.map(({ done }) => done)]).toEqual([key, run.map((_, index) => index === run.length - 1)]);
    expect([key, run.map(({ end }) => end !== undefined)]).toEqual([key, run.map(({ done }) => done)]);
    expect(new Set(run.map(({ node: name, attempt }) => `${name} ${attempt}`)).size).toBe(1);
  }
  expect(new Set(chunks.map(chunkId)).size).toBe(chunks.length);
}

describe("a stream", () => {
  test("counts its chunks from 0 and is ended by the runtime when its handler returns", async () => {
    const talker = payloadNode("talker", async (text: string, ctx) => {
      for (const word of text.split(" ")) await ctx.emitChunk({ text: word });
      return text;
    });
    const flow = running(create(talker.to()));
    const { chunks, results } = await chunksOf(flow, "so it goes", { traceId: "t", tenant: "acme" });
    expect(chunks.map(({ text, seq, done, end }) => [text, seq, done, end])).toEqual([
      ["so", 0, false, undefined],
      ["it", 1, false, undefined],
      ["goes", 2, false, undefined],
      ["", 3, true, "done"],
    ]);
    for (const chunk of chunks)
      expect(chunk).toMatchObject({ streamId: "t", traceId: "t", tenant: "acme", node: "talker", attempt: 1, run: 0 });
    expect(results).toEqual(["so it goes"]);
  });

  test("that its writer has ended gets no second last chunk", async () => {
    const talker = payloadNode("talker", async (_: string, ctx) => {
      await ctx.emitChunk({ text: "all", done: true });
      return "x";
    });
    const flow = running(create(talker.to()));
    const { chunks } = await chunksOf(flow, "go");
    expect(chunks).toHaveLength(1);
    expectWellFormed(chunks);
  });

  test.each([
    ["fails", "error", FlowErrorCode.NODE_EXCEPTION],
    ["takes too long", "error", FlowErrorCode.NODE_TIMEOUT],
    ["is cancelled", "cancelled", FlowErrorCode.TRACE_CANCELLED],
    ["runs out of time", "error", FlowErrorCode.DEADLINE_EXCEEDED],
    ["is stopped", "cancelled", FlowErrorCode.FLOW_STOPPED],
  ])("whose handler %s ends with %s", async (how, end, code) => {
    const clock = new TestClock();
    const talker = payloadNode(
      { name: "talker", policy: { timeoutMs: how === "takes too long" ? 50 : 1e9 } },
      async (_: string, ctx) => {
        await ctx.emitChunk({ text: "one" });
        if (how === "fails") throw new Error("broken");
        await ctx.sleep(1e6);
        return "x";
      },
    );
    const flow = running(create(talker.to(), { clock }), clock);
    const read = chunksOf(flow, "go", { traceId: "t", ...(how === "runs out of time" ? { timeoutMs: 50 } : {}) });
    await clock.advance(10);
    if (how === "is cancelled") await flow.cancel("t");
    if (how === "is stopped") await flow.stop();
    await clock.advance(50);
    const { chunks, error } = await within(500, read);
    expect(error?.code).toBe(code);
    expect(chunks.map(({ text, end: why }) => [text, why])).toEqual([
      ["one", undefined],
      ["", end],
    ]);
    expectWellFormed(chunks);
  });

  test("of an attempt that is retried ends with the reason, and the next attempt begins it anew", async () => {
    const clock = new TestClock();
    const talker = payloadNode(
      { name: "talker", policy: { maxRetries: 2, backoffBaseMs: 5, jitter: 0 } },
      async (_: string, ctx) => {
        await ctx.emitChunk({ text: `try ${ctx.attempt}` });
        if (ctx.attempt < 3) throw new Error("again");
        return "x";
      },
    );
    const flow = running(create(talker.to(), { clock }), clock);
    const read = chunksOf(flow, "go", { traceId: "t" });
    await clock.advance(100);
    const { chunks } = await within(500, read);
    expect(
      chunks.map(({ streamId, attempt, run, seq, text, end }) => [streamId, attempt, run, seq, text, end]),
    ).toEqual([
      ["t", 1, 0, 0, "try 1", undefined],
      ["t", 1, 0, 1, "", "retry"],
      ["t", 2, 1, 0, "try 2", undefined],
      ["t", 2, 1, 1, "", "retry"],
      ["t", 3, 2, 0, "try 3", undefined],
      ["t", 3, 2, 1, "", "done"],
    ]);
    expectWellFormed(chunks);
  });

  test("keeps its chunks before its last one also when the handler did not wait for them", async () => {
    const talker = payloadNode("talker", (_: string, ctx) => {
      for (const index of range(6)) void ctx.emitChunk({ text: String(index) });
      return "x";
    });
    const flow = running(create(talker.to(), { streamWindow: 1 }));
    const { chunks, results } = await within(500, chunksOf(flow, "go"));
    expect(chunks.map(({ text }) => text)).toEqual(["0", "1", "2", "3", "4", "5", ""]);
    expectWellFormed(chunks);
    expect(results).toEqual(["x"]);
  });

  test("has no gap when its writer timed out while a chunk waited to be read", async () => {
    const clock = new TestClock();
    const talker = payloadNode(
      { name: "talker", policy: { timeoutMs: 20, maxRetries: 1, backoffBaseMs: 5, jitter: 0 } },
      async (_: string, ctx) => {
        for (const index of range(ctx.attempt === 1 ? 5 : 1)) await ctx.emitChunk({ text: `${ctx.attempt}.${index}` });
        return "x";
      },
    );
    const flow = running(create(talker.to(), { clock, streamWindow: 2 }), clock);
    const stream = flow.stream("go");
    const chunks: StreamChunk[] = [];
    const take = (item: IteratorResult<{ type: string }, void>) => {
      if (!item.done && item.value.type === "chunk")
        chunks.push((item.value as unknown as { chunk: StreamChunk }).chunk);
    };
    take(await stream.next());
    // the first attempt has timed out by now, the second waits to be read
    await clock.advance(30);
    for await (const item of stream) take({ done: false, value: item });
    expectWellFormed(chunks);
    expect(chunks.filter(({ done }) => done).map(({ end }) => end)).toEqual(["retry", "done"]);
  });

  test("has one writer at a time: another is refused with STREAM_BUSY until it has ended", async () => {
    const door = gate();
    const refused: unknown[] = [];
    const source = payloadNode("source", (payload: string) => payload);
    const writer = payloadNode("writer", async (_: string, ctx) => {
      await ctx.emitChunk({ text: "mine", streamId: "shared" });
      await door.passed;
    });
    const rival = payloadNode("rival", async (_: string, ctx) => {
      await settle();
      refused.push(((await rejection(ctx.emitChunk({ text: "me too", streamId: "shared" }))) as { code: string }).code);
      door.open();
      await settle();
      await ctx.emitChunk({ text: "now", streamId: "shared" });
      return "x";
    });
    const flow = running(create(source.to(writer, rival)));
    const { chunks } = await within(1_000, chunksOf(flow, "go"));
    expect(refused).toEqual([FlowErrorCode.STREAM_BUSY]);
    expect(chunks.map(({ node: name, text, run, seq, end }) => [name, text, run, seq, end])).toEqual([
      ["writer", "mine", 0, 0, undefined],
      ["writer", "", 0, 1, "done"],
      ["rival", "now", 1, 0, undefined],
      ["rival", "", 1, 1, "done"],
    ]);
  });

  test("of each handler of a trace has an id of its own when it gives none", async () => {
    const source = payloadNode("source", (payload: string) => payload);
    const speak = (name: "x" | "y") =>
      payloadNode(name, async (_: string, ctx) => {
        for (const index of range(3)) {
          await ctx.emitChunk({ text: `${name}${index}` });
          await settle();
        }
      });
    const flow = running(create(source.to(speak("x"), speak("y"))));
    const { chunks } = await chunksOf(flow, "go", { traceId: "t" });
    expectWellFormed(chunks);
    expect(new Set(chunks.map(({ node: name, streamId }) => `${name} ${streamId}`))).toEqual(new Set(["x t", "y t~2"]));
  });

  test("refuses a seq that goes back and a text that is no string", async () => {
    const errors: unknown[] = [];
    const talker = payloadNode("talker", async (_: string, ctx) => {
      await ctx.emitChunk({ text: "a", seq: 5 });
      errors.push(((await rejection(ctx.emitChunk({ text: "b", seq: 5 }))) as Error).name);
      errors.push(((await rejection(ctx.emitChunk({ text: "b", seq: 6.5 }))) as Error).name);
      errors.push(((await rejection(ctx.emitChunk({ text: 7 as never }))) as Error).name);
      return "x";
    });
    const flow = running(create(talker.to()));
    const { chunks } = await chunksOf(flow, "go");
    expect(errors).toEqual(["RangeError", "RangeError", "TypeError"]);
    expect(chunks.map(({ seq }) => seq)).toEqual([5, 6]);
  });

  test("carries trace, tenant and a copy of its message's meta with the chunk's own on top", async () => {
    const talker = node("talker", async (message: Message<string>, ctx) => {
      await ctx.emitChunk({ text: "a", meta: { own: 1, both: "chunk" } });
      await ctx.emitChunk({ text: "b", parent: message.with({ meta: { other: true } }) });
      return message.payload;
    });
    const flow = running(create(talker.to()));
    const meta = { from: "caller", both: "message", deep: { list: [1] } };
    const { chunks } = await chunksOf(flow, "go", { tenant: "acme", traceId: "t", meta });
    expect(chunks[0]).toMatchObject({ tenant: "acme", traceId: "t" });
    expect(chunks[0]?.meta).toEqual({ from: "caller", both: "chunk", own: 1, deep: { list: [1] } });
    expect(chunks[1]?.meta).toEqual({ other: true });
    expect(Object.isFrozen(chunks[0])).toBe(true);
    meta.deep.list.push(2);
    expect(chunks[0]?.meta["deep"]).toEqual({ list: [1] });
  });
});

describe("flow.emitChunk", () => {
  const waiting = () => {
    const door = gate();
    const worker = payloadNode("worker", async (payload: string, ctx) => {
      await Promise.race([door.passed, ctx.sleep(1e9)]);
      return payload;
    });
    return { worker, door };
  };

  test("lets a caller outside write to a trace's stream, ended by the runtime with the trace", async () => {
    const { worker, door } = waiting();
    const flow = running(create(worker.to()));
    const read = chunksOf(flow, "go", { traceId: "t", tenant: "acme", meta: { m: 1 } });
    await settle();
    await flow.emitChunk({ traceId: "t", text: "hello" });
    await flow.emitChunk({ traceId: "t", text: "world", tenant: "acme", meta: { own: 1 } });
    door.open();
    const { chunks } = await within(500, read);
    expect(chunks.map(({ text, seq, end }) => [text, seq, end])).toEqual([
      ["hello", 0, undefined],
      ["world", 1, undefined],
      ["", 2, "done"],
    ]);
    for (const chunk of chunks) expect(chunk).toMatchObject({ traceId: "t", tenant: "acme", attempt: 0 });
    expect(chunks[0]?.node).toBeUndefined();
    expectWellFormed(chunks);
  });

  test("waits for the reader like every other writer, and settles when the trace ends first", async () => {
    for (const how of ["completes", "is cancelled"]) {
      const { worker, door } = waiting();
      const flow = running(create(worker.to(), { streamWindow: 1 }));
      const stream = flow.stream("go", { traceId: "t", onLeave: "detach" });
      const first = stream.next();
      await settle();
      await flow.emitChunk({ traceId: "t", text: "0" });
      await first;
      await flow.emitChunk({ traceId: "t", text: "1" });
      const blocked = flow.emitChunk({ traceId: "t", text: "2" }).then(
        (chunk) => chunk.text,
        (error: unknown) => error,
      );
      await settle();
      if (how === "is cancelled") await flow.cancel("t");
      else door.open();
      await settle();
      await readAll(stream).catch(() => undefined);
      const settled = (await within(500, blocked)) as string | { code: string };
      const allowed = how === "completes" ? ["2", FlowErrorCode.TRACE_UNKNOWN] : [FlowErrorCode.TRACE_CANCELLED];
      expect(allowed).toContain(typeof settled === "string" ? settled : settled.code);
    }
  });

  test("is given up when its signal aborts, before or while it waits", async () => {
    const { worker, door } = waiting();
    const flow = running(create(worker.to(), { streamWindow: 1 }));
    const stream = flow.stream("go", { traceId: "t" });
    const first = stream.next();
    await settle();
    await flow.emitChunk({ traceId: "t", text: "0" });
    await first;
    await flow.emitChunk({ traceId: "t", text: "1" });
    const controller = new AbortController();
    const blocked = rejection(flow.emitChunk({ traceId: "t", text: "2", signal: controller.signal }));
    controller.abort(new Error("enough"));
    expect(await within(500, blocked)).toBeInstanceOf(Error);
    expect(
      await within(500, rejection(flow.emitChunk({ traceId: "t", text: "3", signal: AbortSignal.abort() }))),
    ).toBeInstanceOf(Error);
    door.open();
    const texts: string[] = [];
    for await (const item of stream) if (item.type === "chunk") texts.push(item.chunk.text);
    expect(texts).toEqual(["1", ""]);
  });

  test("to an unknown or ended trace is refused with TRACE_UNKNOWN", async () => {
    const flow = running(create(payloadNode("echo", (payload: string) => payload).to()));
    await flow.call("x", { traceId: "t" });
    for (const traceId of ["t", "never"])
      expect(await rejection(flow.emitChunk({ traceId, text: "late" }))).toMatchObject({
        code: FlowErrorCode.TRACE_UNKNOWN,
      });
  });
});

test("two hundred streams at once never mix, whatever their pace and windows", async () => {
  const talker = payloadNode("talker", async (index: number, ctx) => {
    for (const part of range(10)) {
      await ctx.emitChunk({ text: `${index}:${part}` });
      if (part % 3 === index % 3) await settle();
    }
    return index;
  });
  const relay = payloadNode("relay", async (index: number, ctx) => {
    await ctx.emitChunk({ text: `${index}:relayed` });
    return index;
  });
  const flow = running(create(talker.to(relay), { streamWindow: 3 }));
  const read = await within(5_000, Promise.all(range(200).map((index) => chunksOf(flow, index))));
  for (const [index, { chunks, results }] of read.entries()) {
    expectWellFormed(chunks);
    const texts = chunks.filter(({ done }) => !done).map(({ text }) => text);
    expect(texts).toEqual([...range(10).map((part) => `${index}:${part}`), `${index}:relayed`]);
    expect(results).toEqual([index]);
  }
});

type Act =
  | { kind: "say"; stream: number; waits: boolean; last: boolean }
  | { kind: "pause" }
  | { kind: "fail" }
  | { kind: "emit" };

test("every run of every stream is numbered without gaps and ends with exactly one last chunk, whatever handlers do and however slowly they are read", async () => {
  const act: fc.Arbitrary<Act> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("say" as const),
        stream: fc.nat(2),
        waits: fc.boolean(),
        last: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "pause" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "fail" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "emit" as const }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(act, { maxLength: 12 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(3),
      fc.nat(40),
      async (scripts, streamWindow, readerPause, cancelAt) => {
        const clock = new TestClock();
        const play = async (script: readonly Act[], index: number, ctx: Context) => {
          for (const step of script) {
            if (step.kind === "say") {
              const streamId = step.stream === 0 ? undefined : `s${index}.${step.stream}`;
              const sent = ctx.emitChunk({ text: "x", streamId, done: step.last });
              if (step.waits) await sent;
              else sent.catch(() => undefined);
            } else if (step.kind === "pause") await ctx.sleep(2);
            else if (step.kind === "emit") await ctx.emit(index);
            else if (ctx.attempt === 1) throw new Error("once");
          }
          return index;
        };
        const source = payloadNode("source", (payload: number) => payload);
        const talkers = scripts.map((script, index) =>
          payloadNode({ name: `t${index}`, policy: { maxRetries: 1, backoffBaseMs: 3, jitter: 0 } }, (_: number, ctx) =>
            play(script, index, ctx),
          ),
        );
        const flow = create(...talkers.map((talker) => source.to(talker)), { clock, streamWindow });
        flow.run();
        const chunks: StreamChunk[] = [];
        const state = { isRead: false };
        const reading = (async () => {
          try {
            for await (const item of flow.stream(1, { traceId: "t" })) {
              if (item.type === "chunk") chunks.push(item.chunk);
              if (readerPause > 0)
                await new Promise((resolve) => clock.setTimer(() => resolve(undefined), readerPause));
            }
          } catch {}
          state.isRead = true;
        })();
        for (let steps = 0; steps < 300 && !state.isRead; steps += 1) {
          await clock.advance(1);
          if (steps === cancelAt && cancelAt % 2 === 1) void flow.cancel("t");
        }
        await within(1_000, reading, "the reader");
        expect(state.isRead).toBe(true);
        expectWellFormed(chunks);
        await settle();
        expectEmpty(flow);
        await flow.stop();
      },
    ),
    { numRuns: 80 },
  );
}, 60_000);
