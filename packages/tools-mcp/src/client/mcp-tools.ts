import { createHash } from "node:crypto";
import type { Tool as ServerTool } from "@modelcontextprotocol/client";
import {
  type Caller,
  type ListRequest,
  NothingDone,
  type Tool,
  type ToolContext,
  type ToolOutput,
  type ToolSource,
} from "@penguiflow/planner";
import { type Clock, FlowError, systemClock } from "penguiflow";
import { requireInteger, requireKnownKeys, requireOneOf, shown } from "penguiflow/adapter";
import { callTool } from "./call-tool.ts";
import { Connection } from "./connection.ts";
import { ConnectionPool } from "./connection-pool.ts";
import {
  failedRequest,
  isRefusal,
  isSessionGone,
  isTimeout,
  isUnsent,
  isUnauthorized,
  notSignedIn,
  reasonOf,
  unreachable,
} from "./failures.ts";
import { problemOf, schemaOf } from "./json-schemas.ts";
import type { Connecting, McpHttpOptions, McpToolSettings, McpToolsOptions } from "./mcp-tools-options.ts";
import { descriptionOf, type McpTool, serverTool } from "./server-tool.ts";
import { SignIns, type SignedIn } from "./sign-ins.ts";
import { toolDigest } from "./tool-digest.ts";
import { toolName } from "./tool-name.ts";
import { outputOf } from "./tool-output.ts";
import { MemoryToolPins, pinOf, type ToolPins } from "./tool-pins.ts";
import { environmentOf, type Identity, openTransport } from "./transports.ts";

/** The tools of an MCP server. */
export interface McpToolSource extends ToolSource {
  /**
   * Returns the access token of a user who has signed in, renewed where it has expired; `undefined` for one who has not.
   * Pass it to the planner: `credentials: (caller, source) => github.credential(caller)`.
   */
  credential(caller: Pick<Caller, "tenant" | "user">): Promise<string | undefined>;
  /**
   * Ends a sign-in: trades the code in the parameters of the callback for tokens, and keeps them.
   *
   * @param params - the query of the redirect URL as the browser requested it
   * @param who - the user whom the program has authenticated for that request, never one named by its parameters
   * @throws FlowError `REMOTE_REFUSED` when the sign-in is unknown, used, expired, another user's, or was refused
   */
  finishSignIn(params: URLSearchParams, who: Pick<Caller, "tenant" | "user">): Promise<SignedIn>;
  /** Calls `told` when a server announces other tools, a connection is lost, or `reconnect` has ended it. */
  onChange(told: () => void): () => void;
  /** Closes all connections, and ends the processes of servers. Calls in progress fail. */
  close(): Promise<void>;
}

/**
 * Creates a source of the tools of an MCP server, over standard input and output, streamable HTTP, or any transport of
 * the MCP SDK. Both protocol eras are spoken.
 *
 * @param name - prefix of the tools' names: `gh` makes `gh_search`; empty for none
 * @throws TypeError or RangeError for an option that is unknown or out of range
 *
 * @example
 * ```ts
 * const files = mcpTools("files", { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "."] });
 * ```
 */
export function mcpTools(name: string, options: McpToolsOptions): McpToolSource {
  return new McpSource(name, options);
}

class McpSource implements McpToolSource {
  readonly name: string;
  readonly concurrency: number;
  readonly perCaller: number | undefined;
  readonly signsIn: "never" | "service" | "user";
  readonly signIn?: (caller: Caller, signal: AbortSignal) => Promise<{ readonly url: string }>;
  readonly #options: McpToolsOptions;
  readonly #pool: ConnectionPool;
  readonly #pins: ToolPins;
  readonly #clock: Clock;
  readonly #signIns: SignIns | undefined;
  readonly #timeoutMs: number;
  readonly #signInTool: Tool;
  /** Numbers of credentials that are objects, which cannot be written as text. */
  readonly #objects = new WeakMap<object, number>();
  #objectCount = 0;
  readonly #listeners = new Set<() => void>();

