import type { ServerResponse } from "node:http";

/** A comment of SSE, which clients skip. */
const COMMENT = ": keep-alive\n\n";

/**
 * Writes a comment into an event stream at every interval, so that proxies and clients do not mistake silence for a
 * broken connection. Skips other answers, and streams whose client is slow.
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
