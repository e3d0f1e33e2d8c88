import { spawn } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

/** Root folder of the repository. */
export const root: string = path.resolve(import.meta.dirname, "..");

/** Folders that contain generated files only. */
const generated = new Set([".git", ".scratch", "coverage", "dist", "node_modules", "results"]);

/** Lists the files that match a glob, relative to the root and sorted; generated files are left out. */
export function files(pattern: string): string[] {
  return globSync(pattern, { cwd: root, exclude: (name) => generated.has(path.basename(name)) }).sort();
}

/** Reads a file whose path is relative to the root. */
export function read(file: string): string {
  return readFileSync(path.join(root, file), "utf8");
}

/** A published package. */
export interface Package {
  /** Its folder, relative to the root. */
  readonly folder: string;
  readonly name: string;
  readonly manifest: Manifest;
}

/** Fields of a package.json that the scripts read. */
export interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}

/** Lists the published packages of the workspace, each after those that it needs. */
export function publishedPackages(): Package[] {
  const all = files("{apps,packages}/*/package.json")
    .map((file) => {
      const manifest = JSON.parse(read(file)) as Manifest;
      return { folder: path.dirname(file), name: manifest.name, manifest };
    })
    .filter((item) => item.manifest.private !== true);
  const ordered = new Set<Package>();
  const add = (item: Package): void => {
    if (ordered.has(item)) return;
    const { dependencies, peerDependencies } = item.manifest;
    for (const needed of Object.keys({ ...dependencies, ...peerDependencies })) {
      const other = all.find(({ name }) => name === needed);
      if (other !== undefined) add(other);
    }
    ordered.add(item);
  };
  for (const item of all) add(item);
  return [...ordered];
}

/** Creates an empty folder for generated files inside the repository, where packages resolve as for its code. */
export function scratchFolder(name: string): string {
  const folder = path.join(root, ".scratch", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Exit status and output of a program. */
export interface Run {
  readonly status: number;
  readonly output: string;
}

/** Returns the path of a program in the workspace's own `node_modules/.bin`. */
export function bin(name: string): string {
  return path.join(root, "node_modules", ".bin", process.platform === "win32" ? `${name}.cmd` : name);
}

/** Runs a program to its end. A program that exceeds `timeoutMs` is killed and counts as failed. */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number } = {},
): Promise<Run> {
  const { promise, resolve } = Promise.withResolvers<Run>();
  const limit = options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs };
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: options.env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    shell: command.endsWith(".cmd"),
    ...limit,
  });
  let output = "";
  const collect = (text: Buffer): void => void (output += text.toString());
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  child.on("error", (error) => resolve({ status: 1, output: `${output}${error.message}\n` }));
  child.on("close", (status, signal) => {
    resolve(status === null ? { status: 1, output: `${output}Ended by ${signal}\n` } : { status, output });
  });
  return await promise;
}

/** Prints the problems, one per line, and sets a failing status; prints `good` when there are none. */
export function conclude(problems: readonly string[], good: string): void {
  process.stdout.write(`${problems.length === 0 ? good : problems.join("\n")}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
