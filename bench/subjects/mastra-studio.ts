import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DevelopmentServer } from "../development-server.ts";
import { freePort } from "../free-port.ts";
import { npmCi } from "../install.ts";
import type { PlaygroundRig } from "../workloads/playground.ts";

/** Folder with the packages of the studio, which only this subject installs. */
const folder = path.join(import.meta.dirname, "../studio");

const source = (version: number, port: number): string => `import { Mastra } from "@mastra/core";
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { z } from "zod";

const findOrder = createTool({
  id: "find_order",
  description: "Finds an order by its number, version ${version}",
  inputSchema: z.object({ order: z.string() }),
  outputSchema: z.object({ state: z.string() }),
  execute: async () => ({ state: "on its way" }),
});

const support = new Agent({
  id: "support",
  name: "support",
  instructions: "Help the customer.",
  model: "openai/gpt-5",
  tools: { findOrder },
});

export const mastra = new Mastra({ agents: { support }, server: { port: ${port} } });
`;

/** The agent of the playground in Mastra's studio, as its documentation begins one; without telemetry. */
export async function playground(): Promise<PlaygroundRig> {
  if (!existsSync(path.join(folder, "node_modules/.package-lock.json"))) npmCi(folder, () => {});
  const file = path.join(folder, "src/mastra/index.ts");
  const port = await freePort();
  let version = 1;
  const write = (): void => {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, source(version, port));
  };
  write();
  const server = new DevelopmentServer({
    folder,
    command: [process.execPath, path.join(folder, "node_modules/mastra/dist/index.js"), "dev"],
    tells: async () => await (await fetch(`http://localhost:${port}/api/agents`)).text(),
    env: { MASTRA_TELEMETRY_DISABLED: "1" },
  });
  const manifest = readFileSync(path.join(folder, "node_modules/mastra/package.json"), "utf8");
  return {
    note: `mastra ${(JSON.parse(manifest) as { version: string }).version}`,
    url: `http://localhost:${port}/agents`,
    usable: "support",
    async start() {
      const pid = server.start();
      await server.tells("version 1");
      return pid;
    },
    async save() {
      version += 1;
      write();
      await server.tells(`version ${version}`);
    },
    close: async () => await server[Symbol.asyncDispose](),
  };
}
