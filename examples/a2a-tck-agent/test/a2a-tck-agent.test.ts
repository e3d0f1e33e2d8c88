import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { quietly } from "../../test/quietly.ts";
import { main } from "../main.ts";

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

type Json = Record<string, unknown>;

/** Sends requests as the specification writes them, without an SDK, as the kit does. */
async function start() {
  const app = await quietly(() => main(0));
  onTestFinished(() => app.close());
  const { url } = app.adapter;
  const headers = { "content-type": "application/json", "A2A-Version": "1.0" };
  const rest = async (path: string, body?: unknown, method = body === undefined ? "GET" : "POST") => {
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(`${url}/a2a/rest${path}`, init);
    return { status: response.status, json: (await response.json()) as Json };
  };
  const rpc = async (method: string, params: unknown): Promise<Json> => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch(`${url}/a2a/jsonrpc`, { method: "POST", headers, body });
    return (await response.json()) as Json;
  };
  return { url, rest, rpc, headers };
}

const message = (messageId: string, more: Json = {}) => ({
  message: { role: "ROLE_USER", parts: [{ text: "Hello" }], messageId, ...more },
});

describe("the agent of the compatibility kit", () => {
  test.each([
    ["tck-complete-task-1", [{ text: "Hello from TCK" }]],
    ["tck-artifact-text-1", [{ text: "Generated text content" }]],
    ["tck-artifact-file-1", [{ raw: "dGNr", filename: "output.txt", mediaType: "text/plain" }]],
    ["tck-artifact-file-url-1", [{ url: "https://example.com/output.txt", filename: "output.txt" }]],
    ["tck-artifact-data-1", [{ data: { key: "value", count: 42 } }]],
  ])("%s", async (messageId, parts) => {
    const { rest, rpc } = await start();
    const wanted = { task: { status: { state: "TASK_STATE_COMPLETED" }, artifacts: [{ parts }] } };
    expect((await rest("/message:send", message(messageId))).json).toMatchObject(wanted);
    expect(await rpc("SendMessage", message(messageId))).toMatchObject({ result: wanted });
  });

  test("a message as the answer, and a task that fails", async () => {
    const { rest, rpc } = await start();
    const reply = { message: { role: "ROLE_AGENT", parts: [{ text: "Direct message response" }] } };
    expect((await rest("/message:send", message("tck-message-response-1"))).json).toMatchObject(reply);
    expect(await rpc("SendMessage", message("tck-reject-task-1"))).toMatchObject({
      result: { task: { status: { state: "TASK_STATE_FAILED" } } },
    });
  });

  test("a task that waits for an authorization says so, and goes on", async () => {
    const { rest } = await start();
    const { json } = await rest("/message:send", message("tck-auth-required-1"));
    expect(json).toMatchObject({ task: { status: { state: "TASK_STATE_AUTH_REQUIRED" } } });
    const { id } = (json as { task: { id: string } }).task;
    const signedIn = await rest("/message:send", message("tck-signed-in", { taskId: id }));
    expect(signedIn.json).toMatchObject({ task: { id, status: { state: "TASK_STATE_COMPLETED" } } });
  });

  test("a send waits for the end, unless it is told not to", async () => {
    const { rest } = await start();
    const configuration = { returnImmediately: true };
    const { json } = await rest("/message:send", { ...message("tck-delayed-complete-1"), configuration });
    expect(json).toMatchObject({ task: { status: { state: "TASK_STATE_WORKING" } } });
    const waited = await rest("/message:send", message("tck-delayed-complete-1"));
    expect(waited.json).toMatchObject({ task: { status: { state: "TASK_STATE_COMPLETED" } } });
  });

  test("who subscribes to a task that waits for input reads on when the input comes, to the end", async () => {
    const { url, rest, headers } = await start();
    const asked = (await rest("/message:send", message("tck-input-required-1"))).json as { task: { id: string } };
    expect(asked).toMatchObject({ task: { status: { state: "TASK_STATE_INPUT_REQUIRED" } } });
    const { id } = asked.task;
    const stream = await fetch(`${url}/a2a/rest/tasks/${id}:subscribe`, { method: "POST", headers });
    const answer = await rest("/message:send", message("tck-complete-task-1", { taskId: id }));
    expect(answer.json).toMatchObject({ task: { id, status: { state: "TASK_STATE_COMPLETED" } } });
    const events = (await stream.text()).split("\n\n").filter(Boolean);
    expect(JSON.parse(events[0]?.slice(5) ?? "")).toMatchObject({ task: { id } });
    expect(events.at(-1)).toContain("TASK_STATE_COMPLETED");
  });

  test("its card is there for whoever names no version, as the kit does", async () => {
    const { url } = await start();
    const response = await fetch(`${url}/.well-known/agent-card.json`);
    // the kit validates strictly: fields of version 0.3 are errors
    expect(await response.json()).toMatchObject({
      name: "PenguiFlow under the compatibility kit",
      capabilities: { streaming: true, pushNotifications: true },
      skills: [{ id: "tck" }],
      supportedInterfaces: [
        { protocolBinding: "JSONRPC", protocolVersion: "1.0" },
        { protocolBinding: "HTTP+JSON", protocolVersion: "1.0" },
      ],
    });
  });
});
