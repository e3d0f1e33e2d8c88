export type { MemoryHandle } from "../memory-handle.ts";
export type { MemoryMcpOptions } from "./memory-mcp.ts";
export { memoryMcp, serveMcp } from "./memory-mcp.ts";
