import { describe, expect, test } from "vitest";
import {
  create,
  emitStreamEvents,
  type FlowError,
  type KeepAlive,
  keepAlive,
  payloadNode,
  type StreamChunk,
  streamFlow,
  type StreamItem,
} from "penguiflow";
import { TestClock } from "penguiflow/testing";
import { rejection, tidy, within } from "../fixtures/watched-flow.ts";

const words = payloadNode("words", async (text: string, ctx) => {
  for (const word of text.split(" ")) await ctx.emitChunk({ text: word });
  return text.length;
});
const bare = (item: StreamChunk | number) =>
  typeof item === "number" ? item : item.done ? `[${item.end}]` : item.text;

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("streamFlow", () => {
  test("yields chunks and then the result, bare", async () => {
    const flow = tidy(create(words.to()).run());
    expect((await collect(streamFlow(flow, "a b"))).map(bare)).toEqual(["a", "b", "[done]", 3]);
  });

  test("leaves results out with includeFinal: false", async () => {
    const flow = tidy(create(words.to()).run());
    expect((await collect(streamFlow(flow, "a b", { includeFinal: false }))).map(bare)).toEqual(["a", "b", "[done]"]);
  });

  test("throws the trace's error at the end, after what came before", async () => {
    const failing = payloadNode("failing", async (text: string, ctx) => {
      await ctx.emitChunk({ text });
      throw new Error("broke");
    });
    const flow = tidy(create(failing.to()).run());
    const seen: string[] = [];
    const error = await rejection(
      (async () => {
        for await (const item of streamFlow(flow, "a")) seen.push(String(bare(item)));
      })(),
    );
    expect(seen).toEqual(["a", "[error]"]);
    expect(error).toMatchObject({ code: "NODE_EXCEPTION" });
  });

  test("passes options on and cancels the trace when its reader leaves", async () => {
    const clock = new TestClock();
    let reason: unknown;
    const endless = payloadNode("endless", async (_: string, ctx) => {
      ctx.signal.addEventListener("abort", () => void (reason = ctx.signal.reason));
      for (;;) await ctx.emitChunk({ text: ctx.tenant });
    });
    const flow = tidy(create(endless.to(), { clock }).run());
    for await (const item of streamFlow(flow, "x", { tenant: "acme" })) {
      expect(item).toMatchObject({ text: "acme" });
      break;
    }
    expect(reason).toMatchObject({ name: "TraceCancelled" });
  });
});

describe("keepAlive", () => {
  const talk = payloadNode("talk", async (pauses: readonly number[], ctx) => {
    for (const pauseMs of pauses) {
      await ctx.sleep(pauseMs);
      await ctx.emitChunk({ text: `${pauseMs}` });
    }
    return "end";
  });
  const shown = (item: StreamItem<string> | KeepAlive) =>
    item.type === "chunk" ? item.chunk.text : item.type === "result" ? item.result : item.type;

  async function shownAt(clock: TestClock, items: AsyncIterable<StreamItem<string> | KeepAlive>, untilMs: number) {
    const seen: [number, string][] = [];
    const reading = (async () => {
      for await (const item of items) seen.push([clock.now(), shown(item)]);
    })();
    const startedAt = clock.now();
    await clock.advance(untilMs);
    await within(1_000, reading);
    return seen.map(([at, text]) => [at - startedAt, text]);
  }

  test("yields a sign of life for each 15 seconds of silence, on the clock it is given, and every item once", async () => {
    const clock = new TestClock();
    const flow = tidy(create(talk.to(), { clock }).run());
    expect(await shownAt(clock, keepAlive(flow.stream([10_000, 14_999, 40_000]), { clock }), 70_000)).toEqual([
      [10_000, "10000"],
      [24_999, "14999"],
      [39_999, "keep-alive"],
      [54_999, "keep-alive"],
      [64_999, "40000"],
      [64_999, ""],
      [64_999, "end"],
    ]);
    expect(clock.timers).toBe(0);
  });

  test("yields none where something comes more often, and other spans by option", async () => {
    const clock = new TestClock();
    const flow = tidy(create(talk.to(), { clock }).run());
    const often = keepAlive(flow.stream([900, 900, 900]), { clock, afterMs: 1_000 });
    expect((await shownAt(clock, often, 3_000)).map(([, text]) => text)).toEqual(["900", "900", "900", "", "end"]);
    const seldom = keepAlive(flow.stream([1_100]), { clock, afterMs: 1_000 });
    expect((await shownAt(clock, seldom, 3_000)).map(([, text]) => text)).toEqual(["keep-alive", "1100", "", "end"]);
  });

  test("passes the stream's error on", async () => {
    const fail = payloadNode("fail", async (_: string): Promise<string> => Promise.reject(new Error("no")));
    const flow = tidy(create(fail.to()).run());
    expect(await rejection(collect(keepAlive(flow.stream("x"))))).toMatchObject({ code: "NODE_EXCEPTION" });
  });

  test("left in the silence it leaves the stream at once, with no timer behind it", async () => {
    const clock = new TestClock();
    const flow = tidy(create(talk.to(), { clock }).run());
    const items = keepAlive(flow.stream([1e9]), { clock });
    const first = items.next();
    await clock.advance(15_000);
    expect(await first).toEqual({ done: false, value: { type: "keep-alive" } });
    const second = items.next();
    await items.return();
    expect(await within(1_000, second)).toMatchObject({ done: true });
    expect(flow.stats().outcomes.cancelled).toBe(1);
    expect(clock.timers).toBe(0);
  });

  test("works on the bare items of streamFlow", async () => {
    const flow = tidy(create(words.to()).run());
    const items = await collect(keepAlive(streamFlow(flow, "a b")));
    expect(items.map((item) => (typeof item === "object" && "type" in item ? item.type : bare(item)))).toEqual([
      "a",
      "b",
      "[done]",
      3,
    ]);
  });

  test("refuses a span that is none, and options it does not know", () => {
    const flow = tidy(create(words.to()).run());
    expect(() => keepAlive(flow.stream("x"), { afterMs: 0 })).toThrow(RangeError);
    expect(() => keepAlive(flow.stream("x"), { everyMs: 1 } as never)).toThrow('"everyMs"');
  });
});

