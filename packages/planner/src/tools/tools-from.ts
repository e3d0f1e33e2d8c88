import { requireKnownKeys } from "penguiflow/adapter";
import type { Tool } from "./tool.ts";
import type { ToolSource } from "./source.ts";

/** Limits of a source of tools. */
export type SourceLimits = Pick<ToolSource, "concurrency" | "perCaller" | "signsIn" | "signIn">;

/**
 * Makes a source of tools: they share its limits and its way to sign in, and have its name as a prefix.
 *
 * @throws RangeError when a limit is no whole number of 1 or more
 */
export function toolsFrom(name: string, tools: readonly Tool[], limits: SourceLimits = {}): ToolSource {
  requireKnownKeys(`source "${name}"`, limits, ["concurrency", "perCaller", "signsIn", "signIn"]);
  for (const limit of ["concurrency", "perCaller"] as const) {
    const value = limits[limit];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1))
      throw new RangeError(`Option "${limit}" of source "${name}" must be a whole number of 1 or more: got ${value}`);
  }
  const all = Object.freeze([...tools]);
  return { ...limits, name, tools: all, list: () => Promise.resolve(all) };
}
