#!/usr/bin/env bash
# Expected: `runAgent` of the official client rejects when a run ends with an error, or when its stream ends without the event
#   that finishes a run.
# Really: it resolves in each of these cases, with half an answer among the new messages, and for a response without any event.
#   Only a subscriber of the single events can tell. Other streams that break the order of events do reject.
# Versions: @ag-ui/client 1.0.0 and 0.0.59
# Date: 2026-11-30
# Why it matters: our handler ends each run with exactly one event, tests compare the events and not the promise, and our guide
#   tells clients to subscribe to errors.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @ag-ui/client@1.0.0 earlier@npm:@ag-ui/client@0.0.59 > install.log
cat > finding.js <<'JS'
import { createServer } from "node:http";

const started = { type: "RUN_STARTED", threadId: "t", runId: "r" };
const runs = {
  "an error": [started, { type: "RUN_ERROR", message: "no" }],
  "a cut": [
    started,
    { type: "TEXT_MESSAGE_START", messageId: "m", role: "assistant" },
    { type: "TEXT_MESSAGE_CONTENT", messageId: "m", delta: "half an ans" },
  ],
  nothing: [],
};
const server = createServer((request, response) => {
  const events = runs[decodeURIComponent(request.url.slice(1))];
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();
let holds = true;
for (const name of ["@ag-ui/client", "earlier"]) {
  const { HttpAgent } = await import(name);
  for (const run of Object.keys(runs)) {
    const agent = new HttpAgent({ url: `http://127.0.0.1:${port}/${encodeURIComponent(run)}` });
    const end = await agent.runAgent().then(
      ({ newMessages }) => `resolves with ${JSON.stringify(newMessages.map(({ content }) => content))}`,
      (error) => `rejects: ${error.message}`,
    );
    console.log(`${name}: a stream with ${run} ${end}`);
    holds &&= end.startsWith("resolves");
  }
}
server.close();
process.exitCode = holds ? 0 : 1;
JS
node finding.js
