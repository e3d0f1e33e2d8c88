#!/usr/bin/env bash
# Expected: in a document of OpenAPI 3.1, whose schemas are JSON Schema 2020-12, `{ "type": "array" }` is a list of anything.
# Really: the parser refuses the document. Its rule is that of 3.0, where an array needs `items`; it names none for 3.1.
# Versions: @readme/openapi-parser 9.0.0
# Date: 2026-11-30
# Why it matters: valid documents could not be read. We make this rule a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @readme/openapi-parser@9.0.0 > install.log
cat > finding.mjs <<'JS'
import { validate } from "@readme/openapi-parser";

const document = {
  openapi: "3.1.0",
  info: { title: "lists", version: "1" },
  paths: {
    "/list": {
      get: {
        responses: { 200: { description: "ok", content: { "application/json": { schema: { type: "array" } } } } },
      },
    },
  },
};
const strict = await validate(structuredClone(document));
const rules = { openapi: { "array-without-items": "warning" } };
const lenient = await validate(structuredClone(document), { validate: { rules } });
console.log("by default:", strict.valid ? "valid" : strict.errors.map(({ message }) => message).join());
console.log("with the rule as a warning:", lenient.valid ? "valid" : "invalid");
process.exitCode = !strict.valid && lenient.valid ? 0 : 1;
JS
node finding.mjs
