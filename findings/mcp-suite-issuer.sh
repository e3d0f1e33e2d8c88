#!/usr/bin/env bash
# Expected: a client on the official SDK passes the OAuth scenarios of the official conformance suite.
# Really: in "auth/2025-03-26-oauth-metadata-backcompat" the suite's server names "<origin>/oauth" as issuer in the metadata
#   of "<origin>". RFC 8414 (3.3) has clients refuse that, and the SDK's client does: it never registers, and three checks
#   of the scenario fail. The other scenarios of discovery pass.
# Versions: @modelcontextprotocol/conformance 0.1.16, @modelcontextprotocol/client 2.4.0, Node 24
# Date: 2026-11-30
# Why it matters: our run of the suite leaves this scenario out, and our client goes on refusing such metadata.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module", "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  node@24.21.0 @modelcontextprotocol/conformance@0.1.16 @modelcontextprotocol/client@2.4.0 > install.log
cat > client.mjs <<'JS'
import { auth, Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const url = process.argv.at(-1);
let [saved, verifier, client, page] = [];
const provider = {
  redirectUrl: "http://127.0.0.1:1/callback",
  clientMetadata: { redirect_uris: ["http://127.0.0.1:1/callback"], client_name: "finding" },
  clientInformation: () => client,
  saveClientInformation: (given) => void (client = given),
  tokens: () => saved,
  saveTokens: (given) => void (saved = given),
  saveCodeVerifier: (given) => void (verifier = given),
  codeVerifier: () => verifier,
  redirectToAuthorization: (given) => void (page = given),
};
try {
  await auth(provider, { serverUrl: url });
  const { headers } = await fetch(page, { redirect: "manual" });
  const { searchParams } = new URL(headers.get("location"));
  await auth(provider, { serverUrl: url, authorizationCode: searchParams.get("code"), iss: searchParams.get("iss") ?? undefined });
  const mcp = new Client({ name: "finding", version: "1.0.0" });
  await mcp.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: provider }));
  await mcp.listTools();
  await mcp.close();
} catch (error) {
  console.error(error.message);
}
JS
suite=node_modules/@modelcontextprotocol/conformance/dist/index.js
node=node_modules/node/bin/node
failed() {
  "$node" "$suite" client --command "$PWD/$node $PWD/client.mjs" --scenario "auth/$1" -o "results/$1" > "$1.log" 2>&1 || true
  cat "results/$1"/auth/*/stderr.txt 2> /dev/null | grep -i issuer || true
  grep -c FAILURE "$1.log" || true
}
good=$(failed metadata-var1 | tail -n 1)
bad=$(failed 2025-03-26-oauth-metadata-backcompat)
echo "checks that fail: $good in metadata-var1; in 2025-03-26-oauth-metadata-backcompat:"
echo "$bad"
[ "$good" = 0 ] && [ "$(echo "$bad" | tail -n 1)" != 0 ]
