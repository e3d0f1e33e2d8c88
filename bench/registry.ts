import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Subject, Workload } from "./contract.ts";

function modulesIn(folder: string): string[] {
  return readdirSync(path.join(import.meta.dirname, folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => path.basename(file, ".ts"));
}

/** All workloads, in the order of their files. */
export async function loadWorkloads(): Promise<readonly Workload[]> {
  const loaded = modulesIn("workloads").map(
    (name) => import(`./workloads/${name}.ts`) as Promise<{ workloads: readonly Workload[] }>,
  );
  return (await Promise.all(loaded)).flatMap(({ workloads }) => workloads);
}

/** The names of all subjects, which are the names of their files: the floor first, then ours. */
export function subjectNames(): readonly string[] {
  const first = ["floor", "penguiflow"];
  return [...first, ...modulesIn("subjects").filter((name) => !first.includes(name))];
}

/** Imports a subject, and with it the library it measures: only in the process that measures it. */
export async function loadSubject(name: string): Promise<Subject> {
  return (await import(`./subjects/${name}.ts`)) as Subject;
}

/** The installed version of a peer, as its package.json states it. */
export function installedVersion(library: string): string {
  const manifest = path.join(import.meta.dirname, "node_modules", library, "package.json");
  if (!existsSync(manifest)) return "not installed";
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
