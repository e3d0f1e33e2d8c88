import {
  chunkToWsJson,
  type Context,
  create,
  formatSseEvent,
  MemoryCheckpointStore,
  type Message,
  node,
  payloadNode,
  type StreamChunk,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { describe, expect, test } from "vitest";
import { rejection } from "../../fixtures/watched-flow.ts";

declare module "penguiflow" {
  interface ChunkKinds {
    progress: { readonly done: number };
    ping: undefined;
    anything: unknown;
  }
}

/** Runs a handler and returns the chunks that the reader of its stream got. */
async function chunksOf(write: (ctx: Context) => Promise<unknown>): Promise<StreamChunk[]> {
  const writer = payloadNode("writer", async (_: number, ctx) => {
    await write(ctx);
    return 0;
  });
  await using flow = create(writer.to()).run();
  const chunks: StreamChunk[] = [];
  for await (const item of flow.stream(1)) if (item.type === "chunk") chunks.push(item.chunk);
  return chunks;
}

const anything = (data: unknown) => chunksOf((ctx) => ctx.emitChunk({ kind: "anything", data }));

describe("a chunk with data", () => {
  test("is numbered in one stream with the texts beside it, and has no text", async () => {
    const chunks = await chunksOf(async (ctx) => {
      await ctx.emitChunk({ text: "a" });
      await ctx.emitChunk({ kind: "progress", data: { done: 1 }, meta: { m: 1 } });
      await ctx.emitChunk({ kind: "ping", done: true });
    });
    expect(chunks.map(({ seq, text, kind, data, end }) => [seq, text, kind, data, end])).toEqual([
      [0, "a", undefined, undefined, undefined],
      [1, "", "progress", { done: 1 }, undefined],
      [2, "", "ping", undefined, "done"],
    ]);
    expect(chunks.map((chunk) => "kind" in chunk)).toEqual([false, true, true]);
    expect("data" in (chunks[2] as object)).toBe(false);
  });

  test("has what its writer sent at that time: a frozen copy, in which objects of a class stay themselves", async () => {
    const since = new Date(0);
    const list = [1];
    const [chunk] = await chunksOf(async (ctx) => {
      const sent = ctx.emitChunk({ kind: "anything", data: { since, list } });
      list.push(2);
      await sent;
    });
    expect(chunk?.data).toEqual({ since, list: [1] });
    const data = chunk?.data as { readonly since: Date; readonly list: object } | undefined;
    expect(data?.since).toBe(since);
    expect(Object.isFrozen(data?.list)).toBe(true);
  });

  test("is written by callers outside the nodes, too", async () => {
    const begun = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const wait = payloadNode("wait", async (_: number) => {
      begun.resolve();
      await end.promise;
      return 0;
    });
    await using flow = create(wait.to()).run();
    const stream = flow.stream(1, { traceId: "t" });
    const first = stream.next();
    await begun.promise;
    await flow.emitChunk({ traceId: "t", kind: "progress", data: { done: 7 } });
    expect((await first).value).toMatchObject({ chunk: { kind: "progress", data: { done: 7 }, attempt: 0 } });
    end.resolve();
    await stream.return();
  });

  test("comes up from a playbook with its kind", async () => {
    const inner = create(
      payloadNode("inner", async (_: number, ctx) => {
        await ctx.emitChunk({ kind: "progress", data: { done: 3 } });
        return 0;
      }).to(),
    );
    const [chunk] = await chunksOf((ctx) => ctx.callPlaybook(inner, 1));
    expect(chunk).toMatchObject({ kind: "progress", data: { done: 3 }, node: "writer/inner" });
  });

  test("goes to a node as a message when it is told to, also through a checkpoint store", async () => {
    const teller = node("teller", async (_: Message<number>, ctx): Promise<StreamChunk | undefined> => {
      await ctx.emitChunk({ kind: "progress", data: { done: 5 }, to: "taker" });
      return undefined;
    });
    const taker = payloadNode("taker", ({ kind, data }: StreamChunk) => [kind, data]);
    await using flow = create(teller.to(taker), {
      durability: durable({ checkpoints: new MemoryCheckpointStore() }),
    }).run();
    expect(await flow.call(1)).toEqual(["progress", { done: 5 }]);
  });

  test.each([
    [{ kind: "", data: 1 }, 'Option "kind" of emitChunk must be a string that is not empty: got ""'],
    [{ kind: 5, data: 1 }, 'Option "kind" of emitChunk must be a string that is not empty: got 5'],
    [{ kind: "progress", data: 1, text: "a" }, 'Cannot emit a chunk of kind "progress": it has "text", too'],
    [{ data: 1 }, 'Cannot emit a chunk: it has "data" without a "kind"'],
    [{}, 'Option "text" of emitChunk must be a string: got undefined'],
  ])("is refused without a name for its data, or with two contents: %j", async (init, message) => {
    const error = await rejection(chunksOf((ctx) => ctx.emitChunk(init as never)));
    expect((error as Error).cause).toBeInstanceOf(TypeError);
    expect(((error as Error).cause as Error).message).toContain(message);
  });

  test("nested beyond any reader's stack is refused where it is emitted", async () => {
    let deep: unknown = 1;
    for (let level = 0; level < 600; level += 1) deep = [deep];
    expect(((await rejection(anything(deep))) as Error).cause).toMatchObject({
      name: "RangeError",
      message: expect.stringMatching(/^Cannot keep data: data\["0"\].*more than 500 levels/) as string,
    });
  });
});

describe("as JSON, a chunk with data", () => {
  test("has its kind and data, in an event and for a socket; no extra replaces them", async () => {
    const [chunk] = await chunksOf((ctx) => ctx.emitChunk({ kind: "progress", data: { done: 1 } }));
    if (chunk === undefined) throw new Error("no chunk");
    const wanted = { kind: "progress", data: { done: 1 }, text: "", seq: 0 };
    expect(JSON.parse(chunkToWsJson(chunk, { kind: "other", data: 2 }))).toMatchObject(wanted);
    const [, data = ""] = /^event: chunk\ndata: (.*)$/m.exec(formatSseEvent(chunk)) ?? [];
    expect(JSON.parse(data)).toMatchObject(wanted);
  });

  test.each([
    [{ user: { tags: ["a", () => 1] } }, "data.user.tags[1] is a function"],
    [{ "a b": 1n }, 'data["a b"] is a bigint'],
    [[Number.NaN], "data[0] is NaN"],
    [new Map([[1, 2]]), "data is an object of class Map"],
    [{ since: new Date(0) }, "data.since is an object of class Date"],
    [[undefined], "data[0] is undefined"],
    // oxlint-disable-next-line no-sparse-arrays
    [[1, , 2], "data[1] is undefined"],
    [Symbol("s"), "data is a symbol"],
    [{ a: { b: { c: { d: { e: { f: { g: { h: { i: 1n } } } } } } } } }, "data.a.b.c.d.e.f.g.h… is a bigint"],
  ])("that JSON would lose or change is refused there, naming the path: %o", async (data, problem) => {
    const [chunk] = await anything(data);
    if (chunk === undefined) throw new Error("no chunk");
    const refusal = expect.objectContaining({
      code: "NOT_SERIALISABLE",
      message: `Cannot serialise a chunk of kind "anything": ${problem}; send JSON data`,
    }) as Error;
    expect(() => chunkToWsJson(chunk)).toThrow(refusal);
    expect(() => formatSseEvent(chunk)).toThrow(refusal);
  });

  test("that contains itself is refused by name, not by a stack overflow", async () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const [chunk] = await anything(loop);
    expect(() => chunkToWsJson(chunk as StreamChunk)).toThrow(/data\.self\.self.*… is nested .* or contains itself/);
  });

  test.each([[{ a: undefined, b: null }], [Object.assign(Object.create(null), { a: 1 })], ["text"], [0], [false]])(
    "that JSON has is sent: %j",
    async (data) => {
      const [chunk] = await anything(data);
      expect(JSON.parse(chunkToWsJson(chunk as StreamChunk))).toMatchObject({
        data: JSON.parse(JSON.stringify(data)) as unknown,
      });
    },
  );
});
