import { describe, expect, it } from "vitest";
import { readEvents } from "../../src/api/sse-reader.ts";

function streamOf(...chunks: readonly string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
      controller.close();
    },
  });
}

async function all(stream: ReadableStream<Uint8Array>): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of readEvents(stream)) items.push(item);
  return items;
}

describe("server-sent events of a POST", () => {
  it("are read however the network cuts them", async () => {
    const text = 'event: seed\ndata: {"seed":1}\n\n: a comment\n\ndata: {"seed":\ndata: 2}\r\n\r\n';
    expect(await all(streamOf(text))).toEqual([{ seed: 1 }, { seed: 2 }]);
    expect(await all(streamOf(...text.split("")))).toEqual([{ seed: 1 }, { seed: 2 }]);
  });

  it("leave out an event that was cut off", async () => {
    expect(await all(streamOf('data: {"seed":1}\n\ndata: {"se'))).toEqual([{ seed: 1 }]);
  });

  it("end the answer when their reader leaves", async () => {
    let wasCancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('data: {"seed":1}\n\n')),
      cancel: () => void (wasCancelled = true),
    });
    for await (const item of readEvents(stream)) {
      expect(item).toEqual({ seed: 1 });
      break;
    }
    expect(wasCancelled).toBe(true);
  });
});
