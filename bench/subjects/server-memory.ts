import path from "node:path";
import { ownFolder } from "../memory/own-folder.ts";
import type { MemoryRig } from "../workloads/memory.ts";

export const library = "@modelcontextprotocol/server-memory";

interface Manager {
  createEntities(
    entities: readonly { name: string; entityType: string; observations: readonly string[] }[],
  ): Promise<unknown>;
  searchNodes(query: string): Promise<{ readonly entities: readonly { readonly observations: readonly string[] }[] }>;
}

/** Its store, called without the protocol. It has no vectors, and finds substrings: the longest word of a question. */
export async function memory(): Promise<MemoryRig> {
  const { folder, remove } = ownFolder();
  process.env["MEMORY_FILE_PATH"] = path.join(folder, "unused.jsonl");
  const name: string = `${library}/dist/index.js`;
  const { KnowledgeGraphManager } = (await import(name)) as {
    readonly KnowledgeGraphManager: new (file: string) => Manager;
  };
  let opened = 0;
  return {
    note: "no vectors; asked for the longest word; a kept text outlasts a killed process, not a power failure",
    async open() {
      opened += 1;
      const manager = new KnowledgeGraphManager(path.join(folder, `${opened}.jsonl`));
      let kept = 0;
      return {
        async keep(text) {
          kept += 1;
          await manager.createEntities([{ name: `text ${kept}`, entityType: "text", observations: [text] }]);
        },
        settled: async () => {},
        find: async ({ word }) => {
          const { entities } = await manager.searchNodes(word);
          return entities.flatMap(({ observations }) => observations);
        },
        close: async () => {},
      };
    },
    close: async () => remove(),
  };
}
