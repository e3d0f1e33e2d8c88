import type { Memory } from "@penguiflow/memory-service";
import { type MemoryServer, serveMemory } from "@penguiflow/memory-service/http";
import type { Action, Answer, Someone } from "./action.ts";
import { ALL, type Door, type Finding, textOf } from "./door.ts";

interface Told {
  readonly status: number;
  readonly body: {
    readonly code?: string;
    readonly items?: readonly { readonly id: string }[];
    readonly candidates?: readonly { readonly id: string }[];
    readonly neighbours?: readonly { readonly id: string }[];
    readonly sources?: readonly { readonly tenant: string }[];
    readonly [name: string]: unknown;
  };
}

const idsOf = (items: readonly { readonly id: string }[] = []): string[] => items.map(({ id }) => id);

/** The HTTP API. */
export class HttpDoor implements Door {
  readonly isInOrder = false;
  readonly #memory: Memory;
  readonly #server: MemoryServer;
  readonly #keys = new Map<string, Promise<string>>();

  private constructor(memory: Memory, server: MemoryServer) {
    this.#memory = memory;
    this.#server = server;
  }

  static async open(memory: Memory): Promise<HttpDoor> {
    return new HttpDoor(memory, await serveMemory(memory, { keys: true }));
  }

  async act(action: Action): Promise<Answer> {
    const { by } = action;
    switch (action.kind) {
      case "ingest": {
        const { word, level, conversation, supersedes, key } = action;
        const body = { text: textOf(word), level, conversation, supersedes };
        const told = await this.#ask(by, "POST", "/v1/fragments", body, key);
        const { id, created, same } = told.body as Partial<Answer>;
        if (told.status < 300 && (told.status === 201) !== created)
          throw new Error(`Status ${told.status} of a fragment that was ${created === true ? "" : "not "}created`);
        return answerOf(told, { id, created, same: [...(same ?? [])].sort() });
      }
      case "level":
        return changeOf(await this.#ask(by, "PUT", `/v1/fragments/${action.id}/level`, { level: action.level }));
      case "share": {
        const { expiresAt } = action;
        return changeOf(await this.#ask(by, "PUT", grantOf(action), { expiresAt }));
      }
      case "unshare":
        return changeOf(await this.#ask(by, "DELETE", grantOf(action)));
      case "erase":
        return answerOf(await this.#ask(by, "DELETE", `/v1/fragments/${action.id}`), {});
      case "eraseUser": {
        const told = await this.#ask(by, "DELETE", "/v1/users/me");
        return answerOf(told, { erased: told.body["erased"] as number });
      }
      case "supersede":
        return changeOf(await this.#ask(by, "PUT", `/v1/fragments/${action.id}/superseded-by`, { id: action.newer }));
      case "reinforce": {
        const { value, key } = action;
        const told = await this.#ask(by, "POST", `/v1/fragments/${action.id}/reinforce`, { value }, key);
        return answerOf(told, { strength: told.body["strength"] as number });
      }
    }
  }

  async list(by: Someone): Promise<string[]> {
    return idsOf((await this.#ask(by, "GET", "/v1/fragments?limit=100")).body.items);
  }

  async find(by: Someone, word: string): Promise<Finding> {
    const { body } = await this.#ask(by, "POST", "/v1/retrieve", { query: word, ...ALL, explain: true });
    return { ids: idsOf(body.items), mentioned: idsOf(body.candidates), tenants: [] };
  }

  async findEverywhere(by: Someone, word: string): Promise<Finding> {
    const { body } = await this.#ask(by, "POST", "/v1/federated-query", { query: word, ...ALL });
    return { ids: idsOf(body.items), mentioned: [], tenants: (body.sources ?? []).map(({ tenant }) => tenant) };
  }

  async get(by: Someone, id: string): Promise<string[] | string> {
    const { status, body } = await this.#ask(by, "GET", `/v1/fragments/${id}`);
    return status === 200 ? [String(body["id"]), ...idsOf(body.neighbours)] : String(body.code);
  }

  async events(by: Someone): Promise<string[]> {
    const { body } = await this.#ask(by, "GET", "/v1/events?limit=100");
    const items = body["items"] as readonly { readonly fragment?: string }[];
    return items.flatMap(({ fragment }) => (fragment === undefined ? [] : [fragment]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }

  async #ask(by: Someone, method: string, path: string, body?: object, key?: string): Promise<Told> {
    const response = await fetch(`${this.#server.url}${path}`, {
      method,
      headers: {
        ...(await this.#proof(by)),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(key !== undefined && { "idempotency-key": key }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status >= 500) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Told["body"]) };
  }

  /** Proves a user: by an own key, or by one of the tenant with the user's name beside it. */
  async #proof(by: Someone): Promise<Record<string, string>> {
    const hasOwnKey = by.user === "ada";
    const principal = hasOwnKey ? by : { tenant: by.tenant };
    const name = JSON.stringify(principal);
    const known = this.#keys.get(name) ?? this.#memory.keys.create(principal);
    this.#keys.set(name, known);
    const proof = { authorization: `Bearer ${await known}` };
    return hasOwnKey ? proof : { ...proof, "memory-user": by.user };
  }
}

const grantOf = ({ id, to }: { readonly id: string; readonly to: Someone }): string =>
  `/v1/fragments/${id}/grants/${to.tenant}/${to.user}`;

function answerOf({ status, body }: Told, answer: Omit<Answer, "code">): Answer {
  return status < 300 ? { code: "ok", ...answer } : { code: String(body.code) };
}

function changeOf(told: Told): Answer {
  return answerOf(told, { changed: told.body["changed"] as boolean });
}
