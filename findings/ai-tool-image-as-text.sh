#!/usr/bin/env bash
# Expected: an image in the result of a tool reaches the model as an image, as one in a user's message does, or is refused.
# Really: the OpenAI-compatible provider sends it as text, without a warning: a string of JSON with the base64 in it. A list
#   of texts is sent as JSON in a string, too.
# Versions: @ai-sdk/openai-compatible 3.0.92
# Date: 2026-11-30
# Why it matters: a screenshot of 100 kB becomes 133 000 characters of prompt, and the model does not see it. Our prompt
#   turns lists of texts into text; results with files are for providers that take them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @ai-sdk/openai-compatible@3.0.92 > install.log
cat > finding.mjs <<'JS'
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

let sent;
const fetch = async (_, { body }) => {
  sent = JSON.parse(body).messages;
  const choices = [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }];
  return new Response(JSON.stringify({ choices }), { headers: { "content-type": "application/json" } });
};
const model = createOpenAICompatible({ name: "local", baseURL: "http://localhost/v1", fetch })("any");
const image = { type: "file", mediaType: "image/png", data: { type: "data", data: Buffer.alloc(30_000).toString("base64") } };
const call = { toolCallId: "a", toolName: "screenshot" };
const { warnings } = await model.doGenerate({
  prompt: [
    { role: "user", content: [image] },
    { role: "assistant", content: [{ type: "tool-call", ...call, input: {} }] },
    { role: "tool", content: [{ type: "tool-result", ...call, output: { type: "content", value: [image] } }] },
  ],
});
const [user, , tool] = sent;
console.log("in a user's message:", user.content[0].type);
console.log("in a tool's result:", typeof tool.content, "of", tool.content.length, "characters,", tool.content.slice(0, 50));
console.log("warnings:", warnings.length);
const isText = typeof tool.content === "string" && tool.content.length > 40_000;
process.exitCode = user.content[0].type === "image_url" && isText && warnings.length === 0 ? 0 : 1;
JS
node finding.mjs
