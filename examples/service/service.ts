// The service: its parts, put together once, and taken apart again without losing what was accepted.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { StopReport } from "penguiflow";
import { answerHttp } from "./answer-http.ts";
import { AnswerSockets } from "./answer-sockets.ts";
import type { Config } from "./config.ts";
import { Door } from "./door.ts";
import { createFlow } from "./flow.ts";
import type { Library } from "./library.ts";
import { type Parts, ROUTE } from "./parts.ts";
import { Replies } from "./replies.ts";
import { Telemetry } from "./telemetry.ts";

/** Longer than balancers keep a connection they do not use: whoever closes first must be the one who would reuse it. */
const KEEP_ALIVE_MS = 65_000;
/** How long those who are told that the service stops have to hear it. */
const GOODBYE_MS = 1_000;

/**
 * States: starting → ready → draining (nobody new, accepted work goes on) → stopped.
 * The admin server answers in all of them, `/ready` with yes in one.
 */
export class Service {
  readonly parts: Parts;
  readonly #server: Server;
  readonly #admin: Server;
  readonly #sockets: AnswerSockets;
  #isReady = false;

  constructor(config: Config) {
    const door = new Door(config);
    const telemetry = new Telemetry(door);
    this.parts = { config, door, telemetry, flow: createFlow(telemetry.instrument), replies: new Replies() };
    const timeoutMs = config.REQUEST_TIMEOUT_MS;
    const limits = {
      // for a client to send its request, looked at once a second
      requestTimeout: timeoutMs,
      headersTimeout: timeoutMs,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    this.#server = createServer(limits, (request, response) => void answerHttp(this.parts, request, response));
    this.#server.maxConnections = config.MAX_CONNECTIONS;
    this.#admin = createServer((request, response) => this.#administer(request, response));
    this.#sockets = new AnswerSockets(this.parts, this.#server);
  }

  /** Where to ask. */
  get url(): string {
    return `${addressOf(this.#server)}${ROUTE}`;
  }

  /** Where to look: `/live`, `/ready` and `/metrics`. */
  get adminUrl(): string {
    return addressOf(this.#admin);
  }

  /** Listens to probes, then makes the libraries, then listens to everybody. */
  async start(makeLibrary: (documents: string) => Promise<Library>): Promise<void> {
    const { config, flow } = this.parts;
    const { HOST, PORT, ADMIN_PORT, TENANTS } = config;
    await listen(this.#admin, ADMIN_PORT, HOST);
    const made = TENANTS.map(async ({ name, documents }) => [name, await makeLibrary(documents)] as const);
    const libraries = new Map(await Promise.all(made));
    flow.run({
      resources: {
        libraryOf: (tenant) => {
          const library = libraries.get(tenant);
          if (library === undefined) throw new Error(`There is no library for tenant "${tenant}"`);
          return library;
        },
      },
    });
    await listen(this.#server, PORT, HOST);
    this.#isReady = true;
  }

  /**
   * Takes no new work, lets what was accepted get its whole answer within `DRAIN_MS`, and stops. Goes on listening
   * until then, and for `DRAIN_DELAY_MS` at least: whoever comes is told to go elsewhere.
   */
  async drain(): Promise<StopReport> {
    const { config, door, flow, telemetry } = this.parts;
    this.#isReady = false; // 1. "/ready" says no
    door.close(); // 2. new work is refused, with 503
    this.#sockets.drain();
    await Promise.all([delay(config.DRAIN_DELAY_MS), within(config.DRAIN_MS, door.emptied)]); // 3. accepted work goes on
    const report = await flow.stop(); // 4. what is not done is told that the service stops
    await within(GOODBYE_MS, door.emptied);
    this.#sockets.terminate(); // 5. nobody is there any more
    await close(this.#server);
    await telemetry[Symbol.asyncDispose]();
    await close(this.#admin);
    return report;
  }

  #administer(request: IncomingMessage, response: ServerResponse): void {
    const say = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.url === "/live") say(200, { live: true });
    else if (request.url === "/ready") say(this.#isReady ? 200 : 503, { ready: this.#isReady });
    else if (request.url === "/metrics") this.parts.telemetry.metrics(request, response);
    else say(404, { paths: ["/live", "/ready", "/metrics"] });
  }
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, "listening");
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

/** Waits for something, but not longer than that. */
async function within(ms: number, something: Promise<void>): Promise<void> {
  const happened = new AbortController();
  await Promise.race([something, delay(ms, undefined, { signal: happened.signal }).catch(() => {})]);
  happened.abort();
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
