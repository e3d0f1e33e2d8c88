export type { A2AServerOptions } from "./a2a-server-adapter.ts";
export { A2AServerAdapter } from "./a2a-server-adapter.ts";
export type { Card, Skill } from "./agent-card.ts";
export type { A2AAppOptions } from "./create-a2a-app.ts";
export { A2AApp, createA2AApp } from "./create-a2a-app.ts";
export type { ServedFlow } from "./flow-executor.ts";
export { MemoryTaskStore } from "./memory-task-store.ts";
export type { FilePart } from "../wire.ts";
export { Files } from "../wire.ts";
