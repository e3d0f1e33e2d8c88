#!/usr/bin/env bash
# Expected: with a busy timeout of 3 seconds a write waits for its turn up to that long before it fails.
# Really: in a transaction that has read, and in whose time another connection has written, it fails at once with "database
#   is locked" (extended code 517, SQLITE_BUSY_SNAPSHOT). No connection holds a lock, and waiting could not help.
# Versions: node:sqlite of Node 24.21.0, journal mode WAL
# Date: 2026-11-29
# Why it matters: "begin" and a read before a write make a program with several processes fail under load whatever its
#   timeout. Our transactions that write begin with "begin immediate".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module", "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact node@24.21.0 > install.log
export PATH="$folder/node_modules/.bin:$PATH"
cat > finding.mjs <<'JS'
import { DatabaseSync } from "node:sqlite";

const open = () => {
  const database = new DatabaseSync("finding.db", { timeout: 3_000 });
  database.exec("pragma journal_mode = wal");
  return database;
};
const [one, other] = [open(), open()];
one.exec("create table penguins (name)");
one.exec("begin");
one.prepare("select * from penguins").all();
other.exec("insert into penguins values ('pingu')");
const startedAt = performance.now();
let code = 0;
try {
  one.exec("insert into penguins values ('pinga')");
} catch (error) {
  code = error.errcode;
  console.log(`${error.message} (code ${code})`);
}
const elapsedMs = performance.now() - startedAt;
console.log(elapsedMs < 1_000 ? "at once" : `after ${elapsedMs} ms`, "with a timeout of 3 s");
one.exec("rollback");
one.exec("begin immediate");
one.exec("insert into penguins values ('pinga')");
one.exec("commit");
process.exitCode = code === 517 && elapsedMs < 1_000 ? 0 : 1;
JS
node --disable-warning=ExperimentalWarning finding.mjs
