import { randomBytes } from "node:crypto";
import {
  createMcpHandler,
  createRequestStateCodec,
  hostHeaderValidationResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  McpServer,
  originValidationResponse,
  type RequestStateCodec,
  type Transport,
} from "@modelcontextprotocol/server";
import { DEFAULT_TENANT, systemClock } from "penguiflow";
import { requireFunction, requireInteger, requireKnownKeys } from "penguiflow/adapter";
import type { McpServerOptions, McpToolInit } from "./mcp-server-options.ts";
import { type NodeListener, nodeListener } from "./node-listener.ts";
import { type ServedTool, servedTool } from "./served-tool.ts";
import { Sessions } from "./sessions.ts";
import { type CallState, ToolCalls } from "./tool-calls.ts";

/** Flows as tools of an MCP server. */
export interface FlowServer extends AsyncDisposable {
  /** Serves a web request: of workers, Deno, Bun, or a framework that has them. */
  fetch(request: Request): Promise<Response>;
  /** Returns the listener of a Node HTTP server: `createServer(server.listener())`. */
  listener(): NodeListener;
  /**
   * Serves the standard input and output of this process, or another transport with one client.
   *
   * @returns resolves when the client has gone
   */
  serve(transport?: Transport): Promise<void>;
  /** Ends all connections. Calls that run are cancelled, questions stay without an answer. The flows go on. */
  close(): Promise<void>;
}

/**
 * Serves flows, and planners as flows, as tools of an MCP server. Both protocol eras are spoken. A call is a trace of its
 * flow: chunks are progress, a cancel cancels the trace, a pause is a question to the client's user (elicitation).
 *
 * @throws TypeError or RangeError for an option that is unknown or out of range, and for a tool that clients cannot be
 *   told of
 *
 * @example
 * ```ts
 * const server = mcpServer({ name: "orders", version: "1.0.0", tools: [{ flow, description: "Finds orders" }] });
 * await server.serve(); // over standard input and output
 * ```
 */
export function mcpServer(options: McpServerOptions): FlowServer {
  return new HostedServer(options);
}

class HostedServer implements FlowServer {
  readonly #options: McpServerOptions;
  readonly #tools: readonly ServedTool[];
  readonly #calls: ToolCalls;
  readonly #codec: RequestStateCodec<CallState>;
  readonly #http: McpHttpHandler;
  readonly #sessions: Sessions;
  readonly #connections = new Set<{ close(): Promise<void> }>();

  constructor(options: McpServerOptions) {
    requireOptions(options);
    const { answerWithinMs = 600_000, clock = systemClock, stateKey = randomBytes(32) } = options;
    const { maxSessions = 1000, sessionIdleMs: idleMs = 1_800_000, caller } = options;
    this.#options = options;
    this.#tools = options.tools.map(servedTool);
    const names = this.#tools.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new TypeError(`Cannot serve two tools named "${twice}"; give one of them a "name"`);
    const codec = createRequestStateCodec<CallState>({
      key: stateKey,
      ttlSeconds: Math.ceil(answerWithinMs / 1000),
    });
    this.#codec = codec;
    const callerOf = caller ?? (() => ({ tenant: DEFAULT_TENANT }));
    this.#calls = new ToolCalls({ codec, callerOf, answerWithinMs, clock });
    const onerror = (error: Error): void => options.onError?.(error);
    this.#http = createMcpHandler(() => this.#createServer(), { legacy: "reject", onerror });
    this.#sessions = new Sessions({ createServer: () => this.#createServer(), maxSessions, idleMs, clock });
  }

