#!/usr/bin/env bash
# Expected: a tool call that is answered with the entity that it created has kept it; MCP lets a client send the next call
#   before the answer of the last, and clients of models with parallel tool calls do.
# Really: the reference memory server reads its whole file, adds, and writes it again, for each call by itself. Of calls under
#   way at the same time one is kept; all are answered as created.
# Versions: @modelcontextprotocol/server-memory 2026.8.31, @modelcontextprotocol/client 2.4.0
# Date: 2026-11-30
# Why it matters: our memory service is measured beside it. Its figures hold for one call after the other alone, and the model
#   test of our tools sends calls at once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  @modelcontextprotocol/server-memory@2026.8.31 @modelcontextprotocol/client@2.4.0 > install.log
cat > finding.mjs <<'JS'
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

async function kept(file, atOnce) {
  const client = new Client({ name: "finding", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: ["node_modules/@modelcontextprotocol/server-memory/dist/index.js"],
      env: { ...process.env, MEMORY_FILE_PATH: `${process.cwd()}/${file}` },
      stderr: "ignore",
    }),
  );
  const create = (name) =>
    client.callTool({
      name: "create_entities",
      arguments: { entities: [{ name, entityType: "penguin", observations: ["swims"] }] },
    });
  const names = Array.from({ length: 10 }, (_, index) => `penguin ${index}`);
  const answers = [];
  if (atOnce) answers.push(...(await Promise.all(names.map(create))));
  else for (const name of names) answers.push(await create(name));
  const created = answers.filter(({ isError, structuredContent }) => isError !== true && structuredContent.entities.length === 1);
  const graph = await client.callTool({ name: "read_graph", arguments: {} });
  await client.close();
  return { created: created.length, kept: graph.structuredContent.entities.length };
}

const inTurn = await kept("in-turn.jsonl", false);
const atOnce = await kept("at-once.jsonl", true);
console.log(`ten calls in turn: ${inTurn.created} answered as created, ${inTurn.kept} kept`);
console.log(`ten calls at once: ${atOnce.created} answered as created, ${atOnce.kept} kept`);
const holds = inTurn.created === 10 && inTurn.kept === 10 && atOnce.created === 10 && atOnce.kept < 10;
process.exit(holds ? 0 : 1);
JS
node finding.mjs
