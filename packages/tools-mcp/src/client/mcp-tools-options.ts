import type { Transport } from "@modelcontextprotocol/client";
import type { Approval, Caller, Effects, IfUnknown } from "@penguiflow/planner";
import type { Clock } from "penguiflow";
import type { SignInOptions } from "./sign-ins.ts";
import type { ToolPins } from "./tool-pins.ts";

/** The caller for whom a connection is made, with the credential of the call that needs it. */
export interface Connecting {
  readonly caller: Caller;
  readonly credential: unknown;
}

/** Settings of the tools of a server. */
export interface McpToolSettings {
  /**
   * Effects of a tool's calls. Annotations of the server make them stricter and never laxer.
   *
   * @defaultValue `"writes"`
   */
  readonly effects?: Effects | undefined;
  /** Names of arguments that are neither stored nor shown, as `secrets` of a planner's tool. @defaultValue none */
  readonly secrets?: readonly string[] | undefined;
  /** @defaultValue false; a tool whose description or schema has changed asks in any case */
  readonly approval?: Approval<never> | undefined;
  /** Milliseconds of an attempt. @defaultValue 30_000 */
  readonly timeoutMs?: number | undefined;
  /** @defaultValue 2; 0 for tools that write */
  readonly maxRetries?: number | undefined;
  /** @defaultValue `"tell"` */
  readonly ifUnknown?: IfUnknown | undefined;
  /** Characters of a result that the model gets. @defaultValue 20_000 */
  readonly maxResultChars?: number | undefined;
}

/** Options of every kind of server. */
export interface McpOptionsBase extends McpToolSettings {
  /** Settings of single tools, by the server's name. A setting left out is the source's. */
  readonly tools?: Readonly<Record<string, McpToolSettings>> | undefined;
  /** Tools that are used, by the server's names. @defaultValue all */
  readonly allow?: readonly string[] | undefined;
  /** Tools that are never used, by the server's names. @defaultValue none */
  readonly deny?: readonly string[] | undefined;
  /** Calls at the same time, of all runs together. @defaultValue 8 */
  readonly concurrency?: number | undefined;
  /** Calls at the same time of one caller. @defaultValue none */
  readonly perCaller?: number | undefined;
  /**
   * Owner of the credential that the server takes. With `"user"` each user of a tenant has a connection of their own; otherwise calls
   * with the same credential share one.
   *
   * @defaultValue `"user"` with `oauth`, `"never"` otherwise
   */
  readonly signsIn?: "never" | "service" | "user" | undefined;
  /** Milliseconds after which a connection without calls is closed. @defaultValue 300_000 */
  readonly idleMs?: number | undefined;
  /** Open connections. A further one closes the longest idle one. @defaultValue 64 */
  readonly maxConnections?: number | undefined;
  /** Milliseconds for connecting, and for listing the tools. @defaultValue 30_000 */
  readonly connectTimeoutMs?: number | undefined;
  /** Keeps the digests of tools that a caller has used. @defaultValue in memory, for the life of the source */
  readonly pins?: ToolPins | undefined;
  readonly clock?: Clock | undefined;
}

/** A server that is a child process, over its standard input and output. */
export interface McpStdioOptions extends McpOptionsBase {
  readonly command: string;
  readonly args?: readonly string[] | undefined;
  /** Variables beside the few that are inherited (`PATH`, `HOME` and the like). A function makes them for each caller. */
  readonly env?:
    | Readonly<Record<string, string>>
    | ((connecting: Connecting) => Readonly<Record<string, string>>)
    | undefined;
  readonly cwd?: string | undefined;
  /** Its error output: discarded, or that of this process. @defaultValue `"ignore"` */
  readonly stderr?: "ignore" | "inherit" | undefined;
  readonly url?: undefined;
  readonly connect?: undefined;
}

/** A server behind a URL, over streamable HTTP. */
export interface McpHttpOptions extends McpOptionsBase {
  readonly url: string | URL;
  /**
   * Headers of every request. A credential that is text is sent as a bearer token, unless `authorization` is among them.
   */
  readonly headers?:
    | Readonly<Record<string, string>>
    | ((connecting: Connecting) => Readonly<Record<string, string>>)
    | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** Signs users in with OAuth. @defaultValue no way to sign in */
  readonly oauth?: SignInOptions | undefined;
  readonly command?: undefined;
  readonly connect?: undefined;
}

/** A server behind any other transport of the MCP SDK. */
export interface McpTransportOptions extends McpOptionsBase {
  /** Makes the transport of a new connection. */
  readonly connect: (connecting: Connecting) => Transport | Promise<Transport>;
  readonly command?: undefined;
  readonly url?: undefined;
}

/** Options of `mcpTools`. */
export type McpToolsOptions = McpStdioOptions | McpHttpOptions | McpTransportOptions;
