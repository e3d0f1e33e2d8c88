#!/usr/bin/env bash
# Expected: the content type that the encoder names is that of what `encode` returns.
# Really: for a client that accepts everything (`Accept: */*`, which `fetch` and curl send) it names the protobuf type, and
#   `encode` returns the text of a server-sent event. The official client then reads the text as protobuf.
# Versions: @ag-ui/encoder 1.0.0
# Date: 2026-11-30
# Why it matters: our handler writes the events and the content type itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @ag-ui/encoder@1.0.0 > install.log
cat > finding.js <<'JS'
import { EventEncoder } from "@ag-ui/encoder";

const encoder = new EventEncoder({ accept: "*/*" });
const type = encoder.getContentType();
const text = encoder.encode({ type: "RUN_STARTED", threadId: "t", runId: "r" });
console.log(`content type: ${type}`);
console.log(`body: ${JSON.stringify(text)}`);
process.exitCode = type.includes("proto") && text.startsWith("data: ") ? 0 : 1;
JS
node finding.js
