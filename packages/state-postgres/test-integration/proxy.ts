import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connection } from "./server.ts";

/**
 * Stands between a store and the server. up → away (refuses connections) → up; up → silent (takes what comes and
 * answers nothing).
 */
export class Proxy implements AsyncDisposable {
  port = 0;
  isSilent = false;
  /** The next answer to a statement with this text is lost, and the connection with it. */
  loseAnswerTo: string | undefined;
  readonly #sockets = new Set<Socket>();
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
      const end = (): void => {
        client.destroy();
        upstream.destroy();
      };
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("error", end).on("close", end);
        socket.on("close", () => this.#sockets.delete(socket));
      }
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
        else if (!this.isSilent) client.write(data);
      });
    });
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
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
