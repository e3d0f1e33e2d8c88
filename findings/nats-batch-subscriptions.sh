#!/usr/bin/env bash
# Expected: a batch of direct get that was read to its end leaves nothing behind.
# Really: each call of direct.getBatch without a callback leaves a subscription until the connection closes.
# Versions: @nats-io/jetstream 3.4.0, nats-server 2.15.1 (Debian's package, for linux x64)
# Date: 2026-11-30
# Why it matters: a worker reads thousands of batches an hour. Ours sends the request itself and ends its subscription.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
curl -sSfo server.deb http://deb.debian.org/debian/pool/main/n/nats-server/nats-server_2.15.1-1_amd64.deb
echo "31ef4ceaa84e8248d449e508472e3770c17c3695cb5cb0ee96e03912724ea884  server.deb" | sha256sum --check --quiet
dpkg-deb -x server.deb server
server/usr/sbin/nats-server -a 127.0.0.1 -p -1 -js -sd "$folder/data" --ports_file_dir "$folder" > server.log 2>&1 &
server=$!
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0 > install.log
cat > program.js <<'PROGRAM'
import { connect } from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
const connection = await connect({ servers: process.argv[2] });
const manager = await jetstreamManager(connection);
await manager.streams.add({ name: "s", subjects: ["s"], allow_direct: true });
await jetstream(connection).publish("s", "x");
const subscriptions = () => connection.protocol.subscriptions.size();
const before = subscriptions();
let read = 0;
for (let call = 0; call < 10; call += 1)
  for await (const message of await manager.direct.getBatch("s", { seq: 1, batch: 1 })) read += message.seq;
console.log(`${read} messages read, ${subscriptions() - before} more subscriptions`);
await connection.close();
PROGRAM
address=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).nats[0]' "nats-server_$server.ports")
said=$(node program.js "$address")
echo "$said"
[[ $said == "10 messages read, 10 more subscriptions" ]]
