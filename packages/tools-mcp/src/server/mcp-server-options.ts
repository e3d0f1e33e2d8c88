import type { AuthInfo } from "@modelcontextprotocol/server";
import type { Json, JsonSchema } from "@penguiflow/planner";
import type { Clock, Flow, PauseTicket, Schema } from "penguiflow";

/** The part of a flow that the server uses: any running `Flow`. */
export type ServedFlow = Pick<
  Flow<never, unknown, never, never>,
  "name" | "graph" | "isRunning" | "stream" | "cancel" | "pauses"
>;

/** The caller of a tool. */
export interface McpCaller {
  readonly tenant: string;
  readonly user?: string | undefined;
}

/** The authenticated request from which a caller is taken. Both are absent over standard input and output. */
export interface McpRequest {
  readonly authInfo?: AuthInfo | undefined;
  readonly request?: Request | undefined;
}

/** A question for a person, as MCP clients show it. */
export interface McpQuestion {
  readonly message: string;
  /**
   * Schema of the answer: an object whose properties are text, numbers, booleans or enums. Without properties the person
   * only agrees or refuses.
   *
   * @defaultValue one text, `answer`
   */
  readonly schema?: JsonSchema | undefined;
  /** A page to visit instead. Clients that cannot open one show it in the message. @defaultValue none */
  readonly url?: string | undefined;
}

/** A flow that is served as a tool. A planner's flow is one. */
export interface McpToolInit {
  readonly flow: ServedFlow;
  /** 1 to 64 of `A-Z a-z 0-9 _ - .`. @defaultValue the flow's name */
  readonly name?: string | undefined;
  readonly title?: string | undefined;
  readonly description: string;
  /**
   * Schema of the arguments, which are passed on as it returns them. One that is not of an object is the property `input`.
   *
   * @defaultValue the schema of the flow's only entry node, which checks them itself
   */
  readonly input?: Schema<unknown, unknown> | undefined;
  /** The arguments as clients are told of them, where the schema cannot say it. */
  readonly inputSchema?: JsonSchema | undefined;
  /** Schema of the result. @defaultValue the schema of the flow's only exit node, if it can be told to clients */
  readonly output?: Schema<unknown, unknown> | undefined;
  /** Makes the flow's payload. @defaultValue the arguments */
  readonly payload?: ((args: never, caller: McpCaller) => unknown) | undefined;
  /** Claims about calls, for clients. @defaultValue none */
  readonly annotations?:
    | {
        readonly readOnlyHint?: boolean;
        readonly destructiveHint?: boolean;
        readonly idempotentHint?: boolean;
        readonly openWorldHint?: boolean;
      }
    | undefined;
  /** Milliseconds after which a call is given up. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  /** Makes the question of a pause. @defaultValue its reason, answered with a text */
  readonly question?: ((pause: PauseTicket) => McpQuestion) | undefined;
  /** Makes the value that resumes a pause. @defaultValue the content, or its `answer` for a question without a schema */
  readonly answer?: ((content: Readonly<Record<string, Json>>, pause: PauseTicket) => unknown) | undefined;
  /** Makes the value that resumes a pause whose question the person refuses. @defaultValue the call ends as denied */
  readonly refusal?: ((pause: PauseTicket) => unknown) | undefined;
}

/** Options of `mcpServer`. */
export interface McpServerOptions {
  readonly name: string;
  readonly version: string;
  /** Guidance on the use of the tools, for the model of the client. @defaultValue none */
  readonly instructions?: string | undefined;
  readonly tools: readonly McpToolInit[];
  /**
   * Determines the caller of an authenticated request. Nothing in its body is used for that.
   *
   * @defaultValue the default tenant, where there is no `authenticate`
   */
  readonly caller?: ((request: McpRequest) => McpCaller | Promise<McpCaller>) | undefined;
  /**
   * Checks an HTTP request, and returns who sent it or the response that refuses it: `requireBearerAuth` of the MCP SDK
   * makes such a function. Without it, only requests to and from this machine's names are served.
   */
  readonly authenticate?: ((request: Request) => AuthInfo | Response | Promise<AuthInfo | Response>) | undefined;
  /** Milliseconds for answering a question, after which its call is cancelled. @defaultValue 600_000 */
  readonly answerWithinMs?: number | undefined;
  /** Key of at least 32 bytes that seals what clients carry from a question to its answer. @defaultValue a random one */
  readonly stateKey?: Uint8Array | string | undefined;
  /** Sessions of clients of the 2025 protocol over HTTP; a further one ends the longest unused. @defaultValue 1_000 */
  readonly maxSessions?: number | undefined;
  /** Milliseconds after which an unused session ends. @defaultValue 1_800_000 */
  readonly sessionIdleMs?: number | undefined;
  /** Receives errors that have no caller. @defaultValue they are dropped */
  readonly onError?: ((error: Error) => void) | undefined;
  readonly clock?: Clock | undefined;
}
