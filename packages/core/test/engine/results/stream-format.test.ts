import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chunkId, chunkToWsJson, create, formatSseEvent, payloadNode, type StreamChunk } from "penguiflow";
import { range, running } from "../../fixtures/quiet-flow.ts";

interface ParsedEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/**
 * Parses an event stream as specified by WHATWG HTML, section 9.2.6 "Interpreting an event stream". The bytes arrive in
 * pieces cut anywhere, also within a character or between CR and LF.
 */
function parseEventStream(pieces: readonly Uint8Array[]): { events: ParsedEvent[]; retryMs: number | undefined } {
  const decoder = new TextDecoder("utf-8");
  let text = "";
  for (const piece of pieces) text += decoder.decode(piece, { stream: true });
  text += decoder.decode();
  const events: ParsedEvent[] = [];
  let retryMs: number | undefined;
  let [data, type, lastEventId] = ["", "", ""];
  const lines = text.split(/\r\n|\n|\r/);
  // the text after the last line end is an unfinished line and never interpreted
  lines.pop();
  for (const line of lines) {
    if (line === "") {
      if (data !== "")
        events.push({ type: type === "" ? "message" : type, data: data.replace(/\n$/, ""), lastEventId });
      data = type = "";
      continue;
    }
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    else if (field === "data") data += `${value}\n`;
    else if (field === "id" && !value.includes("\0")) lastEventId = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) retryMs = Number(value);
  }
  return { events, retryMs };
}

const chunk = (change: Partial<StreamChunk> = {}): StreamChunk => ({
  streamId: "s",
  seq: 0,
  text: "",
  done: false,
  attempt: 1,
  run: 0,
  node: "n",
  traceId: "t",
  tenant: "acme",
  meta: {},
  ...change,
});

const nasty = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        "\n",
        "\r",
        "\r\n",
        "\0",
        "data:",
        "id: 9\n",
        "event: x",
        ":",
        " ",
        "\u2028",
        "\ufeff",
        "é",
        "🐧",
        "\ud800",
        "\n\n",
        "retry: 1\n",
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join("")),
);

/** Cuts bytes into pieces at the given places. */
const cut = (bytes: Uint8Array, places: readonly number[]): Uint8Array[] => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => bytes.slice(index === 0 ? 0 : at[index - 1], end));
};

