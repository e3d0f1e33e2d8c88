#!/usr/bin/env bash
# Expected: a garbage collection while a service is idle frees memory and leaves its optimised code alone.
# Really: the hidden class of a class that has no instance at that moment is garbage, too. V8 discards all optimised code
#   that knows it ("embedded weak objects cleared"), down to the constructor. One instance that stays alive prevents it.
# Versions: Node 24.21.0
# Date: 2026-11-30
# Why it matters: a call took up to 2.2 times the processor time after a full collection between requests, until its code
#   was compiled again; so did every benchmark that collects garbage before it measures. See keepShapes and decision 20.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module", "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact node@24.21.0 > install.log
export PATH="$folder/node_modules/.bin:$PATH"
cat > idle.mjs <<'END'
class Point {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
}
const kept = process.argv[2] === "kept" ? new Point(0, 0) : undefined;
function move(point) {
  return new Point(point.x + 1, point.y + 1);
}
function work() {
  let point = new Point(0, 0);
  for (let step = 0; step < 1_000_000; step += 1) point = move(point);
  return point.x;
}
let sum = 0;
for (let round = 0; round < 20; round += 1) sum += work();
await new Promise(setImmediate);
gc();
console.log(sum, kept);
END
discarded() {
  node --expose-gc --trace-deopt idle.mjs "$1" | grep "embedded weak objects cleared" | grep -c "SharedFunctionInfo \(move\|Point\)>" || true
}
none=$(discarded none)
one=$(discarded kept)
echo "optimised functions that a collection discards: $none without an instance of the class, $one with one"
[[ $none -gt 0 && $one -eq 0 ]]
