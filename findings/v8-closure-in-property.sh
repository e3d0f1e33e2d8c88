#!/usr/bin/env bash
# Expected: an object that is garbage before the next collection of young objects is freed by it.
# Really: a function literal that is assigned to a property is taken for a method and allocated in the old generation.
#   It keeps what its context knows alive until the next full collection: here the object that has the property.
# Versions: Node 24.21.0
# Date: 2026-11-30
# Why it matters: every call with an asynchronous handler outlived two collections of young objects, with all it had
#   allocated; a planner's run took 22 % more processor time. See decision 26.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module", "allowScripts": { "node": true } }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact node@24.21.0 > install.log
export PATH="$folder/node_modules/.bin:$PATH"
cat > young.mjs <<'END'
class Task {
  data = Array.from({ length: 8 }, (_, x) => ({ x }));
  done = undefined;
}
const tasks = {
  assigned() {
    const task = new Task();
    task.done = () => task.data;
  },
  named() {
    const task = new Task();
    const done = () => task.data;
    task.done = done;
  },
};
const work = tasks[process.argv[2]];
for (let task = 0; task < 1_000; task += 1) work();
gc();
const before = process.memoryUsage().heapUsed;
for (let task = 1; task <= 10_000; task += 1) {
  work();
  if (task % 100 === 0) gc({ type: "minor" });
}
console.log(Math.round((process.memoryUsage().heapUsed - before) / 10_000));
END
assigned=$(node --expose-gc young.mjs assigned)
named=$(node --expose-gc young.mjs named)
echo "bytes of a task that collections of young objects leave: $assigned assigned where it is written, $named with a name"
[[ $assigned -gt 200 && $named -lt 50 ]]
