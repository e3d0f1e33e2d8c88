#!/usr/bin/env bash
# Expected: fromJsonSchema(schema) makes a schema that checks what `schema` says.
# Really: two JSON Schemas with the same $id get the checks of the first. All calls share one validator, which keeps every
#   schema that it has compiled, and looks an $id up before it compiles.
# Versions: @modelcontextprotocol/client 2.4.0, Node 20 and 24
# Date: 2026-11-30
# Why it matters: schemas come from servers. A tool that has changed its schema but not the $id, or another server's tool
#   with that $id, would be checked by the old one; and each list that is read would stay in memory. We give each schema a
#   validator of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact @modelcontextprotocol/client@2.4.0 > install.log
cat > finding.mjs <<'JS'
import { fromJsonSchema } from "@modelcontextprotocol/client";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/client/validators/ajv";

const $id = "https://example.com/input";
const text = { $id, type: "object", properties: { value: { type: "string" } }, required: ["value"] };
const number = { $id, type: "object", properties: { value: { type: "number" } }, required: ["value"] };
const says = (schema, value) => {
  const { issues } = schema["~standard"].validate({ value });
  return issues === undefined ? "fits" : issues[0].message;
};

fromJsonSchema(text);
const second = fromJsonSchema(number);
const apart = fromJsonSchema(number, new AjvJsonSchemaValidator());
const [seven, word, alone] = [says(second, 7), says(second, "seven"), says(apart, 7)];
console.log(`the schema of a number, made second: 7 ${seven}; "seven" ${word}`);
console.log(`the same with a validator of its own: 7 ${alone}`);
process.exitCode = seven !== "fits" && word === "fits" && alone === "fits" ? 0 : 1;
JS
node finding.mjs
