import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connection } from "./server.ts";

/** Error with which the server ends a connection: SQLSTATE 57P01. */
const FATAL = Buffer.from("SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0");
/** The same error in the wire format. */
export const LAST_WORD: Buffer = Buffer.concat([Buffer.from([0x45, 0, 0, 0, FATAL.length + 4]), FATAL]);

/** Plan for the end of one connection. */
export interface Cut {
  /** Bytes from the server that pass before the cut. */
  readonly after: number;
  /**
   * Whether the server's error ends it: in the packet of the message with the last of these bytes, which passes whole.
   */
  readonly lastWord: boolean;
}

/**
 * Proxy between a store and the server. States: up → away (refuses connections) → up; up → silent (accepts data and
 * answers nothing).
 */
export class Proxy implements AsyncDisposable {
  port = 0;
  isSilent = false;
  /** Text of a statement whose next answer is lost together with its connection. */
  loseAnswerTo: string | undefined;
  /** Bytes that the server has sent since {@link Proxy.count}. */
  received = 0;
  /** Offsets at which a message of the server ends. */
  ends: number[] = [];
  /** Offset at which the first ReadyForQuery ends. */
  greeted = 0;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Set<Socket>();
  #cut: Cut | undefined;
  #server: Server | undefined;

  static async create(): Promise<Proxy> {
    const proxy = new Proxy();
    await proxy.comeBack();
    return proxy;
  }

  async comeBack(): Promise<void> {
    const { hostname, port } = new URL(connection);
    this.#server = createServer((client) => {
      const upstream = connect(Number(port === "" ? 5432 : port), hostname);
      let isLost = false;
      /** Received part of an incomplete message. */
      let begun: Buffer = Buffer.alloc(0);
      this.#clients.add(client);
      client.on("close", () => this.#clients.delete(client));
      const end = (): void => {
        client.destroy();
        upstream.destroy();
      };
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("error", end);
        socket.on("close", () => this.#sockets.delete(socket));
      }
      client.on("close", end);
      // `end` flushes pending writes, which must still arrive
      upstream.on("close", () => client.end());
      client.on("data", (data) => {
        if (this.isSilent) return;
        if (this.loseAnswerTo !== undefined && data.includes(this.loseAnswerTo)) {
          isLost = true;
          this.loseAnswerTo = undefined;
        }
        upstream.write(data);
      });
      upstream.on("data", (data) => {
        if (isLost) end();
        else if (!this.isSilent) {
          const cut = this.#cut;
          const before = this.received;
          begun = this.#receive(Buffer.concat([begun, data]), data.length);
          const at = cut?.lastWord === true ? this.ends.find((place) => place >= cut.after) : cut?.after;
          if (cut === undefined || at === undefined || this.received < at) {
            client.write(data);
            return;
          }
          this.#cut = undefined;
          const last = data.subarray(0, Math.max(0, at - before));
          // both in one packet
          client.end(cut.lastWord ? Buffer.concat([last, LAST_WORD]) : last);
          upstream.destroy();
        }
      });
    });
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  /** Restarts the count. @param cut - ends the connection that receives its last byte, and no other */
  count(cut?: Cut): void {
    this.received = 0;
    this.ends = [];
    this.greeted = 0;
    this.#cut = cut;
  }

  /** Sends unsolicited bytes to all clients and ends their connections; resolves when they are closed. */
  async endWith(bytes: Buffer = Buffer.alloc(0)): Promise<void> {
    const clients = [...this.#clients];
    await Promise.all(
      clients.map(async (client) => {
        await once(client.end(bytes), "close");
      }),
    );
  }

  /**
   * Records where messages end: a type of one byte, a length of four that counts itself. Returns the incomplete rest.
   */
  #receive(bytes: Buffer, added: number): Buffer {
    const start = this.received + added - bytes.length;
    let at = 0;
    while (bytes.length >= at + 5 && bytes.length > at + bytes.readUInt32BE(at + 1)) {
      const isReady = bytes[at] === 0x5a;
      at += 1 + bytes.readUInt32BE(at + 1);
      this.ends.push(start + at);
      if (isReady && this.greeted === 0) this.greeted = start + at;
    }
    this.received += added;
    return bytes.subarray(at);
  }

  async goAway(): Promise<void> {
    const closed = this.#server && once(this.#server, "close");
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.goAway();
  }
}
