export { type FlowServer, mcpServer } from "./mcp-server.ts";
export type {
  McpCaller,
  McpQuestion,
  McpRequest,
  McpServerOptions,
  McpToolInit,
  ServedFlow,
} from "./mcp-server-options.ts";
export type { NodeListener } from "./node-listener.ts";
