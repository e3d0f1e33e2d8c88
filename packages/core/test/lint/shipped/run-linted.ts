// Runs shipped code, one file after the other, and sends the findings on its flows to the parent process.
import { registerHooks } from "node:module";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { MemoryCheckpointStore } from "penguiflow";
// imported before the hook is registered, so that it gets the package itself
import { flows, type LintedFlow } from "./linting-penguiflow.ts";

/** The flows of one file. */
export interface LintedFile {
  readonly file: string;
  readonly flows: readonly LintedFlow[];
}

/** Exports that an example may have. */
interface Example {
  readonly main?: () => unknown;
  readonly createFlow?: (checkpoints: MemoryCheckpointStore, ...others: unknown[]) => unknown;
}

/** Time limit for a file, in milliseconds: a server never ends. */
const LONGEST_MS = 15_000;

const standIn = import.meta.resolve("./linting-penguiflow.ts");
registerHooks({
  resolve: (specifier, context, next) => next(specifier === "penguiflow" ? standIn : specifier, context),
});

async function runFile(file: string): Promise<void> {
  const { main, createFlow } = (await import(pathToFileURL(file).href)) as Example;
  await main?.();
  // its flows ran in other processes
  if (flows.length === 0) createFlow?.(new MemoryCheckpointStore());
}

for (const file of JSON.parse(process.env["FILES"] ?? "[]") as string[]) {
  flows.length = 0;
  await Promise.race([runFile(file), setTimeout(LONGEST_MS, undefined, { ref: false })]);
  const linted: LintedFile = { file, flows: [...flows] };
  await new Promise((resolve) => process.send?.(linted, undefined, undefined, resolve));
}
process.disconnect();
process.exit();
