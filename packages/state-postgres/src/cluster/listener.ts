import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { ResolvedOptions } from "../options.ts";

const RECONNECT_MS = 250;

/**
 * Receives notifications over a connection of its own, while it has listeners. It connects again when it is
 * lost; what was sent meanwhile is lost.
 */
export class Listener implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #channels = new Map<string, Set<(payload: string) => void>>();
  #client: Promise<Client> | undefined;
  /** The last statement: the driver takes one at a time. */
  #said: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  /** Listens to a channel until it is disposed. */
  listen(channel: string, receive: (payload: string) => void): Disposable {
    const receivers = this.#channels.get(channel) ?? new Set();
    const isNew = receivers.size === 0;
    // a receiver of its own, so that one function may listen twice
    const own = (payload: string): void => receive(payload);
    receivers.add(own);
    this.#channels.set(channel, receivers);
    if (isNew) this.#say(`listen "${channel}"`);
    return {
      [Symbol.dispose]: () => {
        receivers.delete(own);
        if (receivers.size > 0 || this.#channels.get(channel) !== receivers) return;
        this.#channels.delete(channel);
        this.#say(`unlisten "${channel}"`);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const client = await this.#client?.catch(() => undefined);
    await client?.end().catch(() => {});
  }

  /** Sends a statement; a connection that is opened later listens to all channels of that time. */
  #say(statement: string): void {
    this.#client ??= this.#connect();
    const connected = this.#client;
    this.#said = this.#said.then(async () => await (await connected).query(statement)).catch(() => {});
  }

  async #connect(): Promise<Client> {
    const { connection } = this.#options;
    for (;;) {
      if (this.#isClosed) throw new Error("The listener is closed");
      const config = typeof connection === "string" ? { connectionString: connection } : (connection as object);
      const client = new Client({ application_name: "penguiflow", keepAlive: true, ...config });
      let isLost = false;
      client.on("error", () => {});
      client.on("end", () => {
        isLost = true;
        if (this.#isClosed) return;
        this.#client = this.#connect();
        this.#client.catch(() => {});
      });
      client.on("notification", ({ channel, payload = "" }) => {
        for (const receive of this.#channels.get(channel) ?? []) receive(payload);
      });
      try {
        await client.connect();
        for (const channel of this.#channels.keys()) await client.query(`listen "${channel}"`);
        return client;
      } catch (error) {
        // the event has begun another connection
        if (isLost) throw error;
        client.removeAllListeners("end");
        await client.end().catch(() => {});
        await sleep(RECONNECT_MS);
      }
    }
  }
}
