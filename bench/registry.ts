import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { development, checkpointStores, type Subject, type Workload } from "./contract.ts";

function modulesIn(folder: string): string[] {
  return readdirSync(path.join(import.meta.dirname, folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => path.basename(file, ".ts"));
}

/** Sorts the names, those in `first` before the others. */
function sorted(names: readonly string[], first: readonly string[]): readonly string[] {
  const place = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
  return names.toSorted((a, b) => place(a) - place(b));
}

/** Loads all workloads: first those that measure a flow at work, then those that measure its costs. */
export async function loadWorkloads(): Promise<readonly Workload[]> {
  const first = [
    "linear",
    "watched",
    "validated",
    "fan-out",
    "loop",
    "streams",
    "waiting",
    "pending",
    "durable",
    "waiting-durable",
    "runs",
    "package",
    "types",
  ];
  const loaded = sorted(modulesIn("workloads"), first).map(
    (name) => import(`./workloads/${name}.ts`) as Promise<{ workloads: readonly Workload[] }>,
  );
  return (await Promise.all(loaded)).flatMap(({ workloads }) => workloads);
}

/** Lists the names of all subjects, which are their file names: the floor first, then ours. */
export function subjectNames(): readonly string[] {
  return sorted(modulesIn("subjects"), ["floor", "penguiflow", development, ...checkpointStores]);
}

/** Imports a subject and the library it measures; called only in the process that measures it. */
export async function loadSubject(name: string): Promise<Subject> {
  return (await import(`./subjects/${name}.ts`)) as Subject;
}

/** Returns the installed version of a peer, from its package.json. */
export function installedVersion(library: string): string {
  const manifest = path.join(import.meta.dirname, "node_modules", library, "package.json");
  if (!existsSync(manifest)) return "not installed";
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
