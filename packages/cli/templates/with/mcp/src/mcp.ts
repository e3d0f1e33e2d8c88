// Serves the flow as a tool of an MCP server, over standard input and output: what an MCP client starts.
//
//   npm run --silent mcp
import { mcpServer } from "@penguiflow/tools-mcp/server";
import { z } from "zod";
import { runOptions, textFlow } from "./subject.ts";

/** Starts the flow, and makes its server. */
export function startMcp() {
  const running = textFlow.start(runOptions);
  const server = mcpServer({
    name: "{{name}}",
    version: "1.0.0",
    tools: [
      {
        flow: running,
        name: "ask",
        description: "Answers a text",
        input: z.object({ text: z.string() }),
        payload: ({ text }: { text: string }) => text,
      },
    ],
  });
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server.close();
      await running.stop();
    },
  };
}

if (import.meta.main) {
  await using started = startMcp();
  await started.server.serve();
}
