export type { MemoryMcpOptions } from "./memory-mcp.ts";
export { memoryMcp, serveMcp } from "./memory-mcp.ts";
