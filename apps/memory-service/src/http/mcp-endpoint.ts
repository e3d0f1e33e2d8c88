import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { McpHttpHandler } from "@modelcontextprotocol/server";
import type { MemoryHandle } from "../memory-handle.ts";

/** Options of {@link McpEndpoint}. */
export interface McpEndpointOptions {
  readonly sharing: boolean;
  /** Bytes of a body at most. */
  readonly maxBodyBytes: number;
}

/**
 * Serves MCP over streamable HTTP in both protocol eras, each request for the principal that its door has proven. It
 * keeps no sessions. The protocol's package is loaded by the first request.
 */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  #handler: Promise<McpHttpHandler> | undefined;

  constructor(options: McpEndpointOptions) {
    this.#options = options;
  }

  /** Answers a request. */
  async answer(request: IncomingMessage, response: ServerResponse, memory: MemoryHandle): Promise<void> {
    const handler = await (this.#handler ??= this.#load());
    const gone = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) gone.abort();
    });
    const { scopes } = memory.principal;
    const authInfo = { token: "", clientId: "memory", scopes: [...scopes], extra: { memory } };
    const answer = await handler.fetch(webRequestOf(request, gone.signal), { authInfo });
    const headers = { ...Object.fromEntries(answer.headers), "x-content-type-options": "nosniff" };
    response.writeHead(answer.status, headers);
    if (answer.body === null) return void response.end();
    response.flushHeaders();
    try {
      await pipeline(Readable.fromWeb(answer.body as never), response);
    } catch (error) {
      // a client that leaves a stream is no failure
      if (!gone.signal.aborted) throw error;
    }
  }

  /** Ends the streams of clients that listen. */
  async close(): Promise<void> {
    await (await this.#handler?.catch(() => undefined))?.close();
  }

  async #load(): Promise<McpHttpHandler> {
    const { createMcpHandler } = await import("@modelcontextprotocol/server");
    const { memoryMcp } = await import("../mcp/memory-mcp.ts");
    const { sharing, maxBodyBytes: maxRequestBodySize } = this.#options;
    // only answer() calls the handler
    const make = (memory: unknown) => memoryMcp(memory as MemoryHandle, { sharing });
    return createMcpHandler(({ authInfo }) => make(authInfo?.extra?.["memory"]), { maxRequestBodySize });
  }
}

function webRequestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct))
    for (const value of values ?? []) headers.append(name, value);
  const { method = "GET" } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(new URL(incoming.url ?? "/", "http://memory"), {
    method,
    headers,
    signal,
    ...(hasBody && { body: Readable.toWeb(incoming) as never, duplex: "half" }),
  });
}
