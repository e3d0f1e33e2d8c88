import type { ServerResponse } from "node:http";
import { SAFE_HEADERS } from "./reply.ts";

/** Interval of comments that keep a silent connection open, in milliseconds. */
const KEEP_ALIVE_MS = 15_000;

/** A connection that is sent events. It holds back nothing itself: its owner asks `isBehind` before it sends. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #keepAlive: NodeJS.Timeout;

  /**
   * @param onDrained - called when a reader that was behind can take more
   * @param onClose - called once when the reader has gone
   */
  constructor(
    response: ServerResponse,
    { onDrained, onClose }: { readonly onDrained: () => void; readonly onClose: () => void },
  ) {
    this.#response = response;
    response.writeHead(200, {
      ...SAFE_HEADERS,
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    response.flushHeaders();
    this.#keepAlive = setInterval(() => {
      if (!this.isBehind) response.write(": keep-alive\n\n");
    }, KEEP_ALIVE_MS);
    this.#keepAlive.unref();
    response.on("drain", onDrained);
    response.once("close", () => {
      clearInterval(this.#keepAlive);
      onClose();
    });
  }

  /** Whether the reader has not taken what it was sent. */
  get isBehind(): boolean {
    return this.#response.writableNeedDrain || this.#response.destroyed;
  }

  send(item: { readonly type: string }, id?: string): void {
    if (this.#response.writableEnded) return;
    const head = id === undefined ? "" : `id: ${id}\n`;
    this.#response.write(`${head}event: ${item.type}\ndata: ${JSON.stringify(item)}\n\n`);
  }

  close(): void {
    this.#response.end();
  }
}
