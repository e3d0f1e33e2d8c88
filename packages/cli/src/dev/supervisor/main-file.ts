import { fileURLToPath } from "node:url";

const IS_SOURCE = import.meta.filename.endsWith(".ts");

/** Options of Node for every process of the project; the condition finds the packages of this repository without a build. */
export const EXEC_ARGV: readonly string[] = [
  "--disable-warning=ExperimentalWarning",
  ...(IS_SOURCE ? ["--conditions=@penguiflow/source"] : []),
];

/** Returns the file of a process, from the sources or from the bundle that this code is in. */
export function mainFile(name: "child" | "simulation"): string {
  const file = IS_SOURCE ? `../child/${name}-main.ts` : `./dev/child/${name}-main.js`;
  return fileURLToPath(new URL(file, import.meta.url));
}
