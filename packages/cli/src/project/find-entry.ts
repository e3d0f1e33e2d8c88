import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { CliError, Exit } from "../exit.ts";

/** Names of the file with settings, in the order in which they are looked for. */
const CONFIGS = ["penguiflow.config.ts", "penguiflow.config.js", "penguiflow.config.mjs"];
const ENTRIES = ["flows", "agent", "index", "main"].flatMap((name) =>
  ["ts", "mts", "js", "mjs"].map((ending) => `src/${name}.${ending}`),
);

/** Returns the file with settings, if the project has one. */
export function findConfig(root: string): string | undefined {
  return CONFIGS.map((name) => path.join(root, name)).find((file) => existsSync(file));
}

/**
 * Returns the file that exports the project's flows: that of the settings, of `penguiflow.entry` in package.json, or the
 * first that exists.
 *
 * @throws CliError that lists the files it has looked for
 */
export function findEntry(root: string, configured: string | undefined): string {
  const named = configured ?? entryOfPackage(root);
  const wanted = named === undefined ? ENTRIES : [named];
  const found = wanted.map((name) => path.resolve(root, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new CliError({
    code: "ENTRY_MISSING",
    exit: Exit.NO_FLOW,
    message:
      named === undefined
        ? `No file with flows in ${root}: there is none of src/{flows,agent,index,main}.{ts,mts,js,mjs}`
        : `No file with flows in ${root}: "${named}" does not exist`,
    hint: 'name it in penguiflow.config.ts: export default defineConfig({ entry: "src/flows.ts" })',
  });
}

function entryOfPackage(root: string): string | undefined {
  const file = path.join(root, "package.json");
  if (!existsSync(file)) return undefined;
  try {
    const { penguiflow } = JSON.parse(readFileSync(file, "utf8")) as { penguiflow?: { entry?: unknown } };
    return typeof penguiflow?.entry === "string" ? penguiflow.entry : undefined;
  } catch (error) {
    throw new CliError({
      code: "PACKAGE_INVALID",
      exit: Exit.NO_FLOW,
      message: `Cannot read ${file}: ${(error as Error).message}`,
      cause: error,
    });
  }
}
