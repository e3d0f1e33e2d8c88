// A server with the API of `penguiflow dev` whose flows follow scripts: the pages' fixture.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { existsSync, readFileSync, statSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { API_ERRORS, type ApiErrorCode } from "../../src/protocol.ts";
import { Refusal } from "./refusal.ts";
import { routes } from "./routes.ts";
import { World, type WorldOptions } from "./world.ts";

/** A scripted server that listens on the loopback interface. */
export interface ScriptedServer {
  readonly world: World;
  /** Address without a path. */
  readonly origin: string;
  /** Folder of the pages that it serves. */
  readonly folder: string;
  /** Ends the server and its connections; its runs go on. */
  leave(): Promise<void>;
  /** Listens at the same port again. */
  comeBack(): Promise<void>;
  /** Ends the server with all its runs. */
  stop(): Promise<void>;
}

/** Token of the session, for `/#token=…`. */
export const TOKEN = "scripted-0123456789abcdef";

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".woff2": "font/woff2",
};

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'";

/** Starts the server over a folder of built pages. */
export async function startScriptedServer(
  options: WorldOptions & { readonly folder: string; readonly port?: number },
): Promise<ScriptedServer> {
  const world = new World(options);
  const server = createServer((request, response) => {
    void answer(request, response, { world, folder: options.folder }).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  const listen = async (port: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(port, "127.0.0.1", resolve);
    await promise;
  };
  const leave = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    server.closeAllConnections();
    await promise;
  };
  await listen(options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return {
    world,
    folder: options.folder,
    origin: `http://127.0.0.1:${port}`,
    leave,
    comeBack: async () => await listen(port),
    async stop() {
      world.close();
      if (server.listening) await leave();
    },
  };
}

interface Serving {
  readonly world: World;
  readonly folder: string;
}

async function answer(request: IncomingMessage, response: ServerResponse, serving: Serving): Promise<void> {
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  if (!url.pathname.startsWith("/api/")) {
    serveFile(url.pathname, response, serving.folder);
    return;
  }
  const body = await bodyOf(request);
  try {
    if (url.pathname === "/api/session") {
      if ((body as { token?: string } | undefined)?.token !== TOKEN)
        throw new Refusal("TOKEN_INVALID", "The token is wrong");
      response.writeHead(204, { "set-cookie": `penguiflow=${TOKEN}; HttpOnly; SameSite=Strict; Path=/` }).end();
      return;
    }
    if (!(request.headers.cookie ?? "").includes(`penguiflow=${TOKEN}`)) {
      throw new Refusal("TOKEN_INVALID", "The session is unknown");
    }
    const result = routes(serving.world, request.method ?? "GET", url, body, response);
    if (result === response) return;
    if (result === undefined) response.writeHead(204).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  } catch (error) {
    const code: ApiErrorCode = error instanceof Refusal ? error.code : "INTERNAL";
    const problem = {
      error: {
        code,
        message: error instanceof Error ? error.message : String(error),
        ...(error instanceof Refusal ? { details: error.details } : {}),
      },
    };
    response.writeHead(API_ERRORS[code], { "content-type": "application/json" }).end(JSON.stringify(problem));
  }
}

function serveFile(pathname: string, response: ServerResponse, folder: string): void {
  const wanted = path.join(folder, path.normalize(pathname));
  const file = existsSync(wanted) && statSync(wanted).isFile() ? wanted : path.join(folder, "index.html");
  response
    .writeHead(200, {
      "content-type": MEDIA_TYPES[path.extname(file)] ?? "application/octet-stream",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    })
    .end(readFileSync(file));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString();
  return text === "" ? undefined : JSON.parse(text);
}
