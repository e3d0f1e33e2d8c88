#!/usr/bin/env bash
# Expected: a data part of an A2A message that carries null is still a data part after it was read and written again:
#   data is a google.protobuf.Value, of which null is one.
# Really: Part.fromJSON gives a part without content. 0, false and an object with null in it keep theirs, and so does "".
# Versions: @a2a-js/sdk 1.3.0
# Date: 2026-11-29
# Why it matters: a flow whose result is null would answer with a part of no kind. Our server and client treat a JSON part
#   without content as null.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @a2a-js/sdk@1.3.0 > install.log
cat > finding.mjs <<'JS'
import { Part } from "@a2a-js/sdk";

const again = (part) => JSON.stringify(Part.toJSON(Part.fromJSON(part)));
const parts = [{ data: null }, { data: 0 }, { data: false }, { data: { a: null } }, { text: "" }];
for (const part of parts) console.log(JSON.stringify(part).padEnd(20), "→", again(part));
const isKept = parts.map((part) => again(part) === JSON.stringify(part));
process.exitCode = isKept.join() === "false,true,true,true,true" ? 0 : 1;
JS
node finding.mjs