  constructor(name: string, options: McpToolsOptions) {
    requireOptions(name, options);
    const { concurrency = 8, clock = systemClock, idleMs = 300_000, maxConnections = 64 } = options;
    const oauth = options.url === undefined ? undefined : options.oauth;
    this.name = name;
    this.concurrency = concurrency;
    this.perCaller = options.perCaller;
    this.signsIn = options.signsIn ?? (oauth === undefined ? "never" : "user");
    this.#options = options;
    this.#timeoutMs = options.connectTimeoutMs ?? 30_000;
    this.#clock = clock;
    this.#pins = options.pins ?? new MemoryToolPins();
    this.#signInTool = signInTool(name, this.#timeoutMs, (request) => this.list(request));
    this.#pool = new ConnectionPool({ source: name, idleMs, maxConnections, clock });
    if (oauth !== undefined) {
      const signIns = new SignIns(name, options as McpHttpOptions, oauth, clock);
      this.#signIns = signIns;
      this.signIn = async (caller) => await signIns.begin(caller);
    }
  }

  async list({ caller, credential, signal }: ListRequest): Promise<readonly Tool[]> {
    // offered to all: a call of it goes on after the sign-in, when the others can be listed
    const own = this.#signIns === undefined ? [] : [this.#signInTool];
    try {
      const tools = await this.#use({ caller, credential }, signal, async (connection) =>
        this.#toolsOf(connection, await connection.tools(signal)),
      );
      return [...tools, ...own];
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FlowError) throw error;
      if (!isUnauthorized(error)) throw failedRequest(this.name, "list the tools", error);
      await this.#refused(caller, credential);
      // a source without tools is never called, and the user never asked to sign in
      if (own.length > 0) return own;
      throw notSignedIn(this.name, "list the tools", error);
    }
  }

  async credential({ tenant, user }: Pick<Caller, "tenant" | "user">): Promise<string | undefined> {
    return await this.#requireSignIns().token({ tenant, user });
  }

  async finishSignIn(params: URLSearchParams, { tenant, user }: Pick<Caller, "tenant" | "user">): Promise<SignedIn> {
    return await this.#requireSignIns().finish(params, { tenant, user });
  }

  onChange(told: () => void): () => void {
    // a function of its own for each listener, which may be given twice
    const listener = (): void => told();
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async reconnect(): Promise<void> {
    await this.#pool.reset();
    this.#changed();
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #changed(): void {
    for (const told of this.#listeners) told();
  }

  #toolsOf(connection: Connection, serverTools: readonly ServerTool[]): readonly McpTool[] {
    const { allow, deny = [] } = this.#options;
    const used = serverTools.filter(
      ({ name, execution }) =>
        (allow === undefined || allow.includes(name)) &&
        !deny.includes(name) &&
        // calls that can only be made as tasks of the 2025 protocol
        execution?.taskSupport !== "required",
    );
    const tools = used.map((tool) => this.#toolOf(connection, tool));
    if (connection.made.size > used.length) {
      const names = new Set(used.map(({ name }) => name));
      for (const name of connection.made.keys()) if (!names.has(name)) connection.made.delete(name);
    }
    return tools;
  }

  /** Makes a tool, once for each description of it: planners list them often, and its schema is compiled once. */
  #toolOf(connection: Connection, tool: ServerTool): McpTool {
    const text = JSON.stringify(tool);
    const before = connection.made.get(tool.name);
    if (before?.text === text) return before.tool;
    const digest = digestOf(tool);
    const made: McpTool = serverTool({
      name: toolName(this.name, tool.name),
      tool,
      digest,
      settings: this.#settingsOf(tool.name),
      isChanged: async (caller) => {
        const pin = this.#pinOf(tool.name, caller);
        const known = await this.#pins.read(pin);
        // the first one that is to be called is the one that later ones are compared with
        if (known === undefined) await this.#pins.write(pin, digest);
        return known !== undefined && known !== digest;
      },
      run: async (args, ctx) => {
        const pin = this.#pinOf(tool.name, ctx.caller);
        // it has been approved if it had changed
        if ((await this.#pins.read(pin)) !== digest) await this.#pins.write(pin, digest);
        return await this.#run(tool, digest, made, args, ctx);
      },
    });
    connection.made.set(tool.name, { text, tool: made });
    return made;
  }

  async #run(
    tool: ServerTool,
    digest: string,
    { effects, timeoutMs }: Pick<Tool, "effects" | "timeoutMs">,
    args: Readonly<Record<string, unknown>>,
    ctx: ToolContext<never>,
  ): Promise<ToolOutput> {
    const { caller, credential, signal } = ctx;
    try {
      return await this.#use({ caller, credential }, signal, async (connection) => {
        const listed = (await connection.tools(signal)).find(({ name }) => name === tool.name);
        if (listed === undefined || digestOf(listed) !== digest) return changed(tool.name, listed !== undefined);
        const result = await callTool(connection, { source: this.name, tool, effects, args, timeoutMs, ctx });
        return await fitting(tool, result);
      });
    } catch (error) {
      // the SDK reports an abort as a timeout: the signal knows better
      signal.throwIfAborted();
      if (isTimeout(error)) {
        const text = `The tool did not answer within ${timeoutMs} ms`;
        return { kind: "error", code: "TOOL_TIMEOUT", text };
      }
      if (isRefusal(error)) return { kind: "error", code: "TOOL_FAILED", text: error.message };
      // a call that writes may be tried again then
      if (isUnsent(error)) throw new NothingDone(reasonOf(error), { cause: error });
      if (!isUnauthorized(error)) throw error;
      await this.#refused(caller, credential);
      return { kind: "error", code: "SIGN_IN_FAILED", text: notSignedIn(this.name, `call "${tool.name}"`).message };
    }
  }

  /** Forgets a token that the server has refused, so that the next call asks to sign in. */
  async #refused(caller: Caller, credential: unknown): Promise<void> {
    if (typeof credential === "string") await this.#signIns?.forget(caller, credential);
  }

  async #use<Value>(
    connecting: Connecting,
    signal: AbortSignal,
    work: (connection: Connection) => Promise<Value>,
  ): Promise<Value> {
    const key = this.#keyOf(connecting);
    const use = async (): Promise<Value> =>
      await this.#pool.use(
        key,
        signal,
        (onClosed) => this.#open(connecting, onClosed),
        async (connection) => {
          connection.identity.connecting = connecting;
          return await work(connection);
        },
      );
    try {
      return await use();
    } catch (error) {
      // the server has restarted, and has not executed the request
      if (!isSessionGone(error)) throw error;
      return await use();
    }
  }

  async #open(connecting: Connecting, onClosed: () => void): Promise<Connection> {
    const identity: Identity = { connecting, onChallenge: (challenge) => this.#signIns?.challenged(challenge) };
    try {
      const transport = await openTransport(this.#options, identity);
      return await Connection.open(transport, {
        identity,
        clock: this.#clock,
        timeoutMs: this.#timeoutMs,
        onClosed,
        onChange: () => this.#changed(),
      });
    } catch (error) {
      throw isUnauthorized(error) ? error : unreachable(this.name, error);
    }
  }

  /** Computes the key of a connection: calls that may not see each other's data have different ones. */
  #keyOf(connecting: Connecting): string {
    const { caller, credential } = connecting;
    const { tenant, user, runId } = caller;
    const options = this.#options;
    // variables of a process stay as they were when it began
    const made = options.command === undefined ? "" : digestOfText(JSON.stringify(environmentOf(options, connecting)));
    if (this.signsIn !== "user") return JSON.stringify([this.#markOf(credential), made]);
    // a run without a user shares nothing with another
    return JSON.stringify(user === undefined ? [tenant, null, runId, made] : [tenant, user, made]);
  }

  /** Returns a text that stands for a credential, without telling it. */
  #markOf(credential: unknown): string | number | null {
    if (credential === undefined || credential === null) return null;
    if (typeof credential !== "object" && typeof credential !== "function")
      return digestOfText(JSON.stringify(credential));
    const known = this.#objects.get(credential);
    if (known !== undefined) return known;
    this.#objectCount += 1;
    this.#objects.set(credential, this.#objectCount);
    return this.#objectCount;
  }

  #pinOf(tool: string, caller: Caller) {
    return pinOf(this.name, tool, caller, this.signsIn === "user");
  }

  #settingsOf(tool: string): McpToolSettings {
    const { tools = {}, ...own } = this.#options;
    return { ...own, ...(Object.hasOwn(tools, tool) ? tools[tool] : {}) };
  }

  #requireSignIns(): SignIns {
    if (this.#signIns !== undefined) return this.#signIns;
    throw new TypeError(`Cannot sign in to MCP server "${this.name}": it has no option "oauth"`);
  }
}

