#!/usr/bin/env bash
# Expected: z.fromJSONSchema gives a schema that refuses what the document refuses, or throws where it cannot; it does throw
#   for `not`, `if`, `dependentRequired` and `unevaluatedProperties`.
# Really: it drops other constraints without a word: a required property that `properties` does not list, `required` in a
#   branch of allOf or anyOf, limits without a `type`, keywords beside `$ref`. What Ajv refuses, it accepts.
# Versions: zod 4.6.7, ajv 8.20.0
# Date: 2026-11-30
# Why it matters: tools come with schemas that other people wrote, in which these forms are common ("one of the two must be
#   given"). Arguments of a model would pass unchecked. Our tool sources check with Ajv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact zod@4.6.7 ajv@8.20.0 > install.log
cat > finding.mjs <<'JS'
import { Ajv2020 } from "ajv/dist/2020.js";
import { z } from "zod";

const names = { a: { type: "string" }, b: { type: "string" } };
const cases = {
  "required, not among properties": [{ type: "object", properties: names, required: ["id"] }, {}],
  "required in allOf": [{ type: "object", properties: names, allOf: [{ required: ["a"] }] }, {}],
  "one of two required": [{ type: "object", properties: names, anyOf: [{ required: ["a"] }, { required: ["b"] }] }, {}],
  "properties without type": [{ properties: names, required: ["a"] }, {}],
  "minimum without type": [{ minimum: 5 }, 3],
  "minLength beside $ref": [{ $defs: { s: { type: "string" } }, type: "object", properties: { a: { $ref: "#/$defs/s", minLength: 3 } } }, { a: "x" }],
};
const ajv = new Ajv2020({ strict: false });
let dropped = 0;
for (const [name, [schema, value]] of Object.entries(cases)) {
  const strict = ajv.validate(schema, value);
  const { success } = z.fromJSONSchema(schema).safeParse(value);
  if (!strict && success) dropped += 1;
  console.log(`${name.padEnd(31)} Ajv ${strict ? "accepts" : "refuses"}, zod ${success ? "accepts" : "refuses"}`);
}
let threw = false;
try {
  z.fromJSONSchema({ not: { type: "string" } });
} catch (error) {
  threw = true;
  console.log(`not: throws "${error.message}"`);
}
const holds = dropped === Object.keys(cases).length && threw;
console.log(holds ? "constraints are dropped without a word" : "the behaviour has changed");
process.exit(holds ? 0 : 1);
JS
node finding.mjs
