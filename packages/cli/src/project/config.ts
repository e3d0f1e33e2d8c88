import type { RunOptions } from "penguiflow";
import type { AnyFlow } from "./any-flow.ts";

/** Contents of `penguiflow.config.ts`. */
export interface Config {
  /** File that exports the flows, relative to the project. @defaultValue the first of `flows`, `agent`, `index`, `main` in `src` */
  readonly entry?: string;
  /** Returns the options with which a flow runs: its resources and registry. @defaultValue none */
  readonly run?: (flow: AnyFlow) => RunOptions<unknown> | Promise<RunOptions<unknown>>;
  /** Settings of `penguiflow dev`. */
  readonly dev?: DevConfig;
}

/** Settings of `penguiflow dev`. */
export interface DevConfig {
  /** Options of Node for the process that runs the project, such as `["--import", "tsx"]`. @defaultValue none */
  readonly execArgv?: readonly string[];
  /** Origins of pages that may call `/api/agui`, with the token, such as `http://localhost:3000`. @defaultValue none */
  readonly origins?: readonly string[];
}

/** Types the contents of `penguiflow.config.ts`, which exports them as default. */
export function defineConfig(config: Config): Config {
  return config;
}
