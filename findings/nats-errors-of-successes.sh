#!/usr/bin/env bash
# Expected: a request that is answered creates no error.
# Really: each creates three, with their stack traces, in case it fails: a tenth of the processor time of our worker.
# Versions: @nats-io/transport-node 3.4.0, nats-server 2.15.1 (Debian's package, for linux x64)
# Date: 2026-11-30
# Why it matters: every stored batch, offer and result is such a request. The option noAsyncTraces spares two.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
curl -sSfo server.deb http://deb.debian.org/debian/pool/main/n/nats-server/nats-server_2.15.1-1_amd64.deb
echo "31ef4ceaa84e8248d449e508472e3770c17c3695cb5cb0ee96e03912724ea884  server.deb" | sha256sum --check --quiet
dpkg-deb -x server.deb server
server/usr/sbin/nats-server -a 127.0.0.1 -p -1 --ports_file_dir "$folder" > server.log 2>&1 &
server=$!
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @nats-io/transport-node@3.4.0 > install.log
cat > program.js <<'PROGRAM'
let errors = 0;
const Native = globalThis.Error;
globalThis.Error = class Error extends Native {
  constructor(...args) {
    super(...args);
    errors += 1;
  }
};
const { connect } = await import("@nats-io/transport-node");
for (const noAsyncTraces of [false, true]) {
  const connection = await connect({ servers: process.argv[2], noAsyncTraces });
  connection.subscribe("echo", { callback: (_, message) => message.respond(message.data) });
  await connection.flush();
  errors = 0;
  for (let call = 0; call < 100; call += 1) await connection.request("echo", "hello");
  console.log(`noAsyncTraces ${noAsyncTraces}: 100 answers, ${errors} errors created`);
  await connection.close();
}
PROGRAM
address=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).nats[0]' "nats-server_$server.ports")
said=$(node program.js "$address")
echo "$said"
[[ $said == $'noAsyncTraces false: 100 answers, 300 errors created\nnoAsyncTraces true: 100 answers, 100 errors created' ]]