  async fetch(request: Request): Promise<Response> {
    const { authenticate, caller } = this.#options;
    // without authentication, pages of other sites must not reach a server on this machine
    if (authenticate === undefined) {
      const refused =
        hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
        originValidationResponse(request, localhostAllowedOrigins());
      if (refused !== undefined) return refused;
    }
    const authInfo = await authenticate?.(request);
    if (authInfo instanceof Response) return authInfo;
    if (!(await isLegacyRequest(request)))
      return await this.#http.fetch(request, authInfo === undefined ? {} : { authInfo });
    const who = caller === undefined ? { tenant: DEFAULT_TENANT } : await caller({ authInfo, request });
    return await this.#sessions.fetch(request, who, authInfo);
  }

  listener(): NodeListener {
    return nodeListener(
      (request) => this.fetch(request),
      (error) => this.#options.onError?.(error),
    );
  }

  async serve(transport?: Transport): Promise<void> {
    // servers without standard input, as in workers, never load it
    const { serveStdio, StdioServerTransport } = await import("@modelcontextprotocol/server/stdio");
    const used = transport ?? new StdioServerTransport();
    const { promise, resolve } = Promise.withResolvers<void>();
    const handle = serveStdio(() => this.#createServer(), {
      transport: used,
      onerror: (error) => this.#options.onError?.(error),
    });
    this.#connections.add(handle);
    const { onclose } = used;
    // transports have one listener and no events
    // oxlint-disable-next-line unicorn/prefer-add-event-listener
    used.onclose = () => {
      this.#connections.delete(handle);
      onclose?.();
      resolve();
    };
    await promise;
  }

  async close(): Promise<void> {
    this.#calls.close();
    await Promise.all([
      this.#http.close(),
      this.#sessions.close(),
      ...[...this.#connections].map((connection) => connection.close()),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #createServer(): McpServer {
    const { name, version, instructions, answerWithinMs = 600_000 } = this.#options;
    const server = new McpServer(
      { name, version },
      {
        capabilities: { tools: { listChanged: false } },
        ...(instructions === undefined ? {} : { instructions }),
        inputRequired: { roundTimeoutMs: answerWithinMs },
        requestState: { verify: async (state, ctx) => await this.#codec.verify(state, ctx) },
      },
    );
    for (const tool of this.#tools) {
      const { title, description, annotations } = tool.init;
      server.registerTool(
        tool.name,
        {
          description,
          inputSchema: tool.input,
          ...(title === undefined ? {} : { title }),
          ...(annotations === undefined ? {} : { annotations }),
          ...(tool.output === undefined ? {} : { outputSchema: tool.output }),
        },
        async (args, ctx) => await this.#calls.run(server, tool, args as Readonly<Record<string, unknown>>, ctx),
      );
    }
    return server;
  }
}

const OPTIONS = [
  ...["name", "version", "instructions", "tools", "caller", "authenticate", "answerWithinMs", "stateKey"],
  ...["maxSessions", "sessionIdleMs", "onError", "clock"],
];

const TOOL_OPTIONS: readonly (keyof McpToolInit)[] = [
  ...(["flow", "name", "title", "description", "input", "inputSchema", "output", "payload"] as const),
  ...(["annotations", "timeoutMs", "question", "answer", "refusal"] as const),
];

function requireOptions(options: McpServerOptions): void {
  requireKnownKeys("mcpServer", options, OPTIONS);
  for (const option of ["answerWithinMs", "maxSessions", "sessionIdleMs"] as const) {
    const value = options[option];
    if (value !== undefined) requireInteger(option, value, 1);
  }
  const { tools } = options;
  if (!Array.isArray(tools) || tools.length === 0)
    throw new TypeError('Option "tools" of mcpServer must be an array with a tool');
  for (const tool of tools as readonly McpToolInit[]) {
    requireKnownKeys("a tool of mcpServer", tool, TOOL_OPTIONS);
    if (tool.timeoutMs !== undefined) requireInteger("timeoutMs", tool.timeoutMs, 1);
  }
  if (options.authenticate === undefined) return;
  requireFunction("authenticate", options.authenticate);
  // otherwise all users would share the default tenant
  requireFunction("caller", options.caller);
}
