#!/usr/bin/env bash
# Expected: a range resolves to its newest version, with a warning when that does not support the running Node.
# Really: npm takes the newest version whose "engines" fit the Node it runs under: another major, without a word.
# Versions: npm 11.17.0 under Node 20.20.2 and 24.21.0, ai between 6.0.0 and 7.0.173
# Date: 2026-11-29
# Why it matters: the same command writes other lockfiles on a fresh machine with Node 20. We pin exact versions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact npm@11.17.0 node20@npm:node@20.20.2 node24@npm:node@24.21.0 > install.log
resolve() {
  mkdir "with-$1"
  (
    cd "with-$1"
    echo '{ "private": true }' > package.json
    "../node_modules/$1/bin/node" ../node_modules/npm/bin/npm-cli.js install --no-audit --no-fund --package-lock-only \
      "ai@>=6.0.0 <=7.0.173" > said.txt 2>&1
    "../node_modules/$1/bin/node" -p 'require("./package-lock.json").packages["node_modules/ai"].version'
  )
}
old=$(resolve node20)
new=$(resolve node24)
warnings=$(grep -c EBADENGINE with-node20/said.txt || true)
echo "ai@>=6.0.0 <=7.0.173 is $old under Node 20 ($warnings warnings about engines), $new under Node 24"
[[ $old == 6.* && $new == 7.* && $warnings == 0 ]]
