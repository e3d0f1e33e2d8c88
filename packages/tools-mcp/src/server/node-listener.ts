import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Listener of a Node HTTP server. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void;

/** Makes a listener of a function that serves web requests. The request's signal aborts when its client has gone. */
export function nodeListener(
  serve: (request: Request) => Promise<Response>,
  onError: (error: Error) => void,
): NodeListener {
  return (incoming, outgoing) => {
    answer(incoming, outgoing, serve).catch((error: unknown) => {
      onError(error instanceof Error ? error : new Error(String(error)));
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(500).end();
    });
  };
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  serve: (request: Request) => Promise<Response>,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) gone.abort(new Error("The client has closed the connection"));
  });
  const response = await serve(requestOf(incoming, gone.signal));
  if (gone.signal.aborted) {
    await response.body?.cancel();
    return;
  }
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) return void outgoing.end();
  outgoing.flushHeaders();
  try {
    await pipeline(Readable.fromWeb(response.body as never), outgoing);
  } catch (error) {
    // a client that leaves a stream is no failure
    if (!gone.signal.aborted) throw error;
  }
}

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let index = 0; index < incoming.rawHeaders.length; index += 2)
    headers.append(incoming.rawHeaders[index] as string, incoming.rawHeaders[index + 1] as string);
  const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "localhost"}`);
  const { method = "GET" } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(url, {
    method,
    headers,
    signal,
    ...(hasBody ? { body: Readable.toWeb(incoming), duplex: "half" } : {}),
  });
}
