#!/usr/bin/env bash
# Expected: streamText ends a run with an error when a response breaks off, wherever in the response that is.
# Really: a response that breaks off inside the arguments of a tool call is taken for bad arguments of the model. A second
#   request follows, which shows the call as made with {}, and the run finishes with "stop". onError was called in between.
#   A response that breaks off before or behind the arguments ends the run with "error", after one request.
# Versions: ai 7.0.173, @ai-sdk/openai-compatible 3.0.92
# Date: 2026-11-30
# Why it matters: a caller that looks at the finish reason takes a broken connection for success, and pays for a request that
#   blames the model. We call the model without streamText, and take no call from a stream before it has finished.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact \
  ai@7.0.173 @ai-sdk/openai-compatible@3.0.92 zod@4.6.7 > install.log
cat > finding.mjs <<'JS'
import { createServer } from "node:http";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { isStepCount, streamText, tool } from "ai";
import { z } from "zod";

const send = (choice) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, ...choice }] })}\n\n`;

/** Runs one prompt against a server whose first response ends behind these arguments, without a finish reason. */
async function runWith(written) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    requests.push(JSON.parse(body).messages);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const call = { index: 0, id: "call_a", function: { name: "weather", arguments: written } };
    if (requests.length === 1) response.end(send({ delta: { tool_calls: [call] } }));
    else response.end(send({ delta: { content: "Done" } }) + send({ finish_reason: "stop" }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const provider = createOpenAICompatible({ name: "local", baseURL: `http://127.0.0.1:${server.address().port}` });
  const weather = tool({ inputSchema: z.object({ city: z.string().optional() }), execute: async () => "sunny" });
  const result = streamText({
    model: provider("any"),
    prompt: "Weather in Rome?",
    tools: { weather },
    stopWhen: isStepCount(3),
    maxRetries: 0,
    onError: () => {},
  });
  await result.consumeStream();
  const finish = await result.finishReason;
  server.close();
  server.closeAllConnections();
  const told = requests[1]?.find(({ role }) => role === "assistant")?.tool_calls[0].function.arguments;
  console.log(`broken off behind ${JSON.stringify(written)}: ${requests.length} requests, finish "${finish}"`);
  if (told !== undefined) console.log(`  the second request shows the call with ${told}`);
  return `${requests.length} ${finish} ${told}`;
}

const seen = [await runWith(""), await runWith('{"city":"Ro'), await runWith('{"city":"Rome"}')];
process.exitCode = seen.join() === "1 error undefined,2 stop {},1 error undefined" ? 0 : 1;
JS
node finding.mjs
