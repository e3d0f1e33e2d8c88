import { type Memory, MemoryError, type MemoryHandle } from "@penguiflow/memory-service";
import type { Action, Answer, Someone } from "./action.ts";
import { ALL, type Door, type Finding, textOf } from "./door.ts";

const idsOf = (items: readonly { readonly id: string }[] = []): string[] => items.map(({ id }) => id);

/** The library itself. */
export class LibraryDoor implements Door {
  readonly isInOrder: boolean = true;
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  as(by: Someone): MemoryHandle {
    return this.#memory.as(by);
  }

  async act(action: Action): Promise<Answer> {
    try {
      return { code: "ok", ...(await this.#act(action)) };
    } catch (error) {
      if (error instanceof MemoryError && error.code !== "INTERNAL") return { code: error.code };
      throw error;
    }
  }

  async #act(action: Action): Promise<Omit<Answer, "code">> {
    const memory = this.as(action.by);
    switch (action.kind) {
      case "ingest": {
        const { word, level, conversation, supersedes, key } = action;
        const given = { text: textOf(word), level, conversation, supersedes };
        const { id, created, same } = await memory.ingest(given, { idempotencyKey: key });
        return { id, created, same: [...same].sort() };
      }
      case "level":
        return { changed: (await memory.setPrivacy(action.id, action.level)).changed };
      case "share": {
        const { expiresAt } = action;
        return { changed: (await memory.share(action.id, action.to, { expiresAt })).changed };
      }
      case "unshare":
        return { changed: (await memory.unshare(action.id, action.to)).changed };
      case "erase":
        await memory.erase(action.id);
        return {};
      case "eraseUser":
        return { erased: (await memory.eraseUser()).erased };
      case "supersede":
        return { changed: (await memory.supersede(action.id, action.newer)).changed };
      case "reinforce":
        return await memory.reinforce(action.id, action.value, { idempotencyKey: action.key });
    }
  }

  async list(by: Someone): Promise<string[]> {
    return idsOf((await this.as(by).list({ limit: 100 })).items);
  }

  async find(by: Someone, word: string): Promise<Finding> {
    const { items, candidates } = await this.as(by).retrieve({ query: word, ...ALL, explain: true });
    return { ids: idsOf(items), mentioned: idsOf(candidates), tenants: [] };
  }

  async findEverywhere(by: Someone, word: string): Promise<Finding> {
    const { items, sources } = await this.as(by).federatedQuery({ query: word, ...ALL });
    return { ids: idsOf(items), mentioned: [], tenants: sources.map(({ tenant }) => tenant) };
  }

  async get(by: Someone, id: string): Promise<string[] | string> {
    try {
      const { id: own, neighbours } = await this.as(by).get(id);
      return [own, ...idsOf(neighbours)];
    } catch (error) {
      if (error instanceof MemoryError && error.code !== "INTERNAL") return error.code;
      throw error;
    }
  }

  async events(by: Someone): Promise<string[]> {
    const { items } = await this.as(by).events({ limit: 100 });
    return items.flatMap(({ fragment }) => (fragment === undefined ? [] : [fragment]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // the memory is closed by its maker
  }
}
