import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../src/serve.ts";
import { example } from "../src/subject.ts";

test("a request is answered with server-sent events, the last of which is the result", async () => {
  await using server = await serve(0);
  const response = await fetch(server.url, { method: "POST", body: example.text });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const events = (await response.text()).trim().split("\n\n");
  const [, data = ""] = /^event: result\ndata: (.*)$/.exec(events.at(-1) ?? "") ?? [];
  assert.ok((JSON.parse(data) as string).startsWith(example.answer), data);
});