describe("formatSseEvent", () => {
  test("writes id, event and data, and ends with an empty line", () => {
    expect(formatSseEvent(chunk({ text: "hi", seq: 4 }))).toMatch(/^id: s\.0\.4\nevent: chunk\ndata: \{.*\}\n\n$/);
    expect(formatSseEvent(chunk({ done: true, end: "done" }))).toContain("event: done\n");
    expect(formatSseEvent(chunk(), { event: "token", retryMs: 2_500 })).toContain("event: token\nretry: 2500\n");
  });

  test("delivers any text to a real parser, at any cut of the bytes", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ text: nasty, streamId: nasty, node: nasty, seq: fc.nat(), run: fc.nat(9), done: fc.boolean() }),
          {
            minLength: 1,
            maxLength: 6,
          },
        ),
        fc.array(fc.nat()),
        (parts, places) => {
          const chunks = parts.map((part) => chunk({ ...part, ...(part.done ? { end: "done" as const } : {}) }));
          const bytes = new TextEncoder().encode(chunks.map((one) => formatSseEvent(one)).join(""));
          const { events } = parseEventStream(cut(bytes, places));
          expect(events).toHaveLength(chunks.length);
          for (const [index, one] of chunks.entries()) {
            const read = JSON.parse(events[index]?.data ?? "") as StreamChunk;
            expect(read.text).toBe(one.text);
            expect(read.streamId).toBe(one.streamId);
            expect(events[index]?.type).toBe(one.done ? "done" : "chunk");
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("gives every event a name and a retry time that cannot break out of their lines", () => {
    fc.assert(
      fc.property(nasty, fc.integer({ min: 0, max: 1e6 }), (event, retryMs) => {
        const { events, retryMs: read } = parseEventStream([
          new TextEncoder().encode(formatSseEvent(chunk({ text: "x" }), { event, retryMs })),
        ]);
        expect(events).toHaveLength(1);
        expect(read).toBe(retryMs);
      }),
    );
  });

  test("tells the ids of different chunks apart, also when stream ids hold dots, numbers or line breaks", () => {
    const [ids, keys] = [
      new Map<string, string>(),
      fc.record({
        streamId: fc.oneof(fc.stringMatching(/^[a.0-2\n\r ]{1,4}$/), nasty),
        run: fc.nat(3),
        seq: fc.nat(3),
      }),
    ];
    fc.assert(
      fc.property(keys, ({ streamId, run, seq }) => {
        const key = JSON.stringify([streamId, run, seq]);
        const { events } = parseEventStream([new TextEncoder().encode(formatSseEvent(chunk({ streamId, run, seq })))]);
        const id = events[0]?.lastEventId ?? "";
        expect(id).not.toBe("");
        expect(ids.get(id) ?? key).toBe(key);
        ids.set(id, key);
      }),
      { numRuns: 2_000 },
    );
  });

  test("gives a client that lost its connection an id to continue from, across the streams and runs of a trace", async () => {
    const talker = payloadNode("talker", async (_: string, ctx) => {
      for (const streamId of ["a", "b", "a"]) {
        for (const index of range(3)) await ctx.emitChunk({ text: String(index), streamId });
        await ctx.emitChunk({ text: "", streamId, done: true });
      }
      return "x";
    });
    const flow = running(create(talker.to()));
    const chunks: StreamChunk[] = [];
    for await (const item of flow.stream("go")) if (item.type === "chunk") chunks.push(item.chunk);
    const { events } = parseEventStream([new TextEncoder().encode(chunks.map((one) => formatSseEvent(one)).join(""))]);
    expect(events.map(({ lastEventId }) => lastEventId)).toEqual(chunks.map(chunkId));
    expect(new Set(events.map(({ lastEventId }) => lastEventId)).size).toBe(12);
  });
});

describe("chunkToWsJson", () => {
  test("is JSON with every core field, and extras beside them", () => {
    const one = chunk({ text: "hi", seq: 3, done: true, end: "retry", meta: { m: 1 } });
    expect(JSON.parse(chunkToWsJson(one, { session: "x" }))).toEqual({
      session: "x",
      id: "s.0.3",
      streamId: "s",
      seq: 3,
      text: "hi",
      done: true,
      end: "retry",
      attempt: 1,
      run: 0,
      node: "n",
      traceId: "t",
      meta: { m: 1 },
    });
  });

  test("lets no extra overwrite or add a core field, also one that this chunk leaves out", () => {
    const { node: _, ...bare } = chunk({ text: "true" });
    const plain = JSON.parse(chunkToWsJson(bare)) as Record<string, unknown>;
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(
            "id",
            "streamId",
            "seq",
            "text",
            "done",
            "end",
            "attempt",
            "run",
            "node",
            "traceId",
            "meta",
            "kind",
            "data",
            "own",
            "__proto__",
          ),
          fc.jsonValue(),
        ),
        (extra) => {
          const read = JSON.parse(chunkToWsJson(bare, extra)) as Record<string, unknown>;
          for (const key of [
            "id",
            "streamId",
            "seq",
            "text",
            "done",
            "end",
            "attempt",
            "run",
            "node",
            "traceId",
            "meta",
            "kind",
            "data",
          ])
            expect([key, read[key]]).toEqual([key, plain[key]]);
          expect(read["own"]).toEqual("own" in extra ? JSON.parse(JSON.stringify(extra["own"])) : undefined);
        },
      ),
    );
  });

  test("names the tenant neither in itself nor in an event: it goes to a client", () => {
    expect(chunkToWsJson(chunk())).not.toContain("acme");
    expect(formatSseEvent(chunk())).not.toContain("acme");
  });
});
