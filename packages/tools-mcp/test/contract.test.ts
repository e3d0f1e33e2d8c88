import { createMcpHandler, fromJsonSchema, McpServer, requireBearerAuth } from "@modelcontextprotocol/server";
import type { Json } from "@penguiflow/planner";
import { type ServedTool, toolSourceContract } from "@penguiflow/planner/testing";
import { describe, expect, test } from "vitest";
import { mcpTools } from "../src/client/index.ts";
import { nodeListener } from "../src/server/node-listener.ts";
import { loopback } from "./loopback.ts";

describe("mcpTools is a source of tools", () => {
  const make = async (tools: readonly ServedTool[]) => {
    const handler = createMcpHandler(() => {
      const server = new McpServer({ name: "contract", version: "1.0.0" });
      for (const { name, description, inputSchema, run } of tools) {
        const told = { description, inputSchema: fromJsonSchema(inputSchema as { readonly type: "object" }) };
        server.registerTool(name, told, async (args, { http, mcpReq }) => {
          const call = { credential: http?.authInfo?.token, signal: mcpReq.signal };
          return { content: [{ type: "text", text: JSON.stringify(await run(args as Json, call)) }] };
        });
      }
      return server;
    });
    const authenticate = requireBearerAuth({
      verifier: {
        verifyAccessToken: async (token) => ({ token, clientId: "c", scopes: [], expiresAt: Date.now() / 1000 + 60 }),
      },
    });
    const serve = async (request: Request): Promise<Response> => {
      const authInfo = await authenticate(request);
      return authInfo instanceof Response ? authInfo : await handler.fetch(request, { authInfo });
    };
    const at = await loopback(nodeListener(serve, () => {}));
    return { source: mcpTools("mcp", { url: at.url, signsIn: "user" }), close: async () => await at.close() };
  };
  test.for(toolSourceContract({ make }))("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
