import { once } from "node:events";
import { connect } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { EventSource } from "eventsource";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createFlow, type LanguageModel } from "../streaming-llm/flow.ts";
import { main } from "../streaming-llm/main.ts";
import { quotingModel } from "../streaming-llm/quoting-model.ts";
import { serve } from "../streaming-llm/serve.ts";
import { quietly } from "./quietly.ts";

const TEXT = `# Birds

Penguins swim, "and" they dive\u2028deep. Gulls fly.

Owls hunt at night.`;
const ANSWER = `Penguins swim, "and" they dive deep. Owls hunt at night.`;
const QUESTION = "Do penguins swim at night?";

interface Chunk {
  readonly id: string;
  readonly seq: number;
  readonly text: string;
  readonly done: boolean;
}

async function startServer(model: LanguageModel = quotingModel(TEXT)) {
  const flow = createFlow();
  flow.run({ resources: { model } });
  const server = await serve(flow);
  return {
    flow,
    url: server.url,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await flow.stop();
    },
  };
}

/** Creates a model that speaks for ever, one word per pull, and reports when it is stopped. */
function endlessModel() {
  const stopped = Promise.withResolvers<void>();
  const words = { said: 0 };
  const model: LanguageModel = {
    async *generate(_question, signal) {
      signal.addEventListener("abort", () => stopped.resolve());
      for (;;) {
        await delay(1, undefined, { signal });
        words.said += 1;
        yield { delta: `${"word ".repeat(1_000)}\n` };
      }
    },
  };
  return { model, words, stopped: stopped.promise };
}

function inOrder(chunks: readonly Chunk[]): void {
  expect(chunks.map(({ seq }) => seq)).toEqual(chunks.map((_, position) => position));
  expect(chunks.map(({ done }) => done)).toEqual(chunks.map((_, position) => position === chunks.length - 1));
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(chunks.length);
}

describe("streaming-llm", { timeout: 30_000 }, () => {
  test("an EventSource gets the words in order, then the result", async () => {
    await using server = await startServer();
    const source = new EventSource(`${server.url}?question=${encodeURIComponent(QUESTION)}`);
    const chunks: Chunk[] = [];
    const ids: string[] = [];
    source.addEventListener("chunk", ({ data, lastEventId }) => {
      chunks.push(JSON.parse(data as string) as Chunk);
      ids.push(lastEventId);
    });
    const result = await new Promise<{ text: string }>((resolve, reject) => {
      source.addEventListener("result", ({ data }) => resolve(JSON.parse(data as string) as { text: string }));
      source.addEventListener("error", ({ message }) => reject(new Error(message)));
    }).finally(() => source.close());
    expect(result.text).toBe(ANSWER);
    expect(chunks.map(({ text }) => text).join("")).toBe(ANSWER);
    inOrder(chunks);
    expect(ids).toEqual(chunks.map(({ id }) => id));
  });

  test("a WebSocket gets the words in order, then the result, question after question", async () => {
    await using server = await startServer();
    const socket = new WebSocket(server.url.replace("http", "ws"));
    const items: ({ type: string } & Chunk)[] = [];
    const finished = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => {
        items.push(JSON.parse(data.toString()) as { type: string } & Chunk);
        if (items.filter(({ type }) => type === "result").length === 2) resolve();
      });
    });
    await once(socket, "open");
    socket.send(QUESTION);
    socket.send("Who can fly?");
    await finished;
    socket.close();
    const end = items.findIndex(({ type }) => type === "result");
    for (const answer of [items.slice(0, end + 1), items.slice(end + 1)]) {
      const chunks = answer.slice(0, -1);
      inOrder(chunks);
      expect(chunks.map(({ text }) => text).join("")).toBe(answer.at(-1)?.text);
    }
    expect(items[end]?.text).toBe(ANSWER);
    expect(items.at(-1)?.text).toMatch(/^Gulls fly\./);
  });

  test("two hundred clients at once get their own answers", async () => {
    await using server = await startServer();
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const question = index % 2 === 0 ? "owls" : "penguins";
        const response = await fetch(`${server.url}?question=${question}`);
        return /^event: result\ndata: (.*)$/m.exec(await response.text())?.[1];
      }),
    );
    for (const [index, answer] of answers.entries()) expect(answer).toContain(index % 2 === 0 ? `"Owls` : `"Penguins`);
    expect(server.flow.stats().traces).toBe(0);
  });

  test("a client that leaves stops the model, by events", async () => {
    const { model, stopped } = endlessModel();
    await using server = await startServer(model);
    const source = new EventSource(`${server.url}?question=x`);
    await new Promise((resolve) => source.addEventListener("chunk", resolve));
    source.close();
    await stopped;
    await expect.poll(() => server.flow.stats().outcomes.cancelled).toBe(1);
  });

  test("a client that leaves stops the model, by WebSocket", async () => {
    const { model, stopped } = endlessModel();
    await using server = await startServer(model);
    const socket = new WebSocket(server.url.replace("http", "ws"));
    await once(socket, "open");
    socket.send("x");
    await once(socket, "message");
    socket.terminate();
    await stopped;
    await expect.poll(() => server.flow.stats().outcomes.cancelled).toBe(1);
  });

  test("a client that does not read makes the model wait", async () => {
    const { model, words, stopped } = endlessModel();
    await using server = await startServer(model);
    const left = new AbortController();
    await fetch(`${server.url}?question=x`, { signal: left.signal });
    // backpressure holds the model when its count of words stays the same for a while
    let before = -1;
    await expect
      .poll(
        () => {
          const same = words.said === before;
          before = words.said;
          return same;
        },
        { interval: 300, timeout: 20_000 },
      )
      .toBe(true);
    left.abort();
    await stopped;
  });

  test("a client that asks too much at once is sent away", async () => {
    const { model, stopped } = endlessModel();
    await using server = await startServer(model);
    const socket = new WebSocket(server.url.replace("http", "ws"));
    await once(socket, "open");
    socket.send("x");
    await once(socket, "message");
    for (let index = 0; index < 8; index += 1) socket.send("x");
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1008);
    await stopped;
    await expect.poll(() => server.flow.stats().traces).toBe(0);
  });

  test("a model that fails is told by its code alone", async () => {
    const failing: LanguageModel = {
      // oxlint-disable-next-line require-yield
      async *generate() {
        throw new Error("the key is 12345");
      },
    };
    await using server = await startServer(failing);
    const events = await (await fetch(`${server.url}?question=x`)).text();
    expect(events).toContain(`event: failed\ndata: {"code":"NODE_EXCEPTION"}\n\n`);
    expect(events).not.toContain("12345");
  });

  test("what is no question is refused", async () => {
    await using server = await startServer();
    expect((await fetch(server.url)).status).toBe(400);
    expect((await fetch(`${server.url}?question=${"x".repeat(501)}`)).status).toBe(400);
    expect(server.flow.stats().accepted).toBe(0);
    expect((await fetch(new URL("/elsewhere", server.url))).status).toBe(404);
    const { port } = new URL(server.url);
    const strange = connect(Number(port), "127.0.0.1").end("GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(await textOf(strange)).toMatch(/^HTTP\/1\.1 404 /);
  });

  test("main asks both ways", async () => {
    const [byEvents, bySocket] = await quietly(() => main());
    expect(byEvents).toMatch(/^[A-Z].*full.*[.?]$/);
    expect(bySocket).toMatch(/^[A-Z].*wait.*[.?]$/);
  });
});
