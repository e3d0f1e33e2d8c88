#!/usr/bin/env bash
# Expected: agentCardHandler of the A2A SDK serves a card that AgentCard.fromJSON has read in the JSON form of the
#   protocol, as AgentCard.toJSON writes it.
# Really: it serves the card as it is in memory. A security scheme comes out as
#   {"scheme":{"$case":"apiKeySecurityScheme","value":…}} instead of {"apiKeySecurityScheme":…}.
# Versions: @a2a-js/sdk 1.3.0, express 5.3.0
# Date: 2026-11-29
# Why it matters: other clients cannot read how to authenticate. Our server gives its card a toJSON of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @a2a-js/sdk@1.3.0 express@5.3.0 > install.log
cat > finding.mjs <<'JS'
import { AgentCard } from "@a2a-js/sdk";
import { agentCardHandler } from "@a2a-js/sdk/server/express";
import express from "express";

const card = AgentCard.fromJSON({
  name: "penguin",
  description: "swims",
  version: "1.0.0",
  supportedInterfaces: [],
  capabilities: {},
  securitySchemes: { key: { apiKeySecurityScheme: { location: "header", name: "x-key" } } },
  defaultInputModes: ["text/plain"],
  defaultOutputModes: ["text/plain"],
  skills: [],
});
const app = express();
app.use("/card", agentCardHandler({ agentCardProvider: async () => card }));
const server = app.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const response = await fetch(`http://127.0.0.1:${server.address().port}/card`);
const { securitySchemes } = await response.json();
server.close();
console.log("served:      ", JSON.stringify(securitySchemes));
console.log("the protocol:", JSON.stringify(AgentCard.toJSON(card).securitySchemes));
process.exitCode = securitySchemes.key.scheme?.$case === "apiKeySecurityScheme" ? 0 : 1;
JS
node finding.mjs