/** Creates the tool by which a user without a credential signs in: its call waits until there is one. */
function signInTool(source: string, timeoutMs: number, list: ToolSource["list"]): Tool {
  return {
    name: SIGN_IN,
    description: `Asks the user to sign in to "${source}", if they have not yet. The other tools can be called after that.`,
    inputSchema: { type: "object", properties: {} },
    effects: "reads",
    approval: false,
    timeoutMs,
    maxRetries: 0,
    ifUnknown: "tell",
    maxResultChars: 20_000,
    check: async () => ({ ok: true, value: {} }),
    run: async (_args, { caller, credential, signal }) => {
      const tools = await list({ caller, credential, signal });
      const names = tools.filter(({ name }) => name !== SIGN_IN).map(({ name }) => `${source}_${name}`);
      return { kind: "text", text: `The user is signed in. Tools: ${names.join(", ")}` };
    },
  };
}

const SIGN_IN = "sign_in";

const digestOf = (tool: ServerTool): string => toolDigest(tool.name, descriptionOf(tool), tool.inputSchema);

const digestOfText = (text: string): string => createHash("sha256").update(text).digest("base64url");

function changed(name: string, isThere: boolean): ToolOutput {
  const what = isThere ? "has changed" : "is gone";
  return { kind: "error", code: "TOOL_CHANGED", text: `The tool "${name}" of the server ${what}; nothing was called` };
}

