import { setImmediate as nextTurn } from "node:timers/promises";
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server";

/** A request that is answered when the client ends it, not before. */
const LISTEN = "subscriptions/listen";

/** The requests that a transport has received and not answered yet. */
export class OpenRequests {
  readonly #ids = new Set<string | number>();
  #onNone: (() => void) | undefined;

  /** @param transport - is served already: what it receives and sends passes through here from now on */
  constructor(transport: Transport) {
    const { onmessage } = transport;
    // the transport has no other way to tell
    // oxlint-disable-next-line unicorn/prefer-add-event-listener
    transport.onmessage = (message, extra) => {
      this.#received(message);
      onmessage?.(message, extra);
    };
    const send = transport.send.bind(transport);
    transport.send = async (message, options) => {
      await send(message, options);
      if (!("method" in message) && message.id !== undefined) this.#closed(message.id);
    };
  }

  /** Resolves once all are answered, after `mostMs` at the latest. */
  async answered(mostMs: number): Promise<void> {
    // requests that were read just now are received by then
    await nextTurn();
    if (this.#ids.size === 0) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, mostMs);
      this.#onNone = () => {
        clearTimeout(late);
        resolve();
      };
    });
  }

  #received(message: JSONRPCMessage): void {
    if (!("method" in message)) return;
    if ("id" in message) {
      if (message.method !== LISTEN) this.#ids.add(message.id);
    } else if (message.method === "notifications/cancelled") {
      const id = message.params?.["requestId"];
      // a cancelled request gets no answer
      if (typeof id === "string" || typeof id === "number") this.#closed(id);
    }
  }

  #closed(id: string | number): void {
    this.#ids.delete(id);
    if (this.#ids.size === 0) this.#onNone?.();
  }
}
