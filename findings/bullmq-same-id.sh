#!/usr/bin/env bash
# Expected: adding a job under an id that is in use is refused, or returns the job that is there.
# Really: it returns a job with the new data, which was never stored; its result is that of the earlier job.
# Versions: bullmq 6.7.0, ioredis 5.11.1, Redis 7.0.15 (redis-server must be installed)
# Date: 2026-11-30
# Why it matters: a cluster of ours refuses an id that was used with another input (ID_CONFLICT), and this is why.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
redis-server --bind 127.0.0.1 --port "$port" --save "" --appendonly no --maxmemory-policy noeviction > server.log 2>&1 &
server=$!
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact bullmq@6.7.0 ioredis@5.11.1 > install.log
cat > program.js <<'PROGRAM'
import { Queue, QueueEvents, Worker } from "bullmq";
const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const queue = new Queue("orders", { connection });
const events = new QueueEvents("orders", { connection });
await events.waitUntilReady();
const worker = new Worker("orders", async (job) => `shipped ${job.data.item}`, { connection });
const first = await queue.add("ship", { item: "a tent" }, { jobId: "order-1" });
await first.waitUntilFinished(events);
const second = await queue.add("ship", { item: "a boat" }, { jobId: "order-1" });
console.log(`job of ${second.data.item}: ${await second.waitUntilFinished(events)}`);
console.log(`stored: ${(await queue.getJob("order-1")).data.item}`);
await worker.close();
await events.close();
await queue.close();
PROGRAM
said=$(node program.js "$port")
echo "$said"
[[ $said == $'job of a boat: shipped a tent\nstored: a tent' ]]
