// `npm run test:servers`: runs the tests that need a server, which each such package names in
// test-integration/server.ts. Uses the server named by its environment variable, which must be reachable, else starts one
// for the tests, else uses the one at the usual address. Without a server the tests are skipped with a reason.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { bin, files, root } from "./workspace.ts";

/** A server that tests need. */
export interface NeededServer {
  readonly name: string;
  /** Environment variable that names a server. */
  readonly variable: string;
  /** Usual address. */
  readonly url: string;
  /** Connects to a server; rejects when it is unusable. */
  readonly reach: (url: string) => Promise<void>;
  /** Starts a server; `undefined` when it is not installed. */
  readonly start: () => Promise<StartedServer | undefined>;
}

/** A server started for the tests. */
export interface StartedServer extends AsyncDisposable {
  readonly url: string;
}

const report = ["--reporter=default", "--reporter=json", "--outputFile.json=coverage/servers.json"];
await using started = new AsyncDisposableStack();
const ready: string[] = [];

/** Finds or starts a server and exports its address to the tests. */
async function prepare(folder: string, { name, variable, url, reach, start }: NeededServer): Promise<void> {
  const named = process.env[variable];
  const server = named === undefined ? await start() : undefined;
  if (server !== undefined) started.use(server);
  const address = named ?? server?.url ?? url;
  try {
    await reach(address);
  } catch (error) {
    const reason = error instanceof Error && error.message !== "" ? error.message : String(error);
    if (named !== undefined)
      throw new Error(`Cannot use the ${name} that ${variable} names: ${reason}`, { cause: error });
    if (server !== undefined)
      throw new Error(`Cannot use the ${name} started for the tests: ${reason}`, { cause: error });
    process.stdout.write(
      `Skipped: ${folder} (${name} is not installed, and at ${new URL(url).host}: ${reason}; ${variable} names another)\n`,
    );
    return;
  }
  const own = server === undefined ? "used" : "started";
  if (process.env[variable] !== address) process.stdout.write(`${name}: ${own}, at ${new URL(address).host}\n`);
  process.env[variable] = address;
  ready.push(folder);
}

for (const file of files("{apps,packages}/*/test-integration/server.ts")) {
  const { server } = (await import(pathToFileURL(path.join(root, file)).href)) as { readonly server: NeededServer };
  await prepare(path.dirname(file), server);
}
if (ready.length > 0) {
  const args = [bin("vitest"), "run", "--config", "vitest.servers.config.ts", ...report, ...ready];
  process.exitCode = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;
}
