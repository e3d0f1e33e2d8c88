export { defineConfig, type Config, type DevConfig } from "./project/config.ts";
export type { AnyFlow } from "./project/any-flow.ts";
export { run } from "./run-process.ts";
