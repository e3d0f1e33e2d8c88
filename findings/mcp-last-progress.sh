#!/usr/bin/env bash
# Expected: a client hears the progress of a call in the order in which the server sent it, all of it before the result.
# Really: progress that arrives together with the result (in one piece of the stream, as after a fast last step) is dropped:
#   the result is handled at once and forgets the listener, the notification before it is handled one turn later.
# Versions: @modelcontextprotocol/client and /server 2.4.0, Node 20 and 24
# Date: 2026-11-30
# Why it matters: the chunks of a flow are told as progress, and the last one often comes right before the result. Our client
#   holds results back for two microtasks; readers of our server with another client take the whole text from the result.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  @modelcontextprotocol/client@2.4.0 @modelcontextprotocol/server@2.4.0 > install.log
cat > server.mjs <<'JS'
import { fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

serveStdio(() => {
  const server = new McpServer({ name: "server", version: "1.0.0" });
  server.registerTool("work", { inputSchema: fromJsonSchema({ type: "object" }) }, async (_args, { mcpReq }) => {
    const { progressToken } = mcpReq._meta;
    for (const progress of [1, 2, 3])
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress } });
    return { content: [{ type: "text", text: "done" }] };
  });
  return server;
});
JS
cat > finding.mjs <<'JS'
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const client = new Client({ name: "client", version: "1.0.0" });
await client.connect(new StdioClientTransport({ command: process.execPath, args: ["server.mjs"] }));
const heard = [];
for (let call = 0; call < 20; call += 1)
  await client.callTool({ name: "work" }, { onprogress: ({ progress }) => heard.push(progress) });
await client.close();
console.log(`20 calls sent 60 notifications of progress before their results; ${heard.length} were heard`);
process.exitCode = heard.length < 60 ? 0 : 1;
JS
node finding.mjs
