import {
  extractWWWAuthenticateParams,
  type JSONRPCMessage,
  StreamableHTTPClientTransport,
  type Transport,
} from "@modelcontextprotocol/client";
import { CUT } from "./failures.ts";
import type { Connecting, McpHttpOptions, McpStdioOptions, McpToolsOptions } from "./mcp-tools-options.ts";

/** A server's demand for a sign-in, from its refusal. */
export interface Challenge {
  readonly resourceMetadataUrl?: URL | undefined;
  readonly scope?: string | undefined;
}

/** The caller of a connection, whose credential may be renewed, and the receiver of its server's refusals. */
export interface Identity {
  connecting: Connecting;
  readonly onChallenge: (challenge: Challenge) => void;
}

/** Creates the transport of a new connection. */
export async function openTransport(options: McpToolsOptions, identity: Identity): Promise<Transport> {
  if (options.connect !== undefined) return await options.connect(identity.connecting);
  return options.url === undefined ? await stdioTransport(options, identity) : httpTransport(options, identity);
}

/** Computes the environment of a server's process. */
export function environmentOf({ env = {} }: McpStdioOptions, connecting: Connecting): Readonly<Record<string, string>> {
  return typeof env === "function" ? env(connecting) : env;
}

async function stdioTransport(options: McpStdioOptions, { connecting }: Identity): Promise<Transport> {
  // programs without child processes never load it
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  return new StdioClientTransport({
    command: options.command,
    args: [...(options.args ?? [])],
    env: { ...environmentOf(options, connecting) },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stderr: options.stderr ?? "ignore",
  });
}

function httpTransport(options: McpHttpOptions, identity: Identity): Transport {
  const { url, headers = {}, fetch: fetchOf = fetch } = options;
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    // without a provider the SDK reports a refusal as any other failure
    authProvider: { token: async () => undefined },
    fetch: async (input, init) => {
      const { connecting } = identity;
      const sent = new Headers(init?.headers);
      const { credential } = connecting;
      if (typeof credential === "string") sent.set("authorization", `Bearer ${credential}`);
      for (const [name, value] of Object.entries(typeof headers === "function" ? headers(connecting) : headers))
        sent.set(name, value);
      const response = await fetchOf(input, { ...init, headers: sent });
      if (response.status === 401 || response.status === 403)
        identity.onChallenge(extractWWWAuthenticateParams(response));
      return response;
    },
  });
  reportCuts(transport);
  return transport;
}

/**
 * Makes a request fail when the stream that was to carry its answer ends without one. The SDK waits for the timeout
 * instead: it hears of the end only in its own subscriptions.
 */
function reportCuts(transport: StreamableHTTPClientTransport): void {
  const send = transport.send.bind(transport);
  transport.send = (message, options) =>
    send(message, {
      ...options,
      onRequestStreamEnd: () => {
        options?.onRequestStreamEnd?.();
        // a request with an answer is no longer waited for: the SDK ignores this one
        if (!Array.isArray(message) && isRequest(message))
          transport.onmessage?.({ jsonrpc: "2.0", id: message.id, error: CUT });
      },
    });
}

const isRequest = (message: JSONRPCMessage): message is JSONRPCMessage & { readonly id: string | number } =>
  "method" in message && "id" in message && message.id !== undefined;
