import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import type { Memory } from "../memory.ts";
import { MemoryError } from "../memory-error.ts";
import { Door } from "./door.ts";
import { McpEndpoint } from "./mcp-endpoint.ts";
import { openApiOf } from "./open-api.ts";
import { PageFiles } from "./page.ts";
import { problemOf, Refused } from "./problem.ts";
import { prometheusText } from "./prometheus.ts";
import { readBody } from "./read-body.ts";
import { matches, type Reply, type Route } from "./route.ts";
import { checkPrincipal, type Principal } from "../principal.ts";
import { inputSchemas, parseInput } from "../schemas.ts";
import { routesOf } from "./routes.ts";

/** Options of {@link serveMemory}. */
export interface ServeMemoryOptions {
  /** @defaultValue a free one */
  readonly port?: number | undefined;
  /** Port of /live, /ready and /metrics. @defaultValue a free one */
  readonly monitoringPort?: number | undefined;
  /** Address to listen on; without `keys` one of this machine alone. @defaultValue `"127.0.0.1"` */
  readonly host?: string | undefined;
  /** Whether callers prove themselves by keys of `memory.keys`. @defaultValue false: by the token of this start */
  readonly keys?: boolean | undefined;
  /** Whether models behind `/mcp` may share fragments with other users. @defaultValue false */
  readonly sharing?: boolean | undefined;
  /** Principal whom the token of this start proves; excludes `keys`. @defaultValue `{ tenant: "local", user: "me" }` */
  readonly principal?: Principal | undefined;
  /** Bytes of a body at most. @defaultValue 2 MiB */
  readonly maxBodyBytes?: number | undefined;
}

/** A memory that is served. */
export interface MemoryServer extends AsyncDisposable {
  readonly url: string;
  /** Address of the page; without keys with the token, which the page keeps for its tab alone. */
  readonly pageUrl: string;
  readonly monitoringUrl: string;
  /** Secret of this start, for the user of this machine; absent where callers have keys. */
  readonly token: string | undefined;
  /** Accepts nothing more and resolves when the requests in flight are answered, after `drainMs` at the latest. */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "::1", "localhost"]);

/**
 * Serves a memory over HTTP: the API of `/openapi.json`, MCP at `/mcp`, and a page at `/`. The memory stays open when the
 * server closes.
 *
 * @throws TypeError for a foreign address without keys, or a principal with them; Error when a port is taken
 */
export async function serveMemory(memory: Memory, options: ServeMemoryOptions = {}): Promise<MemoryServer> {
  const { port = 0, monitoringPort = 0, host = "127.0.0.1", keys = false, maxBodyBytes = 2 * 2 ** 20 } = options;
  if (!keys && !LOOPBACK.has(host))
    throw new TypeError(`Without keys the memory is served on this machine alone: got host "${host}"`);
  if (keys && options.principal !== undefined)
    throw new TypeError('Options "keys" and "principal" of serveMemory exclude each other: keys prove principals');
  const principal = checkPrincipal(options.principal ?? { tenant: "local", user: "me" });
  const token = keys ? undefined : randomBytes(16).toString("base64url");
  const mcp = new McpEndpoint({ sharing: options.sharing ?? false, maxBodyBytes });
  const door = new Door(memory, token === undefined ? undefined : { token, principal });
  const service = new Service(memory, door, mcp, maxBodyBytes);
  const server = createServer((request, response) => void service.answer(request, response));
  const monitor = createServer((request, response) => void service.monitor(request, response));
  try {
    await listening(server, port, host);
    await listening(monitor, monitoringPort, host);
  } catch (error) {
    // a server that listens keeps the process alive
    server.close();
    throw error;
  }
  const close = async ({ drainMs = 5_000 }: { readonly drainMs?: number } = {}): Promise<void> => {
    service.isStopping = true;
    await mcp.close();
    const cut = setTimeout(() => server.closeAllConnections(), drainMs);
    await closed(server);
    clearTimeout(cut);
    monitor.closeAllConnections();
    await closed(monitor);
  };
  const url = urlOf(server, host);
  return {
    url,
    // the part behind # never leaves the browser
    pageUrl: token === undefined ? `${url}/` : `${url}/#token=${token}`,
    monitoringUrl: urlOf(monitor, host),
    token,
    close,
    [Symbol.asyncDispose]: async () => await close(),
  };
}

/** Answers requests. */
class Service {
  isStopping = false;
  readonly #memory: Memory;
  readonly #door: Door;
  readonly #mcp: McpEndpoint;
  readonly #maxBodyBytes: number;
  readonly #routes: readonly Route[];
  readonly #openApi: string;
  readonly #page = new PageFiles();

