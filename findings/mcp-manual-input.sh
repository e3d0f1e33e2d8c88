#!/usr/bin/env bash
# Expected: callTool(…, { allowInputRequired: true }) hands back a tool's question, as its documentation says.
# Really: for a tool with an output schema it throws "has an output schema but did not return structured content": the
#   question is checked as if it were the result. Without an output schema, or with a `toolDefinition` without one, it works.
# Versions: @modelcontextprotocol/client and /server 2.4.0, Node 20 and 24
# Date: 2026-11-30
# Why it matters: a question is a pause of the run, so we handle it ourselves. We pass the definition without its output
#   schema, and check the output.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  @modelcontextprotocol/client@2.4.0 @modelcontextprotocol/server@2.4.0 > install.log
cat > finding.mjs <<'JS'
import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { fromJsonSchema, inputRequired, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

const object = { type: "object", properties: {} };
const [near, far] = InMemoryTransport.createLinkedPair();
serveStdio(
  () => {
    const server = new McpServer({ name: "server", version: "1.0.0" });
    const schemas = { inputSchema: fromJsonSchema(object), outputSchema: fromJsonSchema(object) };
    server.registerTool("pay", schemas, async () =>
      inputRequired({ inputRequests: { sure: inputRequired.elicit({ message: "Sure?", requestedSchema: object }) } }),
    );
    return server;
  },
  { transport: far },
);
const client = new Client(
  { name: "client", version: "1.0.0" },
  { versionNegotiation: { mode: "auto" }, capabilities: { elicitation: { form: {} } } },
);
await client.connect(near);
const { tools } = await client.listTools();
const { outputSchema, ...toolDefinition } = tools[0];
const call = async (options) => {
  try {
    const { resultType } = await client.callTool({ name: "pay" }, { allowInputRequired: true, ...options });
    return resultType;
  } catch (error) {
    return error.message;
  }
};
const [listed, without] = [await call(), await call({ toolDefinition })];
console.log(`with the listed definition: ${listed}`);
console.log(`with one without output schema: ${without}`);
await client.close();
process.exitCode = listed !== "input_required" && without === "input_required" ? 0 : 1;
JS
node finding.mjs
