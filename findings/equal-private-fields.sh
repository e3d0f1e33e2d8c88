#!/usr/bin/env bash
# Expected: toStrictEqual and assert.deepStrictEqual tell apart two objects whose public getters give different values.
# Really: they compare own properties only. With the values in #private fields there are none, and any two instances are
#   equal: a test that compares them can never fail.
# Versions: vitest 5.1.0, node:assert of Node 20 and 24
# Date: 2026-11-29
# Why it matters: private fields behind getters would be a cheaper way to make messages immutable than Object.freeze, and
#   the tests of our users would then compare nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error --save-exact vitest@5.1.0 > install.log
cat > finding.test.mjs <<'JS'
import assert from "node:assert/strict";
import { expect, test } from "vitest";

class Message {
  #payload;
  constructor(payload) {
    this.#payload = payload;
  }
  get payload() {
    return this.#payload;
  }
}

test("different messages are equal", () => {
  const [one, other] = [new Message("one"), new Message("another")];
  expect(one.payload).not.toBe(other.payload);
  expect(one).toEqual(other);
  expect(one).toStrictEqual(other);
  assert.deepStrictEqual(one, other);
});
JS
npx vitest run --reporter=verbose
