import type { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { LEVELS } from "../fragment.ts";
import type { MemoryHandle } from "../memory-handle.ts";
import { answering } from "./tool-answer.ts";

const inputSchema = z.object({
  id: z.string(),
  with: z.string().describe('a user of the same tenant, or "tenant/user"'),
});
const outputSchema = z.object({ level: z.enum(LEVELS), changed: z.boolean() });

/** Adds the tools that let other users see a text, and take that back. */
export function addSharingTools(server: McpServer, memory: MemoryHandle): void {
  const granteeOf = (name: string) => {
    const [first = "", second] = name.split("/");
    return second === undefined ? { tenant: memory.principal.tenant, user: first } : { tenant: first, user: second };
  };
  server.registerTool(
    "memory_share",
    {
      title: "Share a memory",
      description: "Lets another user see one own text.",
      inputSchema,
      outputSchema,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    },
    async ({ id, with: name }, { mcpReq: { signal } }) =>
      await answering(
        async () => await memory.share(id, granteeOf(name), { signal }),
        ({ changed }) => (changed ? `${name} can see it now.` : `${name} could see it before.`),
      ),
  );
  server.registerTool(
    "memory_unshare",
    {
      title: "Take a memory back",
      description: "Ends what memory_share has allowed: nothing answered afterwards has the text.",
      inputSchema,
      outputSchema,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    },
    async ({ id, with: name }, { mcpReq: { signal } }) =>
      await answering(
        async () => await memory.unshare(id, granteeOf(name), { signal }),
        ({ changed }) => (changed ? `${name} cannot see it any more.` : `${name} could not see it.`),
      ),
  );
}
