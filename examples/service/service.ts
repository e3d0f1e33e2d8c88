// Builds the service from its parts once, and shuts it down without losing accepted work.
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

/** Longer than balancers keep an idle connection: the side that reuses connections must be the first to close. */
const KEEP_ALIVE_MS = 65_000;
/** Time that clients get to receive the notice of a shutdown. */
const GOODBYE_MS = 1_000;

/**
 * Serves the flow.
 *
 * States: starting → ready → draining (new requests refused, accepted ones continue) → stopped. The admin server
 * answers in every state; `/ready` succeeds only in ready.
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
      // time for a client to send its request, checked once a second
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

  /** URL of the service. */
  get url(): string {
    return `${addressOf(this.#server)}${ROUTE}`;
  }

  /** URL of `/live`, `/ready` and `/metrics`. */
  get adminUrl(): string {
    return addressOf(this.#admin);
  }

  /** Listens to probes first, then creates the libraries, then listens to clients. */
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
          if (library === undefined) throw new Error(`Cannot find the library of tenant "${tenant}"`);
          return library;
        },
      },
    });
    await listen(this.#server, PORT, HOST);
    this.#isReady = true;
  }

  /**
   * Refuses new work, lets accepted requests finish within `DRAIN_MS`, and stops. Keeps listening until then, and for
   * at least `DRAIN_DELAY_MS`, so that new requests get a 503 instead of a closed port.
   */
  async drain(): Promise<StopReport> {
    const { config, door, flow, telemetry } = this.parts;
    this.#isReady = false; // 1. "/ready" fails
    door.close(); // 2. new work is refused, with 503
    this.#sockets.drain();
    await Promise.all([delay(config.DRAIN_DELAY_MS), within(config.DRAIN_MS, door.emptied)]); // 3. work goes on
    const report = await flow.stop(); // 4. unfinished work is aborted with the shutdown
    await within(GOODBYE_MS, door.emptied);
    this.#sockets.terminate(); // 5. all answers are sent
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

/** Waits for a promise, at most that long. */
async function within(ms: number, something: Promise<void>): Promise<void> {
  const happened = new AbortController();
  await Promise.race([something, delay(ms, undefined, { signal: happened.signal }).catch(() => {})]);
  happened.abort();
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
