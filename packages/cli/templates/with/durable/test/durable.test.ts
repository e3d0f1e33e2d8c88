import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { open } from "../src/durable.ts";
import { example } from "../src/subject.ts";

test("a run that is asked for again finds its outcome, after a restart, too", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "durable-"));
  try {
    const answers: string[] = [];
    for (let start = 0; start < 2; start += 1) {
      await using running = await open(path.join(folder, "checkpoints.db"));
      answers.push(await running.answer("one", example.text));
    }
    assert.ok(answers[0]?.startsWith(example.answer), answers[0]);
    assert.equal(answers[1], answers[0]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
