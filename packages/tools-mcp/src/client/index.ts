export { type McpToolSource, mcpTools } from "./mcp-tools.ts";
export type {
  Connecting,
  McpHttpOptions,
  McpOptionsBase,
  McpStdioOptions,
  McpToolSettings,
  McpToolsOptions,
  McpTransportOptions,
} from "./mcp-tools-options.ts";
export type { McpTool } from "./server-tool.ts";
export type { SignedIn, SignInOptions } from "./sign-ins.ts";
export { MemoryTokenStore, type TokenStore } from "./token-store.ts";
export { MemoryToolPins, type PinKey, type ToolPins } from "./tool-pins.ts";
