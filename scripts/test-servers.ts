// `npm run test:servers`: the tests that need a server. Each package that has some says in test-integration/server.ts
// where its server is. What cannot be reached is skipped, and it says why; what was named and cannot be reached fails.
import path from "node:path";
import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { bin, files, root } from "./workspace.ts";

/** A server that tests need. */
export interface NeededServer {
  readonly name: string;
  readonly url: string;
  /** The environment variable by which another is named. */
  readonly variable: string;
  /** Rejects when the server cannot be used. */
  readonly reach: () => Promise<void>;
}

const ready: string[] = [];
let status = 0;
for (const file of files("packages/*/test-integration/server.ts")) {
  const { server } = (await import(pathToFileURL(path.join(root, file)).href)) as { readonly server: NeededServer };
  const { name, url, variable } = server;
  const { host } = new URL(url);
  try {
    await server.reach();
    process.stdout.write(`${name} at ${host}: used\n`);
    ready.push(path.dirname(file));
  } catch (error) {
    const { message, code } = error as Error & { readonly code?: string };
    const reason = message === "" ? code : message;
    if (process.env[variable] === undefined) {
      process.stdout.write(
        `Skipped: ${path.dirname(file)} (no ${name} at ${host}: ${reason}; ${variable} names another)\n`,
      );
    } else {
      process.stdout.write(`Cannot reach ${name} at ${host}, which ${variable} names: ${reason}\n`);
      status = 1;
    }
  }
}

if (ready.length > 0) {
  const report = ["--reporter=default", "--reporter=json", "--outputFile.json=coverage/servers.json"];
  const args = [bin("vitest"), "run", "--config", "vitest.servers.config.ts", ...report, ...ready];
  status ||= spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;
}
process.exitCode = status;
