// `npm run runtimes`: tests the packed packages on the platforms users run: the oldest and the newest Node, the older
// TypeScript, and workerd, the runtime of Cloudflare Workers. The first run downloads about 500 MB from the registry.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { installFolder } from "./install-folder.ts";
import { Installed } from "./installed.ts";
import { conclude, publishedPackages, root, run } from "./workspace.ts";

const runtimes = "test/runtimes";
const tool = (...parts: string[]): string => path.join(root, runtimes, "node_modules", ...parts);

async function fetchRuntimes(): Promise<boolean> {
  if (!(await installFolder(runtimes, "Node 22 and 26, TypeScript 5.9 and workerd"))) return false;
  for (const file of [tool("node-22/bin/node"), tool("node-26/bin/node"), tool(".bin/workerd")]) {
    if (existsSync(file)) continue;
    throw new Error(
      `Cannot find "${file}": npm did not run its install script. Delete ${runtimes}/node_modules, repeat`,
    );
  }
  return true;
}

/** Runs the worker of examples/web in workerd: reads one stream to its end and leaves another early. */
async function runInWorkerd(installed: Installed): Promise<string> {
  const { file } = await installed.bundle("worker.ts");
  const port = await freePort();
  const worker = `(modules = [(name = "worker", esModule = embed "${path.basename(file)}")], compatibilityDate = "2026-01-01")`;
  installed.write(
    "app/worker.capnp",
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = ${worker})],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);`,
  );
  const server = spawn(tool(".bin/workerd"), ["serve", path.join(installed.folder, "app/worker.capnp")]);
  let said = "";
  server.stderr.on("data", (text: Buffer) => void (said += text.toString()));
  try {
    const ask = (signal: AbortSignal): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "Penguins swim. They come back.", signal });
    const readAll = async (when: string): Promise<void> => {
      const events = await (await ask(AbortSignal.timeout(20_000))).text();
      for (const wanted of ['"text":"Penguins swim."', '{"sentences":2,"words":5,"longest":"They come back."}']) {
        if (!events.includes(wanted))
          installed.problems.push(`${when}, the worker's answer has no '${wanted}':\n${events}`);
      }
    };
    await answering(port);
    await readAll("At first");
    const reader = new AbortController();
    await (await ask(reader.signal)).body?.getReader().read();
    reader.abort();
    await readAll("After a reader has left");
    return "examples/web/app/worker.ts streams, and goes on when a reader leaves";
  } catch (error) {
    installed.problems.push(`In workerd: ${error instanceof Error ? error.message : String(error)}`);
    return "";
  } finally {
    server.kill();
    if (said !== "") installed.problems.push(`workerd writes:\n${said}`);
  }
}

async function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer();
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
  return await promise;
}

async function answering(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const answered = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "" }).catch(() => undefined);
    if (answered !== undefined) return void (await answered.text());
    await delay(100);
  }
  throw new Error("it does not listen");
}

if (await fetchRuntimes()) {
  const built = await run(process.execPath, ["scripts/build.ts"]);
  if (built.status !== 0) throw new Error(`Cannot build the packages:\n${built.output}`);
  using installed = new Installed();
  for (const item of publishedPackages()) await installed.install(item);
  installed.addPrograms();
  await installed.consume("Node 22.18", tool("node-22/bin/node"));
  await installed.consume("Node 26", tool("node-26/bin/node"));
  await installed.compile("TypeScript 5.9", tool("typescript-5/bin/tsc"));
  const workerd = await runInWorkerd(installed);
  conclude(installed.problems, `Used on Node 22.18 and 26, with TypeScript 5.9 both ways\nIn workerd: ${workerd}`);
}
