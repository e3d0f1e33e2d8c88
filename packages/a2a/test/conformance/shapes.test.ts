import { describe, expect, test } from "vitest";
import { readCard, readEvent, readRpcAnswer, readTask } from "./shapes.ts";

const status = { state: "TASK_STATE_COMPLETED", timestamp: "2026-01-01T00:00:00.000Z" };
const message = { messageId: "m", role: "ROLE_AGENT", parts: [{ text: "" }] };
const task = {
  id: "t",
  contextId: "c",
  status,
  artifacts: [{ artifactId: "a", parts: [{ data: null }] }],
  history: [message],
};

describe("the data model", () => {
  test("takes what is right", () => {
    expect(readTask(task)).toBe(task);
    expect(readEvent({ statusUpdate: { taskId: "t", contextId: "c", status } })).toBeDefined();
  });

  test.each([
    ["a field is missing", { ...task, status: undefined }, "task.status must be an object"],
    ["a field is not known", { ...task, context_id: "c" }, "task.context_id is no field of it"],
    [
      "a list is empty that must not be",
      { ...task, history: [{ ...message, parts: [] }] },
      "history[0].parts must be a list of 1",
    ],
    ["a part is nothing", { ...task, history: [{ ...message, parts: [{}] }] }, "must have one of text, raw, url, data"],
    ["a part is two things", { ...task, history: [{ ...message, parts: [{ text: "", url: "u" }] }] }, "has text, url"],
    ["a state is a number", { ...task, status: { ...status, state: 3 } }, "task.status.state must match"],
    ["a state is of 0.3", { ...task, status: { ...status, state: "completed" } }, "task.status.state must match"],
    [
      "a time has a zone",
      { ...task, status: { ...status, timestamp: "2026-01-01T00:00:00.000+01:00" } },
      "timestamp must match",
    ],
    [
      "a time has no milliseconds",
      { ...task, status: { ...status, timestamp: "2026-01-01T00:00:00Z" } },
      "timestamp must match",
    ],
    ["a text is empty that must not be", { ...task, id: "" }, "task.id must match"],
  ])("refuses a task when %s", (_, wrong, problem) => {
    expect(() => readTask(wrong)).toThrow(problem);
  });

  test("refuses an event that is two, an answer that is both, a card that is none", () => {
    expect(() => readEvent({ task, message })).toThrow("has task, message");
    expect(() => readRpcAnswer({ jsonrpc: "2.0", id: 1, result: 1, error: {} })).toThrow("has result, error");
    expect(() => readRpcAnswer({ jsonrpc: "1.0", id: 1, result: 1 })).toThrow("jsonrpc must match");
    expect(() => readCard({})).toThrow("card.name is missing");
  });
});
