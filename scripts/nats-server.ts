// `node scripts/nats-server.ts`: fetches the NATS server that tests use and prints its path. It is a pinned package of
// Debian, whose hash is checked and which is unpacked beside the other caches: nothing is installed. An installed server
// that is new enough is used instead.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./workspace.ts";

const VERSION = "2.15.1";
const URL_OF_PACKAGE = `http://deb.debian.org/debian/pool/main/n/nats-server/nats-server_${VERSION}-1_amd64.deb`;
const SHA256 = "31ef4ceaa84e8248d449e508472e3770c17c3695cb5cb0ee96e03912724ea884";
/** Oldest version that the tests can use. */
const OLDEST = [2, 12] as const;
const FETCHING_MS = 120_000;

/** Returns the path of a server, fetched where it is missing, or the reason why there is none. */
export async function natsServer(): Promise<{ readonly program: string } | { readonly missing: string }> {
  if (isNewEnough("nats-server")) return { program: "nats-server" };
  const folder = path.join(root, "node_modules/.cache/nats-server", VERSION);
  const program = path.join(folder, "usr/sbin/nats-server");
  if (existsSync(program)) return { program };
  if (process.platform !== "linux" || process.arch !== "x64")
    return { missing: `the pinned package is for linux x64: this is ${process.platform} ${process.arch}` };
  let file: Buffer;
  try {
    const response = await fetch(URL_OF_PACKAGE, { signal: AbortSignal.timeout(FETCHING_MS) });
    if (!response.ok) return { missing: `${URL_OF_PACKAGE} answers with ${response.status}` };
    file = Buffer.from(await response.arrayBuffer());
  } catch (error) {
    return { missing: `${URL_OF_PACKAGE} cannot be reached: ${String(error)}` };
  }
  const hash = createHash("sha256").update(file).digest("hex");
  if (hash !== SHA256) throw new Error(`Cannot use ${URL_OF_PACKAGE}: expected SHA-256 ${SHA256}, got ${hash}`);
  // unpacked aside, so that the folder is whole as soon as it has its name
  const aside = `${folder}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  try {
    writeFileSync(path.join(aside, "package.deb"), file);
    unpack(aside);
    rmSync(path.join(aside, "package.deb"));
    if (!existsSync(program)) renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return { program };
}

/** Unpacks a package in a folder: with Debian's program, or with those for its two layers. */
function unpack(folder: string): void {
  const options = { cwd: folder, stdio: "pipe" } as const;
  if (has("dpkg-deb")) {
    execFileSync("dpkg-deb", ["-x", "package.deb", "."], options);
    return;
  }
  execFileSync("ar", ["x", "package.deb", "data.tar.xz"], options);
  execFileSync("tar", ["-xJf", "data.tar.xz"], options);
  rmSync(path.join(folder, "data.tar.xz"));
}

function has(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function isNewEnough(program: string): boolean {
  try {
    const version = /v(\d+)\.(\d+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }));
    const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
    return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const found = await natsServer();
  process.stdout.write("program" in found ? `${found.program}\n` : `Skipped: ${found.missing}\n`);
}
