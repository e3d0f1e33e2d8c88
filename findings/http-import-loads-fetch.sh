#!/usr/bin/env bash
# Expected: import { createServer } from "node:http" costs what require("node:http") costs: both give the same module.
# Really: an import of a built-in module reads every export once. One of node:http's is a getter that loads the whole of
#   Node's own fetch and WebSocket (undici), which a require never touches: some 40 ms of processor time at the start of
#   a program that only wants a server.
# Versions: node 24.21.0
# Date: 2026-11-30
# Why it matters: the development server starts its processes often. It takes node:http by process.getBuiltinModule.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact node@24.21.0 > install.log
node=node_modules/node/bin/node
cat > count.cjs <<'JS'
const { performance } = require("node:perf_hooks");
module.exports = (how, begun) => {
  const isLoaded = process.moduleLoadList.includes("NativeModule internal/deps/undici/undici");
  console.log(`${how}: undici is ${isLoaded ? "" : "not "}loaded, ${(performance.now() - begun).toFixed(1)} ms`);
  return isLoaded;
};
JS
cat > by-import.mjs <<'JS'
import count from "./count.cjs";
const begun = performance.now();
await import("node:http");
process.exitCode = count("import", begun) ? 0 : 1;
JS
cat > by-require.cjs <<'JS'
const count = require("./count.cjs");
const begun = performance.now();
require("node:http").createServer();
process.exitCode = count("require", begun) ? 1 : 0;
JS
"$node" by-import.mjs
"$node" by-require.cjs
