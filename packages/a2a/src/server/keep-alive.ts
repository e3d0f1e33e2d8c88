import type { ServerResponse } from "node:http";

/** A comment of SSE, which clients skip. */
const COMMENT = ": keep-alive\n\n";

/**
 * Writes a comment into a stream of events at every interval, so that proxies and clients do not take silence for a broken
 * connection. Writes nothing into other answers, nor while the client is behind.
 *
 * @param everyMs - milliseconds; 0 for never
 */
export function keepAlive(response: ServerResponse, everyMs: number): void {
  if (everyMs === 0) return;
  const timer = setInterval(() => {
    const isStream = response.headersSent && String(response.getHeader("content-type")).startsWith("text/event-stream");
    if (isStream && !response.writableEnded && !response.writableNeedDrain) response.write(COMMENT);
  }, everyMs);
  response.once("close", () => clearInterval(timer));
}