/** Converts a result, unless it breaks the schema that the server has given for it. */
async function fitting(tool: ServerTool, result: Parameters<typeof outputOf>[0]): Promise<ToolOutput> {
  const { outputSchema } = tool;
  if (outputSchema === undefined || result.isError === true) return outputOf(result);
  const problem = await problemOf(schemaOf(outputSchema), result.structuredContent).catch(reasonOf);
  if (problem === undefined) return outputOf(result);
  const text = `The tool ran, but its output does not fit its own schema: ${problem}`;
  return { kind: "error", code: "OUTPUT_INVALID", text };
}

const SETTINGS = ["effects", "secrets", "approval", "timeoutMs", "maxRetries", "ifUnknown", "maxResultChars"];
const OPTIONS = [
  ...SETTINGS,
  ...["tools", "allow", "deny", "concurrency", "perCaller", "signsIn", "idleMs", "maxConnections", "connectTimeoutMs"],
  ...["pins", "clock"],
];

function requireOptions(name: string, options: McpToolsOptions): void {
  if (typeof name !== "string" || !/^[A-Za-z0-9_-]{0,32}$/.test(name))
    throw new TypeError(`The name of a source must be at most 32 of A-Z, a-z, 0-9, _ and -: got ${shown(name)}`);
  const ways = ["command", "url", "connect"] as const;
  const [way, ...others] = ways.filter((each) => options[each] !== undefined);
  if (way === undefined || others.length > 0)
    throw new TypeError(
      `mcpTools("${name}") needs one of "command", "url" and "connect": got ${[way, ...others].join(", ") || "none"}`,
    );
  const own = { command: ["args", "env", "cwd", "stderr"], url: ["headers", "fetch", "oauth"], connect: [] };
  requireKnownKeys(`mcpTools("${name}")`, options, [...OPTIONS, way, ...own[way]]);
  for (const option of ["concurrency", "perCaller", "idleMs", "maxConnections", "connectTimeoutMs"] as const) {
    const value = options[option];
    if (value !== undefined) requireInteger(option, value, 1);
  }
  if (options.signsIn !== undefined) requireOneOf("signsIn", options.signsIn, ["never", "service", "user"]);
  requireSettings(options);
  for (const [tool, settings] of Object.entries(options.tools ?? {})) {
    requireKnownKeys(`tool "${tool}"`, settings, SETTINGS);
    requireSettings(settings);
  }
}

function requireSettings({ effects, timeoutMs, maxRetries, maxResultChars }: McpToolSettings): void {
  if (effects !== undefined) requireOneOf("effects", effects, ["reads", "idempotent", "writes"]);
  if (timeoutMs !== undefined) requireInteger("timeoutMs", timeoutMs, 1);
  if (maxRetries !== undefined) requireInteger("maxRetries", maxRetries, 0);
  if (maxResultChars !== undefined) requireInteger("maxResultChars", maxResultChars, 1);
}
