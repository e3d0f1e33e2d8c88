export { defineConfig, type Config } from "./project/config.ts";
export type { AnyFlow } from "./project/any-flow.ts";
export { run } from "./run-process.ts";
