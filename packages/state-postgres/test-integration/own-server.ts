import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chownSync, existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { Client } from "pg";
import type { StartedServer } from "../../../scripts/test-servers.ts";

const STARTING_MS = 30_000;

/** A server that tests can crash. */
interface OwnServer extends StartedServer {
  /** Kills the server at once and starts it again. */
  readonly crash: () => Promise<void>;
}

const LOOPBACK = "127.0.0.1";

interface ServerOptions {
  /** Address of this machine. @defaultValue "127.0.0.1" */
  readonly host?: string | undefined;
  /** Whether what it has stored survives a loss of power. @defaultValue false */
  readonly fsync?: boolean | undefined;
}

/** Starts a server with its files in a folder of its own; `undefined` when PostgreSQL is not installed. */
export async function startServer({ host = LOOPBACK, fsync = false }: ServerOptions = {}): Promise<
  OwnServer | undefined
> {
  const programs = findPrograms();
  if (programs === undefined) return undefined;
  const folder = mkdtempSync(path.join(os.tmpdir(), "penguiflow-postgres-"));
  const user = otherThanRoot();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const options = { cwd: folder, ...user };
  const data = path.join(folder, "data");
  const initialise = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  execFileSync(path.join(programs, "initdb"), initialise, { ...options, stdio: "pipe" });
  if (host !== LOOPBACK) appendFileSync(path.join(data, "pg_hba.conf"), `host all all ${host}/24 trust\n`);
  const port = await freePort();
  const settings = [
    `listen_addresses=${host}`,
    `port=${port}`,
    `unix_socket_directories=${folder}`,
    `fsync=${fsync ? "on" : "off"}`,
  ];
  const args = ["-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  const start = (): ChildProcess => spawn(path.join(programs, "postgres"), args, { ...options, stdio: "ignore" });
  let server = start();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = once(server, "exit");
    server.kill(signal);
    await ended;
  };
  const url = `postgres://postgres@${host}:${port}/postgres`;
  const stop = async (): Promise<void> => {
    await end("SIGINT");
    rmSync(folder, { recursive: true, force: true });
  };
  const crash = async (): Promise<void> => {
    await end("SIGQUIT");
    server = start();
    await reachable(url);
  };
  try {
    await reachable(url);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, crash, [Symbol.asyncDispose]: stop };
}

/** Finds the folder of the newest installed version. */
function findPrograms(): string | undefined {
  const places = [...globSync("/usr/lib/postgresql/*/bin").sort().reverse(), ...(process.env["PATH"] ?? "").split(":")];
  return places.find((place) => existsSync(path.join(place, "initdb")) && existsSync(path.join(place, "postgres")));
}

/** Returns another user for root, because PostgreSQL refuses to run as root. */
function otherThanRoot(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function reachable(url: string): Promise<void> {
  for (const end = Date.now() + STARTING_MS; ;) {
    const client = new Client(url);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
