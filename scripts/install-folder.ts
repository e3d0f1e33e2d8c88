// Installs a folder with a package.json and lockfile of its own, so that `npm ci` of the workspace stays small.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { root, run } from "./workspace.ts";

type Packages = Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;

const lockedIn = (file: string): Packages =>
  (JSON.parse(readFileSync(file, "utf8")) as { packages: Packages }).packages;

/** Exit status when the registry was unreachable and nothing was tried: EX_TEMPFAIL. */
const NOT_REACHED = 75;

/**
 * Installs the packages in the lockfile of `folder` unless they are there. Prints `why` when it has to install.
 *
 * @returns `false`, with the exit status {@link NOT_REACHED} to come, when npm does not reach its registry.
 * @throws Error when npm fails.
 */
export async function installFolder(folder: string, why: string): Promise<boolean> {
  const place = path.join(root, folder);
  const noted = path.join(place, "node_modules/.package-lock.json");
  const installed = existsSync(noted) ? lockedIn(noted) : {};
  const missing = Object.entries(lockedIn(path.join(place, "package-lock.json"))).some(
    ([name, { version, optional }]) => name !== "" && optional !== true && installed[name]?.version !== version,
  );
  if (!missing) return true;
  process.stdout.write(`Installing ${why} (half a minute, once)\n`);
  const npm = process.env["npm_execpath"];
  const [program, ...first] = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  const { status, output } = await run(program, [...first, "ci", ...quiet], { cwd: place });
  if (status === 0) return true;
  const message = `Cannot install ${why}: "npm ci" in "${folder}" failed\n${output}`;
  if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|E50\d/.test(output)) throw new Error(message);
  process.stderr.write(`${message}\nSKIPPED: npm does not reach its registry, nothing was tried\n`);
  process.exitCode = NOT_REACHED;
  return false;
}
