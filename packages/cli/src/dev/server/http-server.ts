import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { ApiError } from "./api-error.ts";
import { Fields, readObject } from "./body.ts";
import { type Gate, requireOwn } from "./gate.ts";
import { sendPage } from "./page-files.ts";
import { SAFE_HEADERS, sendJson, sendProblem } from "./reply.ts";
import { type Router, WRITTEN } from "./router.ts";
import type { Session } from "./session.ts";

/** Parts of the server. */
export interface ServerParts {
  readonly gate: () => Gate;
  readonly session: () => Session;
  readonly router: Router;
  /** Folder with the pages. */
  readonly pages: string;
  readonly isReadOnly: boolean;
  /** Receives an error that is no refusal. */
  readonly onFault: (error: unknown) => void;
}

// an import of node:http reads all its exports, one of which loads Node's own fetch: 40 ms of processor time
const { createServer } = process.getBuiltinModule("node:http");

/** Milliseconds for a request to arrive whole. */
const REQUEST_MS = 30_000;

/** Makes the server. Whatever comes in passes the gate, then the session, then its route. */
export function httpServer(parts: ServerParts): Server {
  const server = createServer({ requestTimeout: REQUEST_MS }, (request, response) => {
    serve(parts, request, response).catch((error: unknown) => {
      if (!(error instanceof ApiError)) parts.onFault(error);
      sendProblem(response, error);
    });
  });
  // a request that cannot be parsed has no response of ours, and no page reads it
  server.on("clientError", (_, socket) => socket.destroy());
  return server;
}

async function serve(parts: ServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "GET", url = "/", headers } = request;
  const [path = "/", query = ""] = url.split(/\?(.*)/s);
  requireOwn(parts.gate(), headers, path);
  if (path !== "/api" && !path.startsWith("/api/")) {
    await page(parts, request, response, path);
    return;
  }
  const { origin } = headers;
  if (origin !== undefined && parts.gate().origins.has(origin)) allowOrigin(response, origin);
  if (method === "OPTIONS") {
    response.writeHead(204, SAFE_HEADERS).end();
    return;
  }
  if (path === "/api/session") {
    await openSession(parts.session(), request, response);
    return;
  }
  if (!parts.session().admits(headers))
    throw new ApiError("TOKEN_INVALID", "Open the address that penguiflow dev has printed: it has the token");
  const { route, params } = parts.router.find(method, path.slice("/api".length));
  if (parts.isReadOnly && route.changes)
    throw new ApiError("READ_ONLY", "This view reads a state store, and changes nothing");
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const value = await route.handle({ request, response, params, query: new URLSearchParams(query), gone: gone.signal });
  if (value !== WRITTEN) sendJson(response, value);
}

async function page(
  { pages }: ServerParts,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") throw new ApiError("METHOD_WRONG", `A page takes GET: got ${method}`);
  await sendPage(request, response, pages, path);
}

async function openSession(session: Session, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "POST") throw new ApiError("METHOD_WRONG", `/api/session takes POST: got ${request.method}`);
  const fields = new Fields(await readObject(request), ["token"]);
  const token = fields.optionalText("token");
  const isKnown = token === undefined ? session.admits(request.headers) : session.isToken(token);
  if (!isKnown) throw new ApiError("TOKEN_INVALID", "The token is not that of this start of the server");
  response.setHeader("set-cookie", session.setCookie);
  sendJson(response, undefined);
}

/** Lets a page of the project call AG-UI: with the token, as cookies do not leave their site. */
function allowOrigin(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-allow-headers", "authorization, content-type");
  response.setHeader("access-control-allow-methods", "POST");
  response.setHeader("vary", "origin");
}
