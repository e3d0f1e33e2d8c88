import { connect } from "node:http2";
import express from "express";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { serve } from "./serve.ts";
import { BINDINGS, collect, saying, speak } from "./speak.ts";
import { waiting } from "./waiting.ts";

const message = { messageId: "m", role: "ROLE_USER", parts: [{ text: "x" }] };
const legacy = { messageId: "m", role: "user", parts: [{ kind: "text", text: "x" }] };
const legacyRest = { messageId: "m", role: "ROLE_USER", content: [{ text: "x" }] };

/** Streaming endpoints of an agent, with their requests. */
const STREAMS: readonly (readonly [name: string, path: string, version: string, body: object])[] = [
  ["JSON-RPC", "/a2a/jsonrpc", "1.0", { jsonrpc: "2.0", id: 1, method: "SendStreamingMessage", params: { message } }],
  ["HTTP+JSON", "/a2a/rest/message:stream", "1.0", { message }],
  [
    "JSON-RPC of 0.3",
    "/a2a/jsonrpc",
    "0.3",
    { jsonrpc: "2.0", id: 1, method: "message/stream", params: { message: legacy } },
  ],
  ["HTTP+JSON of 0.3", "/a2a/rest/v1/message:stream", "0.3", { message: legacyRest }],
  ["the routes of the Python version", "/message/stream", "1.0", { payload: "x", headers: { tenant: "acme" } }],
];

/** Serves an agent whose only task stays silent until it is released, with the routes for Python. */
async function silent(options: { readonly keepAliveMs?: number }) {
  const { flow, begun, goOn } = waiting();
  const { adapter, url, app } = await serve(flow, options);
  const server = express().use(adapter.pythonRouter()).use(adapter.router()).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => void server.once("listening", resolve));
  const { port } = server.address() as { readonly port: number };
  return { base: `http://127.0.0.1:${port}`, url, app, adapter, begun, goOn };
}

async function open(url: string, version: string, body: object) {
  const headers = { "content-type": "application/json", "A2A-Version": version };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (response.body === null) throw new Error("There is no body");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    response,
    /** Reads on until the text satisfies `isSo`, or to its end. */
    until: async (isSo: (text: string) => boolean): Promise<string> => {
      while (!isSo(text)) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
      }
      return text;
    },
  };
}

const commentsIn = (text: string): number => text.split(": keep-alive\n\n").length - 1;

describe("a stream that has nothing to say sends comments", () => {
  test.each(STREAMS)("over %s, between whole events", async (_, path, version, body) => {
    const { base, goOn } = await silent({ keepAliveMs: 5 });
    const { response, until } = await open(base + path, version, body);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    await until((text) => commentsIn(text) >= 3);
    goOn();
    const text = await until(() => false);
    const blocks = text.split("\n\n").filter((block) => block !== "");
    expect(blocks.filter((block) => block !== ": keep-alive").length).toBeGreaterThanOrEqual(2);
    for (const block of blocks) expect(block).toMatch(/^(: keep-alive|(event: \w+\n)?data: \{.*\})$/);
  });

  test.each(BINDINGS)("which clients of the SDK skip, over %s", async (binding) => {
    const { url, begun, goOn } = await silent({ keepAliveMs: 1 });
    const client = await speak(url, binding);
    const events = collect(client.sendMessageStream(saying("x")));
    await begun;
    await new Promise((resolve) => setTimeout(resolve, 20));
    goOn();
    expect((await events).map(({ $case }) => $case)).toEqual(["task", "artifactUpdate", "statusUpdate"]);
  });

  test("and an answer that is no stream has none", async () => {
    const { base, begun, goOn } = await silent({ keepAliveMs: 1 });
    const answer = open(`${base}/a2a/rest/message:send`, "1.0", { message });
    await begun;
    await new Promise((resolve) => setTimeout(resolve, 20));
    goOn();
    expect(commentsIn(await (await answer).until(() => false))).toBe(0);
  });

  test("every 15 s where nothing is said, and never with 0", async () => {
    const interval = vi.spyOn(globalThis, "setInterval");
    for (const [options, delays] of [
      [{}, [15_000]],
      [{ keepAliveMs: 0 }, []],
    ] as const) {
      const { base, goOn } = await silent(options);
      interval.mockClear();
      const { until } = await open(`${base}/a2a/rest/message:stream`, "1.0", { message });
      expect(interval.mock.calls.map(([, delay]) => delay)).toEqual(delays);
      goOn();
      await until(() => false);
    }
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 31])("and %s is no interval", async (keepAliveMs) => {
    await expect(silent({ keepAliveMs })).rejects.toThrow('Option "keepAliveMs" must be a whole number from 0');
  });
});

test("a connection of gRPC is pinged, unless that is turned off", async () => {
  const pings = async (keepAliveMs: number): Promise<number> => {
    const { adapter } = await silent({ keepAliveMs });
    const place = adapter.card.supportedInterfaces.find(({ protocolBinding }) => protocolBinding === "GRPC");
    const session = connect(`http://${place?.url}`);
    onTestFinished(() => session.destroy());
    const found: unknown[] = [];
    session.on("ping", (payload) => found.push(payload));
    await new Promise((resolve) => void session.once("connect", resolve));
    for (let turns = 0; turns < 50 && found.length < 2; turns += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return found.length;
  };
  expect(await pings(5)).toBeGreaterThanOrEqual(2);
  expect(await pings(0)).toBe(0);
});