  constructor(memory: Memory, door: Door, mcp: McpEndpoint, maxBodyBytes: number) {
    this.#memory = memory;
    this.#door = door;
    this.#mcp = mcp;
    this.#maxBodyBytes = maxBodyBytes;
    this.#routes = routesOf(inputSchemas(memory.limits));
    this.#openApi = JSON.stringify(openApiOf(this.#routes));
  }

  /** Answers a request of the API. It never throws: a server must outlive each of its requests. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#answer(request, response);
    } catch (error) {
      const { status, headers, body } = problemOf(error);
      if (response.headersSent) response.destroy();
      else send(response, status, { ...headers, "content-type": "application/problem+json" }, JSON.stringify(body));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.isStopping) throw new MemoryError("STOPPED", "The service is shutting down");
    const { pathname, searchParams } = placeOf(request.url);
    if (request.method === "GET" && pathname === "/openapi.json") {
      send(response, 200, JSON_TYPE, this.#openApi);
      return;
    }
    if (this.#page.answer(request, pathname, response)) return;
    const memory = await this.#door.open(request);
    if (pathname === "/mcp") return await this.#mcp.answer(request, response, memory);
    const { route, params } = this.#find(request.method ?? "", pathname);
    const key = request.headers["idempotency-key"];
    const left = new AbortController();
    // a request with a key is sent again: it goes on
    if (key === undefined)
      response.once("close", () => {
        if (!response.writableFinished) left.abort();
      });
    const body = await readBody(request, this.#maxBodyBytes);
    const reply = await route.run({
      memory,
      params,
      query: parseInput(route.query ?? NO_QUERY, onceEach(searchParams)),
      body: route.body === undefined ? undefined : parseInput(route.body, body),
      signal: left.signal,
      idempotencyKey: typeof key === "string" ? key : undefined,
    });
    await write(response, reply);
  }

  /** Answers probes and the scraper. */
  async monitor(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const text = { "content-type": "text/plain; version=0.0.4" };
      if (request.url === "/live") send(response, 200, text, "live\n");
      else if (request.url === "/ready")
        send(response, this.isStopping ? 503 : 200, text, this.isStopping ? "stopping\n" : "ready\n");
      else if (request.url === "/metrics") send(response, 200, text, prometheusText(await this.#memory.figures()));
      else send(response, 404, text, "/live, /ready or /metrics\n");
    } catch {
      send(response, 500, { "content-type": "text/plain" }, "failed\n");
    }
  }

  #find(method: string, path: string): { readonly route: Route; readonly params: Readonly<Record<string, string>> } {
    const here = this.#routes.flatMap((route) => {
      const params = matches(route.path, path);
      return params === undefined ? [] : [{ route, params }];
    });
    const found = here.find(({ route }) => route.method === method);
    if (found !== undefined) return found;
    if (here.length === 0) throw new Refused("ROUTE_UNKNOWN", "There is no such route: see /openapi.json");
    const allow = here.map(({ route }) => route.method).join(", ");
    throw new Refused("METHOD_NOT_ALLOWED", `Use ${allow}`, { allow });
  }
}

/** @throws MemoryError `INVALID` for a path that no URL has, such as `//` */
function placeOf(path = "/"): URL {
  const url = URL.parse(path, "http://memory");
  if (url !== null) return url;
  throw new MemoryError("INVALID", "The path is no path of a URL", {
    issues: [{ path: ["path"], message: "expected one of /openapi.json" }],
  });
}

/** @throws MemoryError `INVALID` for a parameter that is given twice: only one of its values could count */
function onceEach(params: URLSearchParams): Record<string, string> {
  const names = [...params.keys()];
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return Object.fromEntries(params);
  throw new MemoryError("INVALID", `The query has "${twice}" twice`, {
    issues: [{ path: [twice], message: "expected once" }],
  });
}

const NO_QUERY = z.strictObject({});
const JSON_TYPE = { "content-type": "application/json" };

function send(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, text = ""): void {
  response
    .writeHead(status, { "cache-control": "no-store", "x-content-type-options": "nosniff", ...headers })
    .end(text);
}

async function write(response: ServerResponse, reply: Reply): Promise<void> {
  if (!("lines" in reply)) {
    if (reply.body === undefined) send(response, reply.status, {});
    else send(response, reply.status, JSON_TYPE, JSON.stringify(reply.body));
    return;
  }
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  for await (const line of reply.lines) {
    if (response.destroyed) return;
    if (!response.write(`${JSON.stringify(line)}\n`))
      await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

/** @throws Error when the address cannot be had */
async function listening(server: Server, port: number, host: string): Promise<void> {
  try {
    await once(server.listen(port, host), "listening");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "another program uses it; choose another port" : code;
    throw new Error(`Cannot listen on ${host}:${port}: ${why}`, { cause });
  }
}

async function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  await promise;
}

function urlOf(server: Server, host: string): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
}
