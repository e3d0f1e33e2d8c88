// Answers each POST with server-sent events: the chunks as they come, then the result. A client that leaves cancels its
// run.
//
//   npm run serve
//   curl -N http://127.0.0.1:8080 -d "…"
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { formatSseEvent } from "penguiflow";
import { runOptions, textFlow } from "./subject.ts";

/** Starts the flow and its server. */
export async function serve(port = 8080) {
  const running = textFlow.start(runOptions);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const input = await text(request);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    const send = (event: string, data: string): unknown => response.write(`event: ${event}\ndata: ${data}\n\n`);
    try {
      for await (const item of running.stream(input)) {
        if (response.destroyed) return;
        if (item.type === "chunk") response.write(formatSseEvent(item.chunk));
        // its token lets anyone answer, so that it stays here
        else if (item.type === "pause") send("pause", JSON.stringify({ reason: item.pause.reason }));
        else send("result", JSON.stringify(item.result));
      }
    } catch (error) {
      send("error", JSON.stringify((error as Error).message));
    }
    response.end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await running.stop();
    },
  };
}

if (import.meta.main) console.log(`Listening on ${(await serve()).url}`);
