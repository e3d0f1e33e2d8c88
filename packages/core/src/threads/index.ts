export type { ResultOf, RunnableOf, TakenBy, ThreadModule } from "./thread-module.ts";
export { threadModule } from "./thread-module.ts";
export type { ThreadNodeOptions } from "./thread-node.ts";
export { threadNode } from "./thread-node.ts";
export type { ThreadLimits, ThreadPoolOptions, ThreadPoolStats } from "./thread-pool.ts";
export { ThreadPool } from "./thread-pool.ts";
export type { ThreadContext } from "./thread-context.ts";
