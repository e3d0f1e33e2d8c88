import type { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { LEVELS } from "../fragment.ts";
import type { MemoryHandle } from "../memory-handle.ts";
import { quotation, quotationOf, quoted } from "./quotation.ts";
import { answering } from "./tool-answer.ts";

/** Most tokens of an answer, estimated. */
const MAX_TOKENS = 2_000;
/** Most characters of a text that are searched for. */
const QUERY_LENGTH = 1_000;
const SIMILAR = 3;

/** Adds the tools to save, search, rate and forget. */
export function addMemoryTools(server: McpServer, memory: MemoryHandle): void {
  server.registerTool(
    "memory_save",
    {
      title: "Save to memory",
      description:
        "Keeps a text for later conversations, verbatim. Says which similar texts are kept already: pass the id of one as supersedes when the new text replaces it.",
      inputSchema: z.object({
        text: z.string().describe("one fact, decision or event, in words that a question would use"),
        conversation: z.string().optional().describe("groups texts of one conversation"),
        level: z.enum(LEVELS).optional().describe("private (the default), or tenant: for every user of the tenant"),
        supersedes: z.string().optional().describe("id of an own text that this one replaces"),
        key: z.string().optional().describe("the same key and text again keep it once"),
      }),
      outputSchema: z.object({ ids: z.array(z.string()), created: z.boolean(), similar: z.array(quotation) }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    async ({ text, conversation, level, supersedes, key }, { mcpReq: { signal } }) =>
      await answering(
        async () => {
          const query = text.slice(0, QUERY_LENGTH);
          const similar =
            query.trim() === "" ? [] : (await memory.autoRetrieve({ query, limit: SIMILAR }, { signal })).items;
          const input = { text, conversation, level, supersedes };
          const { ids, created } = await memory.ingest(input, { signal, idempotencyKey: key });
          const others = similar.filter(({ id }) => !ids.includes(id) && id !== supersedes);
          return { ids: [...ids], created, similar: others.map(quotationOf) };
        },
        ({ ids, created, similar }) =>
          [
            created ? `Saved as ${ids.join(", ")}.` : `Kept already as ${ids.join(", ")}.`,
            ...(similar.length === 0 ? [] : ["Similar texts:", ...similar.map(quoted)]),
          ].join("\n"),
      ),
  );
  server.registerTool(
    "memory_search",
    {
      title: "Search memory",
      description: "Finds texts that were kept, best first. Each is a quotation with its source and date.",
      inputSchema: z.object({
        query: z.string(),
        limit: z.number().int().optional().describe("at most 50; 10 when left out"),
        since: z.iso.date().or(z.iso.datetime()).optional().describe("said on this day or later, as ISO 8601"),
        conversation: z.string().optional(),
      }),
      outputSchema: z.object({ items: z.array(quotation), truncated: z.boolean(), fallbacks: z.array(z.string()) }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ query, limit, since, conversation }, { mcpReq: { signal } }) =>
      await answering(
        async () => {
          const asked = { query, limit, conversation, maxTokens: MAX_TOKENS };
          const from = since === undefined ? {} : { since: Date.parse(since) };
          const { items, truncated, fallbacks } = await memory.retrieve({ ...asked, ...from }, { signal });
          const second = fallbacks.map(({ stage, reason }) => `${stage}: ${reason}`);
          return { items: items.map(quotationOf), truncated, fallbacks: second };
        },
        ({ items, truncated }) =>
          [
            items.length === 0 ? "Nothing is kept about that." : items.map(quoted).join("\n"),
            ...(truncated ? ["More was found: ask a narrower question, or read memory://fragments/{id}."] : []),
          ].join("\n"),
      ),
  );
  server.registerTool(
    "memory_feedback",
    {
      title: "Rate a memory",
      description: "Says whether a text that was found has helped. Texts that help are found more easily.",
      inputSchema: z.object({ id: z.string(), helpful: z.boolean() }),
      outputSchema: z.object({ applied: z.boolean() }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    async ({ id, helpful }, { mcpReq: { signal } }) =>
      await answering(
        async () => ({ applied: (await memory.feedback({ id, helpful }, { signal })).applied > 0 }),
        ({ applied }) => (applied ? "Noted." : "Nothing has changed."),
      ),
  );
  server.registerTool(
    "memory_forget",
    {
      title: "Forget",
      description: "Erases one own text for good, by its id. Nothing of it is left in any file.",
      inputSchema: z.object({ id: z.string() }),
      outputSchema: z.object({ erased: z.string() }),
      annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
    },
    async ({ id }, { mcpReq: { signal } }) =>
      await answering(
        async () => {
          await memory.erase(id, { signal });
          return { erased: id };
        },
        ({ erased }) => `${erased} is forgotten.`,
      ),
  );
}
