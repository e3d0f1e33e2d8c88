import {
  Client,
  type ElicitRequestParams,
  type ElicitResult,
  type Tool as ServerTool,
  type Transport,
} from "@modelcontextprotocol/client";
import type { Clock } from "penguiflow";
import type { McpTool } from "./server-tool.ts";
import type { Identity } from "./transports.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** A call in progress that can pass its server's questions on to a person. */
export interface Asker {
  ask(params: ElicitRequestParams): Promise<ElicitResult>;
}

/** A tool made of a server's, and the text of what it was made of. */
export interface MadeTool {
  readonly text: string;
  readonly tool: McpTool;
}

interface List {
  readonly tools: Promise<readonly ServerTool[]>;
  readonly at: number;
}

/** Options of a connection. */
export interface ConnectionInit {
  readonly identity: Identity;
  readonly clock: Clock;
  /** Milliseconds for connecting, and for listing the tools. */
  readonly timeoutMs: number;
  readonly onClosed: () => void;
  /** Called when the tools may be others than before: the server says so, or the connection has ended by itself. */
  readonly onChange: () => void;
}

/**
 * Delivers an answer after the progress that came before it. The SDK handles answers at once and notifications a turn
 * later: it would drop the progress that comes together with the result.
 */
function keepOrder(transport: Transport): void {
  const deliver = transport.onmessage;
  const later = async (...message: Parameters<NonNullable<typeof deliver>>): Promise<void> => {
    await Promise.resolve();
    await Promise.resolve();
    deliver?.(...message);
  };
  // oxlint-disable-next-line unicorn/prefer-add-event-listener
  transport.onmessage = (message, extra) => {
    if ("method" in message) deliver?.(message, extra);
    else void later(message, extra);
  };
}

/** Age at which a list of tools is read again, though the server has announced no change: announcements can be lost. */
const ANNOUNCED_MAX_AGE_MS = 60_000;
/** The same for a server that announces nothing. Planners list tools in each step, and for each call. */
const MAX_AGE_MS = 5_000;

/**
 * A connection to a server.
 *
 * States: open → closed (by either side). A list of its tools is unread, fresh, or stale after an announced change.
 */
export class Connection {
  readonly client: Client;
  readonly identity: Identity;
  /** Tools made of the server's, by its names. */
  readonly made = new Map<string, MadeTool>();
  /** Calls in progress. */
  readonly #askers = new Set<Asker>();
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onChange: () => void;
  /** Whether the server announces changes of its tools. */
  #announces = false;
  #list: List | undefined;
  #isClosed = false;

  private constructor({ identity, clock, timeoutMs, onChange }: ConnectionInit) {
    this.identity = identity;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onChange = onChange;
    this.client = new Client(
      { name: "penguiflow", version: "1" },
      {
        // neither sampling nor roots: a server that asks for them is refused by the SDK
        capabilities: { elicitation: { form: {}, url: {} } },
        versionNegotiation: { mode: "auto" },
        inputRequired: { autoFulfill: false },
        listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => this.#forgetList() } },
      },
    );
    this.client.setRequestHandler("elicitation/create", async ({ params }) => await this.#elicit(params));
  }

  /** Connects over a transport. */
  static async open(transport: Transport, init: ConnectionInit): Promise<Connection> {
    const connection = new Connection(init);
    const { client } = connection;
    // a failure that matters is the failure of a request, too
    // oxlint-disable-next-line unicorn/prefer-add-event-listener
    client.onerror = () => {};
    try {
      await client.connect(transport, { timeout: init.timeoutMs });
    } catch (error) {
      await transport.close().catch(() => {});
      throw error;
    }
    // oxlint-disable-next-line unicorn/prefer-add-event-listener
    client.onclose = () => {
      const isLost = !connection.#isClosed;
      connection.#isClosed = true;
      init.onClosed();
      if (isLost) init.onChange();
    };
    keepOrder(transport);
    connection.#announces = client.getServerCapabilities()?.tools?.listChanged === true;
    const subscription = client.autoOpenedSubscription;
    if (client.getProtocolEra() === "modern") {
      connection.#announces &&= subscription !== undefined;
      void subscription?.closed.then(() => connection.#hearsNoMore());
    }
    return connection;
  }

  /** Whether a question of the server comes as the result of the call that it belongs to. */
  get asksInResults(): boolean {
    return this.client.getProtocolEra() === "modern";
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Reads the tools of the server, all pages; from memory while the server would have announced a change. */
  async tools(signal: AbortSignal): Promise<readonly ServerTool[]> {
    const now = this.#clock.now();
    let list = this.#list;
    const maxAgeMs = this.#announces ? ANNOUNCED_MAX_AGE_MS : MAX_AGE_MS;
    if (list === undefined || now - list.at >= maxAgeMs) {
      const read: List = { tools: this.#readTools(), at: now };
      list = read;
      this.#list = read;
      read.tools.catch(() => {
        if (this.#list === read) this.#list = undefined;
      });
    }
    return await unlessAborted(list.tools, signal);
  }

  /** Runs a call that can pass questions of the server on. */
  async withAsker<Value>(asker: Asker, call: () => Promise<Value>): Promise<Value> {
    this.#askers.add(asker);
    try {
      return await call();
    } finally {
      this.#askers.delete(asker);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.client.close();
  }

  async #readTools(): Promise<readonly ServerTool[]> {
    const { tools } = await this.client.listTools(undefined, { timeout: this.#timeoutMs });
    return tools;
  }

  #hearsNoMore(): void {
    this.#announces = false;
    this.#forgetList();
  }

  #forgetList(): void {
    this.#list = undefined;
    if (!this.#isClosed) this.#onChange();
  }

  async #elicit(params: ElicitRequestParams): Promise<ElicitResult> {
    const [asker, ...others] = this.#askers;
    // the question does not say which call it belongs to: with several, it could reach another person
    if (asker === undefined || others.length > 0) return { action: "cancel" };
    return await asker.ask(params);
  }
}
