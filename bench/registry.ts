import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { development, journals, type Subject, type Workload } from "./contract.ts";

function modulesIn(folder: string): string[] {
  return readdirSync(path.join(import.meta.dirname, folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => path.basename(file, ".ts"));
}

/** The names, those in `first` before the others. */
function sorted(names: readonly string[], first: readonly string[]): readonly string[] {
  const place = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
  return names.toSorted((a, b) => place(a) - place(b));
}

/** All workloads: what a flow does, then what it costs to have it. */
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
    "package",
    "types",
  ];
  const loaded = sorted(modulesIn("workloads"), first).map(
    (name) => import(`./workloads/${name}.ts`) as Promise<{ workloads: readonly Workload[] }>,
  );
  return (await Promise.all(loaded)).flatMap(({ workloads }) => workloads);
}

/** The names of all subjects, which are the names of their files: the floor first, then ours. */
export function subjectNames(): readonly string[] {
  return sorted(modulesIn("subjects"), ["floor", "penguiflow", development, ...journals]);
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
