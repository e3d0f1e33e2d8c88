// Two ways to reach a browser: server-sent events and a WebSocket. Both apply backpressure for a slow client, and both
// cancel the request, up to the model, when the client disconnects.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { chunkToWsJson, FlowError, formatSseEvent, keepAlive } from "penguiflow";
import { type WebSocket, WebSocketServer } from "ws";
import type { createFlow } from "./flow.ts";

type AnsweringFlow = ReturnType<typeof createFlow>;

const MOST_BYTES_BEHIND = 64_000;
const MOST_QUESTIONS_OPEN = 8;

/** Serves `GET /answer?question=…` as server-sent events, and `/answer` as a WebSocket that takes questions. */
export async function serve(flow: AnsweringFlow) {
  const server = createServer((request, response) => void respond(flow, request, response));
  const sockets = new WebSocketServer({ server, path: "/answer", maxPayload: 10_000 });
  sockets.on("connection", (socket) => {
    // questions of one socket are answered in order
    let earlier = Promise.resolve();
    let open = 0;
    socket.on("message", (data: Buffer) => {
      if (open === MOST_QUESTIONS_OPEN) return socket.close(1008, "Too many questions at once");
      open += 1;
      earlier = earlier.then(() => converse(flow, socket, data.toString())).finally(() => (open -= 1));
    });
    socket.on("error", () => socket.terminate());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/answer`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function respond(flow: AnsweringFlow, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = URL.parse(request.url ?? "/", "http://localhost");
  if (url?.pathname !== "/answer") return void response.writeHead(404).end();
  const left = new AbortController();
  response.on("close", () => left.abort("The client went away"));
  const question = url.searchParams.get("question") ?? "";
  const stream = flow.stream(question, { tenant: "acme", signal: left.signal });
  try {
    // headers are not sent yet, so a rejected question can still be a 400
    await stream.accepted();
  } catch (error) {
    const code = codeOf(error);
    return void response.writeHead(code === "INPUT_INVALID" ? 400 : 503).end(`${code}\n`);
  }
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const write = async (text: string) => {
    if (!response.write(text)) await once(response, "drain", { signal: left.signal });
  };
  try {
    for await (const item of keepAlive(stream)) {
      if (item.type === "chunk") await write(formatSseEvent(item.chunk, { event: "chunk" }));
      else if (item.type === "result") await write(`event: result\ndata: ${JSON.stringify(item.result)}\n\n`);
      else await write(": keep-alive\n\n");
    }
  } catch (error) {
    if (!left.signal.aborted) response.write(`event: failed\ndata: ${JSON.stringify({ code: codeOf(error) })}\n\n`);
  }
  response.end();
}

async function converse(flow: AnsweringFlow, socket: WebSocket, question: string): Promise<void> {
  if (socket.readyState !== socket.OPEN) return;
  const left = new AbortController();
  const leave = () => left.abort("The client went away");
  socket.once("close", leave);
  try {
    for await (const item of flow.stream(question, { tenant: "acme", signal: left.signal })) {
      // a WebSocket has no drain event, so its buffer is polled
      while (socket.bufferedAmount > MOST_BYTES_BEHIND) await delay(20, undefined, { signal: left.signal });
      if (item.type === "pause") continue;
      socket.send(
        item.type === "chunk"
          ? chunkToWsJson(item.chunk, { type: "chunk" })
          : JSON.stringify({ type: "result", text: item.result.text }),
      );
    }
  } catch (error) {
    if (!left.signal.aborted) socket.send(JSON.stringify({ type: "failed", code: codeOf(error) }));
  }
  socket.off("close", leave);
}

/** Returns the code of a failure, the only part a client may see: neither message nor stack. */
function codeOf(error: unknown): string {
  return error instanceof FlowError ? error.code : "NODE_EXCEPTION";
}
