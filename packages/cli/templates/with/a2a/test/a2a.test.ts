import assert from "node:assert/strict";
import { test } from "node:test";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { create, remoteNode, shape } from "penguiflow";
import { serveA2A } from "../src/a2a.ts";
import { example } from "../src/subject.ts";

test("a remote node asks the agent over A2A", async () => {
  await using agent = await serveA2A(0);
  const ask = remoteNode("ask", {
    transport: new A2AClientTransport(),
    agentUrl: agent.url,
    skill: "ask",
    input: shape<string>(),
    output: shape<string>(),
    policy: { timeoutMs: 30_000 },
  });
  await using caller = create(ask.to(), { name: "caller" }).run();
  const answer = await caller.call(example.text);
  assert.ok(answer.startsWith(example.answer), answer);
});
