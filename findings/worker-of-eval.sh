#!/usr/bin/env bash
# Expected: a program given with node --input-type=module --eval can start a worker from a file, as it can without
#   --input-type.
# Really: the worker inherits the flag and ends with ERR_INPUT_TYPE_NOT_ALLOWED: "--input-type can only be used with string
#   input". Without the flag, which Node then finds out for itself, the same program works.
# Versions: Node 24.21.0
# Date: 2026-11-29
# Why it matters: nodes that compute in threads fail in a one-line program that names its type, as documents and tests do.
#   Decision 9 says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module", "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact node@24.21.0 > install.log
export PATH="$folder/node_modules/.bin:$PATH"
echo 'import { parentPort } from "node:worker_threads"; parentPort.postMessage("swims");' > worker.mjs
program='
import { Worker } from "node:worker_threads";
const worker = new Worker("./worker.mjs");
worker.on("message", (said) => console.log(said)).on("error", ({ code }) => console.log(code));'
without=$(node --eval "$program")
with=$(node --input-type=module --eval "$program")
echo "without --input-type: $without; with it: $with"
[[ $without == swims && $with == ERR_INPUT_TYPE_NOT_ALLOWED ]]
