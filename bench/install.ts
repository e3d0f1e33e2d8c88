import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const here = import.meta.dirname;

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
}

function readLock(file: string): Lock["packages"] {
  return (JSON.parse(readFileSync(path.join(here, file), "utf8")) as Lock).packages;
}

function isInstalled(): boolean {
  if (!existsSync(path.join(here, "node_modules/.package-lock.json"))) return false;
  const installed = readLock("node_modules/.package-lock.json");
  return Object.entries(readLock("package-lock.json")).every(
    ([place, wanted]) => place === "" || wanted.optional === true || installed[place]?.version === wanted.version,
  );
}

/**
 * Installs the peers of bench/package-lock.json unless they are there.
 *
 * @throws Error when npm fails.
 */
export function installPeers(say: (line: string) => void): void {
  if (!isInstalled()) {
    say("Installing the peers of the benchmark (half a minute, once)");
    npmCi(here, say);
  }
  installExtension(say);
}

/** Installs the binary of sqlite-vec for this machine: optional packages are left out, since the others are large. */
function installExtension(say: (line: string) => void): void {
  const manifest = JSON.parse(readFileSync(path.join(here, "node_modules/sqlite-vec/package.json"), "utf8")) as {
    readonly optionalDependencies: Readonly<Record<string, string>>;
  };
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `sqlite-vec-${platform}-${process.arch}`;
  const version = manifest.optionalDependencies[name];
  if (version === undefined || existsSync(path.join(here, "node_modules", name))) return;
  // without it, its subject says so
  if (npm(here, ["install", "--no-save", "--ignore-scripts", `${name}@${version}`]).status !== 0)
    say(`Cannot install ${name}: sqlite-vec is left out`);
}

/** Installs the packages in the lockfile of a folder. @throws Error when npm fails */
export function npmCi(folder: string, say: (line: string) => void): void {
  // runs are made with NODE_ENV=production, in which npm leaves out development packages
  const { status, stdout, error } = npm(folder, ["ci", "--include=dev"]);
  if (status === 0) return;
  say(stdout ?? "");
  throw new Error(`"npm ci" in "${folder}" failed`, { cause: error });
}

/** Runs npm in a folder: the one that started this process, else the one of the path. */
function npm(folder: string, command: readonly string[]) {
  const own = process.env["npm_execpath"];
  const viaNode = own !== undefined && own.endsWith(".js");
  const [program, ...first] = viaNode ? [process.execPath, own] : ["npm"];
  return spawnSync(program, [...first, ...command, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    encoding: "utf8",
    shell: !viaNode && process.platform === "win32",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Builds the packages. Returns `false` when there is no compiler or the build fails; then the source is measured. */
export function buildCore(say: (line: string) => void): boolean {
  if (!existsSync(path.join(here, "../node_modules/typescript/bin/tsc"))) return false;
  const { status, stdout } = spawnSync(process.execPath, [path.join(here, "../scripts/build.ts")], {
    encoding: "utf8",
  });
  if (status === 0) return true;
  say(`${stdout.trim()}\n\nThe packages do not build, as shown above: their source is measured instead`);
  return false;
}
