export type { Memory } from "../memory.ts";
export type { MemoryServer, ServeMemoryOptions } from "./serve-memory.ts";
export { serveMemory } from "./serve-memory.ts";
