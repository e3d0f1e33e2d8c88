import { expect } from "vitest";
import { until } from "../waiting.ts";
import { answer, finished, rule, say, type Talk, taskIn, waiting } from "./rule.ts";

rule("CORE-SEND-001", async ({ wire }) => {
  expect(taskIn(await wire.ask("SendMessage", say("complete-task"))).status.state).toBe("TASK_STATE_COMPLETED");
  const { task, message } = await wire.ask("SendMessage", say("message-response"));
  expect(task).toBeUndefined();
  expect(message).toMatchObject({ role: "ROLE_AGENT", parts: [{ text: "Direct message response" }] });
});

rule("CORE-SEND-002", async ({ wire }) => {
  const { id } = await finished(wire);
  await wire.refused("SendMessage", say("complete-task", { taskId: id }), "UnsupportedOperationError");
  await wire.refused("SendStreamingMessage", say("complete-task", { taskId: id }), "UnsupportedOperationError");
  const failed = taskIn(await wire.ask("SendMessage", say("reject-task")));
  await wire.refused("SendMessage", say("complete-task", { taskId: failed.id }), "UnsupportedOperationError");
});

rule("CORE-SEND-003", async ({ wire }) => {
  const strange = say("send-003", { parts: [{ raw: "dGNr", mediaType: "application/x-unsupported-tck-type" }] });
  await wire.refused("SendMessage", strange, "ContentTypeNotSupportedError");
  await wire.refused("SendStreamingMessage", strange, "ContentTypeNotSupportedError");
});

rule("CORE-EXECUTION-MODE-001", async (talk) => {
  const { wire, clock } = talk;
  let isAnswered = false;
  const sent = wire.ask("SendMessage", say("delayed-complete", {}, { returnImmediately: false }));
  void sent.then(() => (isAnswered = true));
  await atWork(talk);
  expect(isAnswered).toBe(false);
  await clock.advance(2_000);
  expect(taskIn(await sent)).toMatchObject({
    status: { state: "TASK_STATE_COMPLETED" },
    artifacts: [{ parts: [{ text: "Hello from TCK" }] }],
  });
});

rule(
  "CORE-EXECUTION-MODE-001",
  async ({ wire }) => {
    const task = await waiting(wire);
    expect(task.status.state).toBe("TASK_STATE_INPUT_REQUIRED");
    expect((await answer(wire, task)).status.state).toBe("TASK_STATE_COMPLETED");
    const signIn = taskIn(await wire.ask("SendMessage", say("auth-required")));
    expect(signIn.status.state).toBe("TASK_STATE_AUTH_REQUIRED");
  },
  { detail: "or interrupted" },
);

rule("CORE-EXECUTION-MODE-002", async (talk) => {
  const { wire, clock } = talk;
  const { id, status } = taskIn(
    await wire.ask("SendMessage", say("delayed-complete", {}, { returnImmediately: true })),
  );
  expect(status.state).toMatch(/^TASK_STATE_(?:SUBMITTED|WORKING)$/);
  await atWork(talk);
  await clock.advance(2_000);
  await until(async () => (await wire.ask("GetTask", { id })).status.state === "TASK_STATE_COMPLETED");
});

rule("CORE-MULTI-001", async ({ wire }) => {
  expect((await finished(wire)).contextId).not.toBe("");
});

rule("CORE-MULTI-001a", async ({ wire }) => {
  const { message } = await wire.ask("SendMessage", say("message-response"));
  expect(message?.contextId).toMatch(/./);
  const first = await finished(wire);
  const { contextId } = await wire.ask("GetTask", { id: first.id });
  expect(contextId).toBe(first.contextId);
  expect((await finished(wire)).contextId).not.toBe(contextId);
});

rule("CORE-MULTI-002", async ({ wire }) => {
  const task = taskIn(await wire.ask("SendMessage", say("complete-task", { contextId: "mine" })));
  expect(task.contextId).toBe("mine");
  const { message } = await wire.ask("SendMessage", say("message-response", { contextId: "mine" }));
  expect(message?.contextId).toBe("mine");
});

rule("CORE-MULTI-002a", async ({ wire }) => {
  const contexts = ["a", "ein Satz mit Leerzeichen", "企鹅", "x".repeat(1_000)];
  for (const contextId of contexts) {
    const { task } = await wire.ask("SendMessage", say("complete-task", { contextId }));
    expect(task?.contextId).toBe(contextId);
  }
});

rule("CORE-MULTI-003", async ({ wire }) => {
  const tasks = await Promise.all(Array.from({ length: 20 }, () => finished(wire)));
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(20);
  const same = say("complete-task");
  const first = taskIn(await wire.ask("SendMessage", same));
  expect(taskIn(await wire.ask("SendMessage", same)).id).not.toBe(first.id);
});

rule("CORE-MULTI-004", async ({ wire }) => {
  await wire.refused("SendMessage", say("complete-task", { taskId: "none" }), "TaskNotFoundError");
  await wire.refused("SendStreamingMessage", say("complete-task", { taskId: "none" }), "TaskNotFoundError");
});

rule("CORE-MULTI-005", async ({ wire }) => {
  const task = await waiting(wire);
  const after = await answer(wire, task);
  expect(after).toMatchObject({ id: task.id, contextId: task.contextId });
  const again = await waiting(wire);
  const stream = await wire.stream("SendStreamingMessage", say("complete-task", { taskId: again.id }));
  const contexts = (await stream.rest()).map(
    ({ task: whole, statusUpdate, artifactUpdate }) => (whole ?? statusUpdate ?? artifactUpdate)?.contextId,
  );
  expect(new Set(contexts)).toEqual(new Set([again.contextId]));
});

rule("CORE-MULTI-006", async ({ wire }) => {
  const { id } = await waiting(wire);
  const elsewhere = say("complete-task", { taskId: id, contextId: "another" });
  await wire.refused("SendMessage", elsewhere, "InvalidParamsError");
  expect((await wire.ask("GetTask", { id })).status.state).toBe("TASK_STATE_INPUT_REQUIRED");
});

/** Resolves when the agent sleeps in a task. */
async function atWork({ clock }: Talk): Promise<void> {
  await until(async () => clock.timers > 0);
}
