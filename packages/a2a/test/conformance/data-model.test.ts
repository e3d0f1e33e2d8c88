import { expect } from "vitest";
import { answer, finished, rule, say, taskIn, waiting } from "./rule.ts";
import type { Event, Message, Part, Status } from "./shapes.ts";
import type { Json, WireClient } from "./wire-client.ts";

const SCENARIOS = [
  "complete-task",
  "artifact-text",
  "artifact-file",
  "artifact-file-url",
  "artifact-data",
  "input-required",
  "auth-required",
  "reject-task",
  "message-response",
  "stream-artifact-chunked",
];

/** Collects everything the agent can send: the answers and streams of all scenarios. */
async function everything(wire: WireClient): Promise<readonly Event[]> {
  const events: Event[] = [];
  for (const scenario of SCENARIOS) {
    events.push(await wire.ask("SendMessage", say(scenario)));
    events.push(...(await (await wire.stream("SendStreamingMessage", say(scenario))).rest()));
  }
  const { id } = await waiting(wire);
  events.push({ task: await wire.ask("CancelTask", { id }) });
  events.push({ task: await answer(wire, await waiting(wire)) });
  return events;
}

const statusesIn = (events: readonly Event[]): Status[] =>
  events.flatMap(({ task, statusUpdate }) => (task ?? statusUpdate)?.status ?? []);

const messagesIn = (events: readonly Event[]): Message[] => [
  ...events.flatMap(({ task, message }) => [...(message === undefined ? [] : [message]), ...(task?.history ?? [])]),
  ...statusesIn(events).flatMap(({ message }) => message ?? []),
];

const partsIn = (events: readonly Event[]): Part[] => [
  ...messagesIn(events).flatMap(({ parts }) => parts),
  ...events.flatMap(({ task }) => task?.artifacts ?? []).flatMap(({ parts }) => parts),
  ...events.flatMap(({ artifactUpdate }) => artifactUpdate?.artifact.parts ?? []),
];

/** Yields every field of an object and of nested objects. */
function* fieldsIn(value: unknown): Generator<readonly [name: string, value: unknown]> {
  if (typeof value !== "object" || value === null) return;
  for (const [name, field] of Object.entries(value)) {
    if (!Array.isArray(value)) yield [name, field];
    // metadata and data belong to callers and flows
    if (name !== "metadata" && name !== "data") yield* fieldsIn(field);
  }
}

rule("DM-TASK-001", async ({ wire }) => {
  const tasks = (await everything(wire)).flatMap(({ task }) => task ?? []);
  expect(tasks.length).toBeGreaterThan(15);
  for (const { id, contextId, status } of tasks) {
    expect([id, contextId]).toEqual([expect.stringMatching(/^[\da-f-]{36}$/), expect.stringMatching(/./)]);
    expect(status.timestamp).toMatch(/./);
  }
});

rule("DM-TASK-002", async ({ wire }) => {
  const states = new Set(statusesIn(await everything(wire)).map(({ state }) => state));
  expect([...states].toSorted()).toEqual([
    "TASK_STATE_AUTH_REQUIRED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_WORKING",
  ]);
});

rule("DM-MSG-001", async ({ wire }) => {
  const ids = messagesIn(await everything(wire)).map(({ messageId }) => messageId);
  expect(ids.length).toBeGreaterThan(20);
  const { message } = await wire.ask("SendMessage", say("message-response"));
  // a message without a task has a context only
  expect(message).toHaveProperty("contextId");
  expect(message).not.toHaveProperty("taskId");
});

rule("DM-MSG-002", async ({ wire }) => {
  const roles = new Set(messagesIn(await everything(wire)).map(({ role }) => role));
  expect(roles).toEqual(new Set(["ROLE_USER", "ROLE_AGENT"]));
});

