#!/usr/bin/env bash
# Expected: a program that imports the NATS client compiles under every strict option of the compiler.
# Really: with exactOptionalPropertyTypes two classes of its declarations do not implement their own interfaces.
# Versions: @nats-io/nats-core 3.4.0, TypeScript 7.0.2
# Date: 2026-11-30
# Why it matters: the package that imports it sets skipLibCheck, and its own declarations name no type of the client.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @nats-io/transport-node@3.4.0 typescript@7.0.2 @types/node@24.19.2 > install.log
echo 'import { connect } from "@nats-io/transport-node"; await connect();' > program.ts
compile() { npx tsc --noEmit --strict --module nodenext --target es2024 --types node "$@" program.ts || true; }
plain=$(compile)
exact=$(compile --exactOptionalPropertyTypes | grep -o "error TS2420: Class '[A-Za-z]*' incorrectly implements" || true)
echo "with --strict: ${plain:-no error}"
echo "with --exactOptionalPropertyTypes: $exact"
[[ -z $plain && $(wc -l <<< "$exact") == 2 ]]
