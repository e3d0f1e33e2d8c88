import type { IncomingMessage, ServerResponse } from "node:http";
import type { AguiHandler } from "./agui-handler.ts";

/** Listener of a Node HTTP server. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Makes a listener for `createServer` of a handler. A client that closes the connection aborts its request's signal. An
 * error of the program's own functions is a response of status 500.
 */
export function nodeListener(handler: AguiHandler): NodeListener {
  return (incoming, outgoing) => {
    answer(incoming, outgoing, handler).catch(() => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(500).end();
    });
  };
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, handler: AguiHandler): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const { status, headers, body } = await handler(requestOf(incoming, gone.signal));
  outgoing.statusCode = status;
  outgoing.setHeaders(headers);
  outgoing.flushHeaders();
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    if (gone.signal.aborted) break;
    if (!outgoing.write(chunk)) await drained(outgoing, gone.signal);
  }
  outgoing.end();
}

/** Resolves when the client can take more, or has gone. */
async function drained(outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (gone.aborted) resolve();
    gone.addEventListener("abort", () => resolve(), { once: true });
    outgoing.once("drain", resolve);
  });
}

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { method = "GET", url = "/", headers } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(new URL(url, `http://${headers.host ?? "localhost"}`), {
    method,
    headers: Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    ),
    signal,
    ...(hasBody ? { body: ReadableStream.from(incoming), duplex: "half" } : {}),
  });
}
