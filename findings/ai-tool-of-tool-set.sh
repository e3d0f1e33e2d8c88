#!/usr/bin/env bash
# Expected: each value of `ToolSet`, the record of tools that `generateText` takes, is a `Tool` of the same package.
# Really: with `exactOptionalPropertyTypes` it is none: `outputSchema?: …` may be undefined on one side and not on the other.
#   The package's own declarations do not compile with that option, either.
# Versions: ai 7.0.173, typescript 7.0.2
# Date: 2026-11-30
# Why it matters: our adapter casts each tool of a set, and its package compiles with `skipLibCheck`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact ai@7.0.173 zod@4.6.7 typescript@7.0.2 > install.log
cat > finding.ts <<'TS'
import type { Tool, ToolSet } from "ai";

export const listed = (set: ToolSet): Tool[] => Object.values(set);
TS
options=(--noEmit --strict --skipLibCheck --module nodenext --target es2024 finding.ts)
npx tsc "${options[@]}"
echo "without exactOptionalPropertyTypes: compiles"
if npx tsc --exactOptionalPropertyTypes "${options[@]}" > errors.log; then
  echo "with exactOptionalPropertyTypes: compiles"
  exit 1
fi
echo "with exactOptionalPropertyTypes: $(head -c 160 errors.log | head -n 1) …"
