import { expect } from "vitest";
import { until } from "../waiting.ts";
import { answer, finished, rule, say, taskIn, waiting } from "./rule.ts";
import type { Event } from "./shapes.ts";

/** Lists the states of a task in its events, in order. */
const statesIn = (events: readonly Event[]): string[] =>
  events.flatMap(({ task, statusUpdate }) => (task ?? statusUpdate)?.status.state ?? []);

const textIn = (events: readonly Event[]): string =>
  events
    .flatMap(({ artifactUpdate }) => artifactUpdate?.artifact.parts ?? [])
    .map(({ text = "" }) => text)
    .join("");

rule("CORE-STREAM-001", async ({ wire }) => {
  const events = await (await wire.stream("SendStreamingMessage", say("stream-001"))).rest();
  expect(textIn(events)).toBe("Stream hello from TCK");
});

rule(
  "CORE-STREAM-001",
  async ({ wire, clock }) => {
    const stream = await wire.stream("SendStreamingMessage", say("delayed-complete"));
    expect(taskIn(await stream.next()).status.state).toMatch(/SUBMITTED|WORKING/);
    await until(async () => clock.timers > 0);
    await clock.advance(2_000);
    expect(statesIn(await stream.rest()).at(-1)).toBe("TASK_STATE_COMPLETED");
  },
  { detail: "events come when they happen" },
);

rule("CORE-STREAM-002", async ({ wire }) => {
  const events = await (await wire.stream("SendStreamingMessage", say("message-response"))).rest();
  expect(events).toMatchObject([{ message: { role: "ROLE_AGENT", parts: [{ text: "Direct message response" }] } }]);
});

rule("CORE-STREAM-003", async ({ wire }) => {
  for (const scenario of ["stream-003", "stream-002", "stream-artifact-file", "stream-artifact-chunked"]) {
    const events = await (await wire.stream("SendStreamingMessage", say(scenario))).rest();
    const { id, contextId } = taskIn(events[0]);
    for (const { task, statusUpdate, artifactUpdate } of events.slice(1)) {
      expect(task).toBeUndefined();
      expect(statusUpdate ?? artifactUpdate).toMatchObject({ taskId: id, contextId });
    }
    expect(statesIn(events).at(-1)).toBe("TASK_STATE_COMPLETED");
    expect(events.at(-1)?.statusUpdate?.status.state).toBe("TASK_STATE_COMPLETED");
  }
});

rule("STREAM-ORDER-001", async ({ wire }) => {
  const events = await (await wire.stream("SendStreamingMessage", say("stream-ordering-001"))).rest();
  expect(statesIn(events)).toEqual(["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"]);
  const chunked = await (await wire.stream("SendStreamingMessage", say("stream-artifact-chunked"))).rest();
  const pieces = chunked.flatMap(({ artifactUpdate }) => artifactUpdate?.artifact.parts.map(({ text }) => text) ?? []);
  expect(pieces.slice(0, 2)).toEqual(["chunk-1 ", "chunk-2"]);
  const appended = chunked.flatMap(({ artifactUpdate }) => (artifactUpdate === undefined ? [] : [artifactUpdate]));
  expect(appended.slice(0, 2).map(({ append = false }) => append)).toEqual([false, true]);
});

rule("STREAM-ORDER-002", async ({ wire }) => {
  const task = await waiting(wire);
  const streams = [
    await wire.stream("SubscribeToTask", { id: task.id }),
    await wire.stream("SubscribeToTask", { id: task.id }),
  ];
  for (const stream of streams) expect(taskIn(await stream.next()).id).toBe(task.id);
  await answer(wire, task);
  for (const stream of streams) expect(statesIn(await stream.rest()).at(-1)).toBe("TASK_STATE_COMPLETED");
});

rule("STREAM-ORDER-003", async ({ as }) => {
  const rpc = as({}, "JSON-RPC");
  const rest = as({}, "HTTP+JSON");
  const task = await waiting(rpc);
  const streams = [];
  for (const wire of [rpc, rest, rpc, rest]) streams.push(await wire.stream("SubscribeToTask", { id: task.id }));
  await answer(rest, task);
  const [first, ...others] = await Promise.all(streams.map((stream) => stream.rest()));
  expect(first?.length).toBeGreaterThan(2);
  for (const other of others) expect(other).toEqual(first);
});

rule("STREAM-ORDER-004", async ({ wire }) => {
  const task = await waiting(wire);
  const leaving = await wire.stream("SubscribeToTask", { id: task.id });
  const staying = await wire.stream("SubscribeToTask", { id: task.id });
  await leaving.next();
  await leaving.close();
  await answer(wire, task);
  expect(statesIn(await staying.rest()).at(-1)).toBe("TASK_STATE_COMPLETED");
  const sender = await wire.stream("SendStreamingMessage", say("delayed-complete"));
  const { id } = taskIn(await sender.next());
  const reader = await wire.stream("SubscribeToTask", { id });
  await sender.close();
  await wire.ask("CancelTask", { id });
  expect(statesIn(await reader.rest()).at(-1)).toBe("TASK_STATE_CANCELED");
});

rule("STREAM-SUB-001", async ({ wire }) => {
  const task = await waiting(wire);
  const stream = await wire.stream("SubscribeToTask", { id: task.id });
  expect(taskIn(await stream.next())).toEqual(await wire.ask("GetTask", { id: task.id }));
  await stream.close();
});

rule("STREAM-SUB-002", async ({ wire, clock }) => {
  const working = taskIn(await wire.ask("SendMessage", say("delayed-complete", {}, { returnImmediately: true })));
  const stream = await wire.stream("SubscribeToTask", { id: working.id });
  await until(async () => clock.timers > 0);
  await clock.advance(2_000);
  expect(statesIn(await stream.rest()).at(-1)).toBe("TASK_STATE_COMPLETED");
  const paused = await waiting(wire);
  const cancelled = await wire.stream("SubscribeToTask", { id: paused.id });
  await cancelled.next();
  await wire.ask("CancelTask", { id: paused.id });
  expect(statesIn(await cancelled.rest())).toEqual(["TASK_STATE_CANCELED"]);
});

rule("STREAM-SUB-003", async ({ wire }) => {
  await wire.refused("SubscribeToTask", { id: (await finished(wire)).id }, "UnsupportedOperationError");
});

rule("STREAM-SUB-004", async ({ wire }) => {
  await wire.refused("SubscribeToTask", { id: "none" }, "TaskNotFoundError");
});
