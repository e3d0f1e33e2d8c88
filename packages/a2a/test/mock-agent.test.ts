import { A2AMock } from "@copilotkit/aimock/a2a";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { create, remoteNode, shape } from "penguiflow";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";

/** Serves an independent implementation of an agent, without our code or the SDK's. */
async function mock(streaming: boolean, prepare: (mock: A2AMock) => void): Promise<string> {
  const agent = new A2AMock();
  agent.registerAgent({ name: "mock", skills: [{ id: "main", name: "main" }], capabilities: { streaming } });
  prepare(agent);
  const url = await agent.start();
  onTestFinished(() => agent.stop());
  return url;
}

function flowOf(agentUrl: string) {
  const ask = remoteNode("ask", {
    transport: new A2AClientTransport({ pollMs: 5 }),
    agentUrl,
    skill: "main",
    input: shape<string>(),
    output: z.unknown(),
    streaming: true,
  });
  return create(ask.to());
}

test("a mock of another make answers with a message, and with a task", async () => {
  const url = await mock(false, (agent) => {
    agent.onMessage("mock", "message", [{ text: "just a message" }]);
    agent.onTask("mock", "task", [{ parts: [{ data: { sum: 42 } }] }]);
  });
  await using flow = flowOf(url);
  flow.run();
  expect(await flow.call("a message")).toBe("just a message");
  expect(await flow.call("a task")).toEqual({ sum: 42 });
  expect(await flow.outcome("no such pattern")).toMatchObject({ status: "failed", error: { node: "ask" } });
});

test("a stream with artifacts at a place of its own making is read to its end, and has no answer in it", async () => {
  const url = await mock(true, (agent) =>
    agent.onStreamingTask("mock", "spell", [
      { type: "artifact", parts: [{ text: "one" }], name: "answer" },
      { type: "status", state: "TASK_STATE_COMPLETED" },
    ]),
  );
  await using flow = flowOf(url);
  flow.run();
  expect(await flow.outcome("spell")).toMatchObject({ status: "empty", lastNode: "ask" });
});
