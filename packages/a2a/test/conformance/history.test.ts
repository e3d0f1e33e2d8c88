import { expect } from "vitest";
import { answer, finished, rule, say, taskIn, waiting } from "./rule.ts";
import type { WireClient } from "./wire-client.ts";

/** Creates a task with a conversation: a request, a question back and its answer. */
async function spokenOf(wire: WireClient) {
  return await answer(wire, await waiting(wire));
}

rule("CORE-HIST-001", async ({ wire }) => {
  const { id } = await spokenOf(wire);
  expect(await wire.ask("GetTask", { id, historyLength: 0 })).not.toHaveProperty("history");
  for (const task of (await wire.ask("ListTasks", { historyLength: 0 })).tasks)
    expect(task).not.toHaveProperty("history");
});

rule("CORE-HIST-002", async ({ wire }) => {
  const { id, history = [] } = await spokenOf(wire);
  expect(history.length).toBe(3);
  for (const historyLength of [1, 2, 3, 10]) {
    const newest = history.slice(-historyLength);
    expect((await wire.ask("GetTask", { id, historyLength })).history).toEqual(newest);
    expect((await wire.ask("ListTasks", { historyLength })).tasks.map((task) => task.history)).toEqual([newest]);
  }
  const task = await waiting(wire);
  const sent = await wire.ask("SendMessage", say("complete-task", { taskId: task.id }, { historyLength: 1 }));
  expect(taskIn(sent).history?.length).toBe(1);
});

rule("CORE-HIST-003", async ({ wire }) => {
  const { id } = await waiting(wire);
  const sent = await wire.ask("SendMessage", say("complete-task", { taskId: id }, { historyLength: 0 }));
  expect(taskIn(sent)).not.toHaveProperty("history");
});

rule("CORE-HIST-004", async ({ wire }) => {
  const { id } = await finished(wire);
  expect((await wire.ask("GetTask", { id, historyLength: 10 })).history?.length).toBe(1);
});

rule("CORE-HIST-005", async ({ wire }) => {
  const { history = [] } = await spokenOf(wire);
  expect(history.map(({ role }) => role)).toEqual(["ROLE_USER", "ROLE_AGENT", "ROLE_USER"]);
});

rule("CORE-HIST-006", async ({ wire }) => {
  const parts = [
    { text: "Grüße" },
    { data: { list: [1, null, true] } },
    { url: "https://example.com/a", filename: "a" },
  ];
  const said = say("complete-task", { parts, metadata: { topic: "penguins" } });
  const { history } = taskIn(await wire.ask("SendMessage", said));
  expect(history).toMatchObject([said["message"]]);
});
