import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpAgent } from "@ag-ui/client";
import { serveAgui } from "../src/agui.ts";
import { example } from "../src/subject.ts";

test("the official client chats with it", async () => {
  await using server = await serveAgui(0);
  const client = new HttpAgent({ url: server.url });
  client.addMessage({ id: "1", role: "user", content: example.text });
  const { result } = await client.runAgent();
  // a flow that streams nothing answers with the result of its run
  const said = client.messages.filter(({ role }) => role === "assistant").map(({ content }) => content);
  const answers = [result, ...said].filter((answer) => typeof answer === "string");
  assert.ok(
    answers.some((answer) => answer.startsWith(example.answer)),
    JSON.stringify(answers),
  );
});