describe("emitStreamEvents", () => {
  async function* tokens() {
    yield { token: "pen", kind: "text" };
    yield { token: "", kind: "ping" };
    yield { token: "guin", kind: "text" };
  }

  test("sends each event as a chunk of one stream, ends it, and resolves with the whole text", async () => {
    const write = payloadNode("write", (_: string, ctx) =>
      emitStreamEvents(tokens(), ctx, {
        streamId: "own",
        text: (event) => (event.kind === "ping" ? undefined : event.token),
      }),
    );
    const flow = tidy(create(write.to()).run());
    const items = await collect(flow.stream("x"));
    const chunks = items.flatMap((item) => (item.type === "chunk" ? [item.chunk] : []));
    expect(chunks.map(({ streamId, seq, text, done }) => [streamId, seq, text, done])).toEqual([
      ["own", 0, "pen", false],
      ["own", 1, "guin", false],
      ["own", 2, "", true],
    ]);
    expect(items.at(-1)).toMatchObject({ type: "result", result: "penguin" });
  });

  test("closes its source when the trace is cancelled while the source gives on", async () => {
    const clock = new TestClock();
    let closed = false;
    const write = payloadNode("write", (_: string, ctx) =>
      emitStreamEvents(
        (async function* () {
          try {
            for (;;) {
              await ctx.sleep(10);
              yield "tick";
            }
          } finally {
            closed = true;
          }
        })(),
        ctx,
      ),
    );
    const flow = tidy(create(write.to(), { clock }).run());
    const outcome = flow.outcome("x", { traceId: "t" });
    await clock.advance(35);
    await within(1_000, flow.cancel("t"));
    expect((await outcome).status).toBe("cancelled");
    expect(closed).toBe(true);
  });

  test("goes no faster than the reader of the stream", async () => {
    let given = 0;
    const write = payloadNode("write", (_: string, ctx) =>
      emitStreamEvents(
        (function* () {
          for (; given < 100; given += 1) yield String(given);
        })(),
        ctx,
      ),
    );
    const clock = new TestClock();
    const flow = tidy(create(write.to(), { clock, streamWindow: 4 }).run());
    const reader = flow.stream("x")[Symbol.asyncIterator]();
    await reader.next();
    await clock.advance(0);
    expect(given).toBeLessThanOrEqual(7);
    let left = 0;
    for (let step = await reader.next(); step.done !== true; step = await reader.next()) left += 1;
    expect(left).toBe(101);
  });

  test("a failing source fails the node and closes the stream with an error", async () => {
    const write = payloadNode("write", (_: string, ctx) =>
      emitStreamEvents(
        (function* () {
          yield "a";
          throw new Error("model went away");
        })(),
        ctx,
      ),
    );
    const flow = tidy(create(write.to()).run());
    const chunks: (string | undefined)[] = [];
    const error = (await rejection(
      (async () => {
        for await (const item of flow.stream("x")) if (item.type === "chunk") chunks.push(item.chunk.end);
      })(),
    )) as FlowError;
    expect(error.unwrap()).toEqual(new Error("model went away"));
    expect(chunks).toEqual([undefined, "error"]);
  });
});

test("a stream whose writer was cut off while it waited for the reader has no gap in its numbers", async () => {
  const clock = new TestClock();
  const node = payloadNode(
    { name: "w", policy: { timeoutMs: 50, maxRetries: 1, backoffBaseMs: 1, jitter: 0 } },
    async (_: number, ctx) => {
      if (ctx.attempt === 2) return 1;
      for (let i = 0; i < 10; i += 1) await ctx.emitChunk({ text: `c${i}` });
      return 1;
    },
  );
  const flow = tidy(create(node.to(), { clock, streamWindow: 2 }).run());
  const reader = flow.stream(1)[Symbol.asyncIterator]();
  const first = reader.next();
  await clock.advance(200);
  const chunks: StreamChunk[] = [];
  for (let step = await first; step.done !== true; step = await within(1_000, reader.next()))
    if (step.value.type === "chunk") chunks.push(step.value.chunk);
  expect(chunks.map((c) => [c.run, c.seq, c.text, c.end])).toEqual(
    chunks.map((c, i) => [0, i, c.text, i === chunks.length - 1 ? "retry" : undefined]),
  );
});
