import path from "node:path";
import { ownFolder } from "../memory/own-folder.ts";
import { embedder } from "../memory/embedder.ts";
import type { MemoryRig } from "../workloads/memory.ts";

export const library = "mem0ai";

// its store, history and settings are in files of the run, and nothing leaves the machine
const settings = ownFolder();
process.env["MEM0_DIR"] = settings.folder;
process.env["MEM0_TELEMETRY"] = "false";

/** Its embedded defaults, with the embedder given as an object, so that no HTTP counts; no model extracts facts. */
export function memory(): MemoryRig {
  let opened = 0;
  return {
    note: "infer: false, embedded store; a kept text outlasts a power failure, its history is a commit of its own",
    async open() {
      const { Memory } = await import("mem0ai/oss");
      opened += 1;
      const place = path.join(settings.folder, String(opened));
      const mem0 = new Memory({
        embedder: { provider: "langchain", config: { model: embeddings } },
        vectorStore: { provider: "memory", config: { dimension: embedder.dims, dbPath: `${place}/vectors.db` } },
        historyStore: { provider: "sqlite", config: { historyDbPath: `${place}/history.db` } },
        llm: { provider: "openai", config: { apiKey: "none" } },
      });
      return {
        keep: async (text) => void (await mem0.add(text, { userId: "ada", infer: false })),
        settled: async () => {},
        find: async ({ asked }) => {
          const { results } = await mem0.search(asked, { topK: 10, filters: { user_id: "ada" } });
          return results.map((each) => each.memory);
        },
        close: async () => {},
      };
    },
    close: async () => settings.remove(),
  };
}

/** The embedder in the form that it takes from LangChain. */
const embeddings = {
  embedQuery: async (text: string) => (await embeddings.embedDocuments([text]))[0]!,
  embedDocuments: async (texts: readonly string[]) =>
    (await embedder.embed(texts, new AbortController().signal, "fragment")).map((vector) => Array.from(vector)),
};
