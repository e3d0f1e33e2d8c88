// Another revision of the workspace, built in a folder of its own below .scratch, which git ignores.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { npmCi } from "./install.ts";

const root = path.join(import.meta.dirname, "..");
const folders = path.join(root, ".scratch", "against");

/** A revision whose packages are built. */
export interface Revision {
  /** Name as given, with the short hash of its commit. */
  readonly label: string;
  /** The bench code of the working tree, on the packages of the revision. */
  readonly bench: string;
  /** The bench code of the revision itself, if it has one. */
  readonly ownBench: string | undefined;
}

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      { readonly version?: string; readonly link?: boolean; readonly resolved?: string; readonly optional?: boolean }
    >
  >;
}

const readLock = (file: string): Lock["packages"] => (JSON.parse(readFileSync(file, "utf8")) as Lock).packages;

function git(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawnSync("git", args, { cwd: root, encoding: "utf8", env: { ...process.env, ...env } });
}

/** Finds the commit that a revision names. @throws Error when there is none, or no git */
export function commitOf(rev: string): string {
  const { status, stdout, error } = git(["rev-parse", "--verify", "--quiet", "--end-of-options", `${rev}^{commit}`]);
  if (error !== undefined) throw new Error(`Cannot compare with "${rev}": git does not run here; install it`);
  if (status !== 0)
    throw new Error(
      `Cannot compare with "${rev}": git knows no such revision; name a commit, branch or tag, or fetch it`,
    );
  return stdout.trim();
}

/**
 * Builds a revision, unless the previous comparison built it, and copies the bench code of the working tree beside it.
 * Only the revision built last is kept.
 *
 * @throws Error when it cannot be checked out, installed or built; nothing of it is left then
 */
export function buildRevision(rev: string, say: (line: string) => void): Revision {
  const commit = commitOf(rev);
  const short = commit.slice(0, 10);
  const folder = path.join(folders, commit);
  const mark = path.join(folder, ".built");
  if (!existsSync(mark)) {
    rmSync(folders, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    try {
      say(`Building ${short}`);
      checkOut(commit, folder);
      for (const file of ["package-lock.json", "scripts/build.ts"])
        if (!existsSync(path.join(folder, file))) throw new Error(`it has no ${file}; name a later revision`);
      install(folder, say);
      build(folder);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`Cannot compare with "${rev}": ${(error as Error).message}`, { cause: error });
    }
    writeFileSync(mark, "");
  }
  const label = commit.startsWith(rev) ? rev : `${rev} (${short})`;
  const ownBench = path.join(folder, "bench");
  const hasOwn = existsSync(path.join(ownBench, "one-run.ts"));
  if (hasOwn) linkPeers(ownBench);
  return { label, bench: copyBench(folder), ownBench: hasOwn ? ownBench : undefined };
}

/** Writes the files of a commit with an index of their own, so that neither the index nor the list of worktrees changes. */
function checkOut(commit: string, folder: string): void {
  const index = { GIT_INDEX_FILE: path.join(folder, ".index") };
  for (const args of [
    ["read-tree", commit],
    ["checkout-index", "--all", `--prefix=${folder}${path.sep}`],
  ]) {
    const { status, stderr } = git(args, index);
    if (status !== 0) throw new Error(`"git ${args[0]}" failed: ${stderr.trim()}`);
  }
}

/** Links the installed packages that match the revision's lockfile, and installs its own otherwise. */
function install(folder: string, say: (line: string) => void): void {
  const wanted = Object.entries(readLock(path.join(folder, "package-lock.json")));
  const installed = readLock(path.join(root, "node_modules/.package-lock.json"));
  const links = wanted.filter(([, { link }]) => link === true);
  const inWorkspace = new Set(links.map(([, { resolved }]) => resolved));
  const others = wanted.filter(([place, { link }]) => place !== "" && link !== true && !inWorkspace.has(place));
  const isSame = others.every(
    ([place, { version, optional }]) => optional === true || installed[place]?.version === version,
  );
  if (!isSame) {
    say("Its lockfile asks for other packages: installing them");
    npmCi(folder, say);
    return;
  }
  for (const [place, { resolved }] of links) link(path.join(folder, resolved!), path.join(folder, place));
  for (const [place] of others) {
    const target = path.join(root, place);
    // a package nested in another one comes with it
    if (place.lastIndexOf("node_modules/") !== place.indexOf("node_modules/") || !existsSync(target)) continue;
    link(target, path.join(folder, place));
  }
  for (const modules of new Set(others.map(([place]) => place.slice(0, place.indexOf("node_modules/") + 12)))) {
    const programs = path.join(root, modules, ".bin");
    if (existsSync(programs)) link(programs, path.join(folder, modules, ".bin"));
  }
}

function link(target: string, place: string): void {
  mkdirSync(path.dirname(place), { recursive: true });
  symlinkSync(target, place, "junction");
}

function build(folder: string): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(folder, "scripts/build.ts")], {
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`its packages do not build:\n${stdout}${stderr}`);
}

/** Copies the bench code of the working tree beside the packages of a revision. */
function copyBench(folder: string): string {
  const copy = path.join(folder, "bench-now");
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy);
  for (const name of readdirSync(import.meta.dirname))
    if (name !== "node_modules" && name !== "results")
      cpSync(path.join(import.meta.dirname, name), path.join(copy, name), { recursive: true });
  linkPeers(copy);
  return copy;
}

function linkPeers(bench: string): void {
  const place = path.join(bench, "node_modules");
  if (!existsSync(place)) link(path.join(import.meta.dirname, "node_modules"), place);
}
