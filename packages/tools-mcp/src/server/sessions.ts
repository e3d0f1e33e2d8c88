import { randomUUID } from "node:crypto";
import { type AuthInfo, type McpServer, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import type { Clock } from "penguiflow";
import type { McpCaller } from "./mcp-server-options.ts";

/** Options of {@link Sessions}. */
export interface SessionsInit {
  readonly createServer: () => McpServer;
  readonly maxSessions: number;
  readonly idleMs: number;
  readonly clock: Clock;
}

interface Session {
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly server: McpServer;
  /** The caller who began it, and alone may use it. */
  readonly owner: string;
  readonly cancelIdle: () => void;
}

/**
 * Sessions of clients of the 2025 protocol over HTTP. Such a client cancels a call, and answers a question, in requests
 * of their own: without a session they would not find it.
 *
 * States of a session: open (`initialize`) → closed (by its client, unused for too long, or the longest unused one when
 * there are too many).
 */
export class Sessions {
  readonly #init: SessionsInit;
  /** Least recently used first. */
  readonly #sessions = new Map<string, Session>();

  constructor(init: SessionsInit) {
    this.#init = init;
  }

  /** Number of open sessions. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Serves a request in its session, or begins one. */
  async fetch(request: Request, caller: McpCaller, authInfo: AuthInfo | undefined): Promise<Response> {
    const owner = JSON.stringify([caller.tenant, caller.user ?? null]);
    const options = authInfo === undefined ? {} : { authInfo };
    const id = request.headers.get("mcp-session-id");
    if (id === null) return await this.#begin(request, owner, options);
    const session = this.#sessions.get(id);
    // others do not learn that the session exists
    if (session === undefined || session.owner !== owner) return notFound();
    this.#keep(id, session);
    return await session.transport.handleRequest(request, options);
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((id) => this.#end(id)));
  }

  async #begin(request: Request, owner: string, options: { readonly authInfo?: AuthInfo }): Promise<Response> {
    const server = this.#init.createServer();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => {
        this.#keep(id, { transport, server, owner, cancelIdle: () => {} });
        const [longestUnused] = this.#sessions.keys();
        if (this.#sessions.size > this.#init.maxSessions && longestUnused !== undefined) void this.#end(longestUnused);
      },
      onsessionclosed: async (id) => await this.#end(id),
    });
    await server.connect(transport);
    const response = await transport.handleRequest(request, options);
    // it was no handshake, and was refused
    if (transport.sessionId === undefined) await server.close();
    return response;
  }

  /** Makes a session the most recently used one. */
  #keep(id: string, session: Session): void {
    const { clock, idleMs } = this.#init;
    session.cancelIdle();
    this.#sessions.delete(id);
    this.#sessions.set(id, { ...session, cancelIdle: clock.setTimer(() => void this.#end(id), idleMs) });
  }

  async #end(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    session.cancelIdle();
    await session.server.close();
  }
}

/** Answers as the protocol wants it for a session that has ended: the client begins another one. */
function notFound(): Response {
  const error = { code: -32_001, message: "Session not found" };
  return Response.json({ jsonrpc: "2.0", error, id: null }, { status: 404 });
}
