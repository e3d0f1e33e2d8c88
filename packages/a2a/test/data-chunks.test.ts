import { A2AClientTransport } from "@penguiflow/a2a/client";
import { create, payloadNode, remoteNode, shape, type StreamItem } from "penguiflow";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { textOf } from "../src/wire.ts";
import { serve } from "./serve.ts";
import { BINDINGS, saying, speak } from "./speak.ts";

declare module "penguiflow" {
  interface ChunkKinds {
    step: { readonly step: number; readonly note: unknown };
    blank: unknown;
  }
}

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

const agent = () =>
  create(
    payloadNode("work", async (steps: number, ctx) => {
      for (let step = 0; step < steps; step += 1) {
        await ctx.emitChunk({ text: `${step} ` });
        await ctx.emitChunk({ kind: "step", data: { step, note: "ü ✓\n" } });
      }
      await ctx.emitChunk({ kind: "blank" });
      await ctx.emitChunk({ kind: "blank", data: null });
      return steps;
    }).to(),
  );

/** Creates the caller's flow over an agent at `agentUrl`. */
function callerOf(agentUrl: string, options: ConstructorParameters<typeof A2AClientTransport>[0] = {}) {
  const transport = new A2AClientTransport(options);
  const input = shape<number>();
  return create(remoteNode("ask", { transport, agentUrl, skill: "main", streaming: true, input }).to());
}

async function readAll(items: AsyncIterable<StreamItem<unknown>>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of items) {
    if (item.type === "result") all.push(item.result);
    if (item.type !== "chunk" || item.chunk.end !== undefined) continue;
    all.push(item.chunk.kind === undefined ? item.chunk.text : [item.chunk.kind, item.chunk.data]);
  }
  return all;
}

describe("chunks with data over A2A", () => {
  test.each(BINDINGS)(
    "come out of a remote node in order, between the texts, with kind and data (%s)",
    async (binding) => {
      const { url } = await serve(agent());
      await using caller = callerOf(url, { bindings: [binding] }).run();
      expect(await readAll(caller.stream(2, { tenant: "acme" }))).toEqual([
        "0 ",
        ["step", { step: 0, note: "ü ✓\n" }],
        "1 ",
        ["step", { step: 1, note: "ü ✓\n" }],
        ["blank", undefined],
        ["blank", null],
        2,
      ]);
    },
  );

  test("stay in the task's artifact for later readers, with the texts around them merged", async () => {
    const { url } = await serve(agent());
    const parts = [{ content: { $case: "data" as const, value: 3 }, mediaType: "", filename: "", metadata: undefined }];
    const answer = await (await speak(url, "JSONRPC")).sendMessage(saying("", { parts }));
    if (!("artifacts" in answer)) throw new Error("The answer is no task");
    const { artifacts } = answer;
    const text = artifacts.find(({ artifactId }) => artifactId === "text");
    expect(text?.parts.map(({ content }) => content?.$case)).toEqual([
      "text",
      "data",
      "text",
      "data",
      "text",
      "data",
      "text",
      undefined,
      "text",
    ]);
    expect(textOf(text?.parts ?? [])).toBe("0 1 2 ");
  });

  test("that are no JSON fail the task, which names the path, and abort the handler", async () => {
    const aborted = Promise.withResolvers<unknown>();
    const flow = create(
      payloadNode("work", async (_: number, ctx) => {
        ctx.signal.addEventListener("abort", () => aborted.resolve(ctx.signal.reason));
        await ctx.emitChunk({ kind: "step", data: { step: 1, note: { run: () => 1 } } });
        await ctx.sleep(60_000);
        return 0;
      }).to(),
    );
    const { url } = await serve(flow);
    await using caller = callerOf(url).run();
    await expect(caller.call(1, { tenant: "acme" })).rejects.toThrow(
      'Cannot serialise a chunk of kind "step": data.note.run is a function; send JSON data',
    );
    await aborted.promise;
  });

  test("count against the limit of a task's text", async () => {
    const flow = create(
      payloadNode("work", async (_: number, ctx) => {
        await ctx.emitChunk({ kind: "step", data: { step: 1, note: "x".repeat(200) } });
        await ctx.sleep(60_000);
        return 0;
      }).to(),
    );
    const { url } = await serve(flow, { textLimit: "200b" });
    await using caller = callerOf(url).run();
    await expect(caller.call(1, { tenant: "acme" })).rejects.toThrow(/its text is larger than 200 bytes/);
  });
});
