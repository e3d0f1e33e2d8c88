import type { ServerResponse } from "node:http";

/** The connections that read a stream of server-sent events. */
export class Readers {
  readonly #open = new Set<ServerResponse>();

  get size(): number {
    return this.#open.size;
  }

  add(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    this.#open.add(response);
    response.on("close", () => this.#open.delete(response));
  }

  /** Sends an item to all of them, or to one. */
  send(item: { readonly type: string; readonly seq?: number }, only?: ServerResponse): void {
    const id = item.seq === undefined ? "" : `id: ${item.seq}\n`;
    const text = `event: ${item.type}\n${id}data: ${JSON.stringify(item)}\n\n`;
    for (const response of only === undefined ? this.#open : [only]) response.write(text);
  }

  /** Cuts the connections, as a network does. */
  cut(): void {
    for (const response of this.#open) response.destroy();
  }
}
