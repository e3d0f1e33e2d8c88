import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { scratchFolder } from "../scripts/workspace.ts";
import { DevelopmentServer } from "./development-server.ts";
import { freePort } from "./free-port.ts";
import type { PlaygroundRig } from "./workloads/playground.ts";

const TOKEN = "a-token-of-the-benchmark";
const bin = path.join(import.meta.dirname, "../packages/cli/dist/bin.js");

/** The project that `penguiflow new` makes, in `penguiflow dev`, as built. */
export async function playgroundOf(): Promise<PlaygroundRig> {
  const folder = path.join(scratchFolder("playground"), "support");
  const { status, stderr } = spawnSync(process.execPath, [bin, "new", folder, "--no-install"], { encoding: "utf8" });
  if (status !== 0) throw new Error("Cannot make the project", { cause: stderr });
  const file = path.join(folder, "src/tools.ts");
  const made = readFileSync(file, "utf8");
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = new DevelopmentServer({
    folder,
    command: [process.execPath, bin, "dev", "--no-open", "--port", String(port), "--token", TOKEN],
    async tells() {
      const told = await fetch(`${origin}/api/tools`, { headers: { authorization: `Bearer ${TOKEN}` } });
      return await told.text();
    },
  });
  let version = 1;
  return {
    url: `${origin}/#token=${TOKEN}`,
    usable: "support",
    async start() {
      const pid = server.start();
      await server.tells("Finds an order by its number");
      return pid;
    },
    async save() {
      version += 1;
      writeFileSync(file, made.replace("by its number", `by its number, version ${version}`));
      await server.tells(`version ${version}`);
    },
    close: async () => await server[Symbol.asyncDispose](),
  };
}
