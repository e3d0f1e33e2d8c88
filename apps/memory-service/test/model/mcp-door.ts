import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import type { Memory } from "@penguiflow/memory-service";
import { memoryMcp } from "@penguiflow/memory-service/mcp";
import type { Action, Answer, Someone } from "./action.ts";
import { type Door, type Finding, textOf } from "./door.ts";
import { LibraryDoor } from "./library-door.ts";

interface Told {
  readonly ids?: readonly string[];
  readonly created?: boolean;
  readonly changed?: boolean;
  readonly items?: readonly { readonly id: string }[];
}

/** The MCP server, a client for each user. The library does what no tool does: both work on one memory. */
class McpDoor extends LibraryDoor implements Door {
  override readonly isInOrder = false;
  readonly #clients = new Map<string, Promise<Client>>();

  override async act(action: Action): Promise<Answer> {
    switch (action.kind) {
      case "ingest": {
        const { by, word, level, conversation, supersedes, key } = action;
        const given = { text: textOf(word), level, conversation, supersedes, key };
        const told = await this.#call(by, "memory_save", given);
        return answerOf(told, ({ ids, created }) => ({ id: ids?.[0], created }));
      }
      case "share":
      case "unshare": {
        // a tool grants without an end
        if (action.kind === "share" && action.expiresAt !== undefined) return await super.act(action);
        const { by, to, id } = action;
        const name = to.tenant === by.tenant ? to.user : `${to.tenant}/${to.user}`;
        return answerOf(await this.#call(by, `memory_${action.kind}`, { id, with: name }), ({ changed }) => ({
          changed,
        }));
      }
      case "erase":
        return answerOf(await this.#call(action.by, "memory_forget", { id: action.id }), () => ({}));
      case "level":
      case "supersede":
      case "reinforce":
      case "eraseUser":
        return await super.act(action);
    }
  }

  override async find(by: Someone, word: string): Promise<Finding> {
    const told = await this.#call(by, "memory_search", { query: word, limit: 50 });
    if (typeof told === "string") throw new Error(`A search was answered ${told}`);
    return { ids: (told.items ?? []).map(({ id }) => id), mentioned: [], tenants: [] };
  }

  override async get(by: Someone, id: string): Promise<string[] | string> {
    const client = await this.#client(by);
    const uri = `memory://fragments/${id}`;
    try {
      const { contents } = await client.readResource({ uri });
      const [{ text }] = contents as unknown as readonly [{ readonly text: string }];
      const shown = JSON.parse(text) as { id: string; neighbours: readonly { id: string }[] };
      return [shown.id, ...shown.neighbours.map((one) => one.id)];
    } catch (error) {
      if (error instanceof Error && error.message.includes(uri)) return "NOT_FOUND";
      throw error;
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clients.values()].map(async (client) => await (await client).close()));
    this.#clients.clear();
  }

  /** Calls a tool; returns its structured answer, or the code of its error. */
  async #call(by: Someone, name: string, given: Record<string, unknown>): Promise<Told | string> {
    const client = await this.#client(by);
    const { structuredContent, isError, content } = await client.callTool({ name, arguments: given });
    if (isError !== true) return structuredContent as Told;
    const [first] = content as unknown as readonly [{ readonly text: string }];
    const [, code] = /^([A-Z_]+): /.exec(first.text) ?? [];
    if (code === undefined) throw new Error(`${name} was answered "${first.text}"`);
    return code;
  }

  async #client(by: Someone): Promise<Client> {
    const name = `${by.tenant}/${by.user}`;
    const known = this.#clients.get(name) ?? this.#connect(by);
    this.#clients.set(name, known);
    return await known;
  }

  async #connect(by: Someone): Promise<Client> {
    const client = new Client({ name: "tester", version: "1.0.0" });
    const [near, far] = InMemoryTransport.createLinkedPair();
    const server = memoryMcp(this.as(by), { sharing: true });
    await Promise.all([server.connect(far), client.connect(near)]);
    return client;
  }
}

/** Opens the MCP door of a memory. */
export const mcpDoor = (memory: Memory): Door => new McpDoor(memory);

function answerOf(told: Told | string, read: (told: Told) => Omit<Answer, "code">): Answer {
  return typeof told === "string" ? { code: told } : { code: "ok", ...read(told) };
}