rule("DM-PART-001", async ({ wire }) => {
  const kinds = ["text", "raw", "url", "data"] as const;
  const found = partsIn(await everything(wire)).map((part) => kinds.filter((kind) => part[kind] !== undefined));
  expect(new Set(found.flat())).toEqual(new Set(kinds));
  const artifacts = async (scenario: string) => taskIn(await wire.ask("SendMessage", say(scenario))).artifacts;
  const file = { filename: "output.txt", mediaType: "text/plain" };
  expect(await artifacts("artifact-file")).toMatchObject([{ parts: [{ raw: "dGNr", ...file }] }]);
  expect(await artifacts("artifact-file-url")).toMatchObject([
    { parts: [{ url: "https://example.com/output.txt", ...file }] },
  ]);
  expect(await artifacts("artifact-data")).toMatchObject([{ parts: [{ data: { key: "value", count: 42 } }] }]);
});

rule("DM-ART-001", async ({ wire }) => {
  const tasks = (await everything(wire)).flatMap(({ task }) => task ?? []);
  const ids = tasks.map(({ artifacts = [] }) => artifacts.map(({ artifactId }) => artifactId));
  expect(ids.flat().length).toBeGreaterThan(5);
  for (const list of ids) expect(new Set(list).size).toBe(list.length);
});

rule("DM-STATUS-001", async ({ wire }) => {
  const statuses = statusesIn(await everything(wire));
  expect(statuses.length).toBeGreaterThan(20);
  expect(statuses.every(({ state }) => state.startsWith("TASK_STATE_"))).toBe(true);
});

rule("DM-SERIAL-001", async ({ wire }) => {
  const names = new Set(Array.from(fieldsIn(await everything(wire)), ([name]) => name));
  expect(names).toContain("artifactUpdate");
  expect([...names].filter((name) => !/^[a-z][A-Za-z]*$/.test(name))).toEqual([]);
});

rule("DM-SERIAL-002", async ({ wire }) => {
  const values = Array.from(fieldsIn(await everything(wire))).filter(([name]) => name === "state" || name === "role");
  expect(values.length).toBeGreaterThan(40);
  for (const [, value] of values) expect(value).toMatch(/^(?:TASK_STATE|ROLE)_[A-Z_]+$/);
});

rule("DM-SERIAL-003", async ({ wire }) => {
  const times = statusesIn(await everything(wire)).map(({ timestamp }) => timestamp ?? "");
  expect(times.length).toBeGreaterThan(20);
  for (const time of times) expect(new Date(time).toISOString()).toBe(time);
});

rule("DM-SERIAL-004", async ({ wire }) => {
  // every test here validates answers; this one validates requests
  const without = (field: string): Json => {
    const { message } = say("complete-task") as { message: Json };
    return { message: Object.fromEntries(Object.entries(message).filter(([name]) => name !== field)) };
  };
  for (const operation of ["SendMessage", "SendStreamingMessage"] as const) {
    for (const field of ["messageId", "role", "parts"])
      await wire.refused(operation, without(field), "InvalidParamsError");
    await wire.refused(operation, say("complete-task", { parts: [] }), "InvalidParamsError");
    await wire.refused(operation, say("complete-task", { parts: [{ filename: "empty" }] }), "InvalidParamsError");
    await wire.refused(operation, {}, "InvalidParamsError");
  }
  // null is data
  const none = say("complete-task", { parts: [{ data: null, mediaType: "application/json" }] });
  expect(taskIn(await wire.ask("SendMessage", none)).status.state).toBe("TASK_STATE_COMPLETED");
});

rule("DM-SERIAL-005", async ({ wire }) => {
  const said = { ...say("complete-task", { tomorrow: 1, parts: [{ text: "Hello", mood: "good" }] }), weather: "fine" };
  expect(taskIn(await wire.ask("SendMessage", said)).status.state).toBe("TASK_STATE_COMPLETED");
  const { id } = await finished(wire);
  expect((await wire.ask("GetTask", { id, tomorrow: 1 })).id).toBe(id);
});
