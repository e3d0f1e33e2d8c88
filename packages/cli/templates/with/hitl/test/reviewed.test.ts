import assert from "node:assert/strict";
import { test } from "node:test";
import { reviewed } from "../src/reviewed.ts";
import { example, runOptions } from "../src/subject.ts";

test("a result goes out once a person has approved it, as the person has changed it", async () => {
  await using running = reviewed.start(runOptions);
  const waiting = await running.outcome(example.text);
  assert.equal(waiting.status, "paused");
  const [pause] = waiting.status === "paused" ? waiting.pauses : [];
  assert.ok(String(pause?.payload).startsWith(example.answer), String(pause?.payload));
  await assert.rejects(running.pauses.resume(pause?.token ?? "", "yes"), { code: "RESUME_INVALID" });
  const outcome = await running.pauses.resume(pause?.token ?? "", { approved: true, text: "better" });
  assert.equal(outcome.status, "completed");
  assert.equal(outcome.results[0], "better");
});
