#!/usr/bin/env bash
# Expected: a checker of import rules that cannot read a project's files fails, or finds the circle in them.
# Really: beside TypeScript 7 dependency-cruiser reads none of the .ts files, prints "✔ no dependency violations found
#   (0 modules, 0 dependencies cruised)" with a hint below, and exits with 0.
# Versions: dependency-cruiser 18.7.2, typescript 7.0.2, Node 24.21.0
# Date: 2026-11-29
# Why it matters: a gate that goes by the exit status is green for ever. Our architecture test reads the imports itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module", "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  dependency-cruiser@18.7.2 typescript@7.0.2 node@24.21.0 > install.log
export PATH="$folder/node_modules/.bin:$PATH"
mkdir src
echo 'import { b } from "./b.ts"; export const a: number = 1; export const c = b;' > src/a.ts
echo 'import { a } from "./a.ts"; export const b: number = a;' > src/b.ts
echo '{ "compilerOptions": { "module": "nodenext", "target": "es2024", "noEmit": true, "allowImportingTsExtensions": true } }' > tsconfig.json
cat > .dependency-cruiser.cjs <<'JS'
module.exports = {
  forbidden: [{ name: "no-circular", severity: "error", from: {}, to: { circular: true } }],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: "tsconfig.json" } },
};
JS
status=0
depcruise src > seen.txt 2>&1 || status=$?
cat seen.txt
echo "exit status $status, with a circle in src"
test "$status" = 0
grep -q "no dependency violations found (0 modules" seen.txt
