import { expect } from "vitest";
import { options } from "../../../../examples/a2a-tck-agent/main.ts";
import { finished, rule, say, waiting } from "./rule.ts";
import { readRestError, readRpcAnswer, readRpcError } from "./shapes.ts";
import { BINDINGS, type BindingName, type ErrorName, type Json, mediaTypeOf, type Operation } from "./wire-client.ts";

const { pushNotifications, ...silent } = options;

const REQUIRED = {
  uri: "urn:a2a:tck:required-extension",
  description: "Asked of all",
  required: true,
  params: undefined,
};

/** Lists the requests that provoke each error of the agent. `id` is that of a finished task. */
const provoking = (id: string): readonly (readonly [ErrorName, Operation, Json])[] => [
  ["TaskNotFoundError", "GetTask", { id: "none" }],
  ["TaskNotFoundError", "CancelTask", { id: "none" }],
  ["TaskNotFoundError", "SubscribeToTask", { id: "none" }],
  ["TaskNotFoundError", "SendMessage", say("complete-task", { taskId: "none" })],
  ["TaskNotCancelableError", "CancelTask", { id }],
  ["UnsupportedOperationError", "SubscribeToTask", { id }],
  ["UnsupportedOperationError", "SendMessage", say("complete-task", { taskId: id })],
  ["UnsupportedOperationError", "GetExtendedAgentCard", {}],
  ["ContentTypeNotSupportedError", "SendMessage", say("x", { parts: [{ raw: "dGNr", mediaType: "a/b" }] })],
  ["InvalidParamsError", "ListTasks", { pageSize: 0 }],
  ["InvalidParamsError", "SendMessage", say("x", { parts: [] })],
];

rule("CORE-ERR-001", async ({ wire }) => {
  const { id } = await finished(wire);
  for (const [name, operation, params] of provoking(id)) await wire.refused(operation, params, name);
});

rule("CORE-ERR-002", async ({ wire }) => {
  const { id } = await waiting(wire);
  const wrong: readonly (readonly [Operation, Json])[] = [
    ["SendMessage", {}],
    ["SendMessage", { message: "Hello" }],
    ["SendMessage", say("x", { messageId: "" })],
    ["SendMessage", say("x", { role: "ROLE_KING" })],
    ["SendMessage", say("x", { parts: "Hello" })],
    ["SendMessage", say("complete-task", { taskId: id }, { historyLength: -1 })],
    ["GetTask", { id, historyLength: -1 }],
    ["ListTasks", { historyLength: -1 }],
    ["ListTasks", { pageSize: 0 }],
    ["ListTasks", { pageSize: 101 }],
    ["ListTasks", { pageToken: "nonsense" }],
    ["ListTasks", { status: "TASK_STATE_RUNNING" }],
    ["ListTasks", { statusTimestampAfter: "yesterday" }],
  ];
  for (const [operation, params] of wrong) await wire.refused(operation, params, "InvalidParamsError");
  const { tasks } = await wire.ask("ListTasks", {});
  expect(tasks.map(({ status }) => status.state)).toEqual(["TASK_STATE_INPUT_REQUIRED"]);
});

rule(
  "CORE-CAP-001",
  async ({ wire }) => {
    const { id } = await finished(wire);
    const at = { taskId: id, id: "wish" };
    const name = "PushNotificationNotSupportedError";
    await wire.refused("CreateTaskPushNotificationConfig", { ...at, url: "https://example.com" }, name);
    await wire.refused("GetTaskPushNotificationConfig", at, name);
    await wire.refused("ListTaskPushNotificationConfigs", { taskId: id }, name);
    await wire.refused("DeleteTaskPushNotificationConfig", at, name);
    await wire.refused("GetTaskPushNotificationConfig", { ...at, taskId: "none" }, name);
  },
  { agent: silent },
);

rule("CORE-CAP-003", async ({ wire }) => {
  await wire.refused("GetExtendedAgentCard", {}, "UnsupportedOperationError");
});

rule("CORE-CAP-004", async ({ wire, adapter }) => {
  adapter.card.capabilities?.extensions.push(REQUIRED);
  await wire.refused("SendMessage", say("complete-task"), "ExtensionSupportRequiredError");
  await wire.refused("SendStreamingMessage", say("complete-task"), "ExtensionSupportRequiredError");
  await wire.ask("SendMessage", say("complete-task"), { "A2A-Extensions": `https://example.com/a,${REQUIRED.uri}` });
});

rule("JSONRPC-ERR-001", async ({ wire }) => {
  for (const body of ["{", "[]", "{}", '"text"', "null", '{"jsonrpc":"2.0","id":{},"method":"GetTask"}'])
    expect(await post(wire.url, body)).toMatchObject({ status: 200, answer: { jsonrpc: "2.0", id: null } });
  const codes: readonly (readonly [body: string, code: number])[] = [
    ["{", -32_700],
    ["[]", -32_600],
    ['{"jsonrpc":"1.0","id":1,"method":"GetTask","params":{}}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"params":{}}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":"Nonsense","params":{}}', -32_601],
    ['{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}', -32_601],
    ['{"jsonrpc":"2.0","id":1,"method":"GetTask","params":[]}', -32_602],
    ['{"jsonrpc":"2.0","id":1,"method":"GetTask"}', -32_602],
  ];
  for (const [body, code] of codes) expect((await post(wire.url, body)).error.code).toBe(code);
});

rule(
  "JSONRPC-ERR-001",
  async ({ wire }) => {
    const tooLarge = await post(wire.url, JSON.stringify("x".repeat(2_000)));
    expect({ status: tooLarge.status, code: tooLarge.error.code }).toEqual({ status: 413, code: -32_600 });
    const response = await fetch(wire.url);
    expect(response.status).toBe(404);
    expect(readRpcError(readRpcAnswer(await response.json()).error).code).toBe(-32_600);
  },
  { detail: "before the SDK is reached, too", agent: { ...options, bodyLimit: "1kb" } },
);

rule("JSONRPC-ERR-002", async ({ wire }) => {
  const { id } = await finished(wire);
  for (const [name, operation, params] of provoking(id)) {
    const { response } = await wire.send(operation, params);
    const { code } = readRpcError(readRpcAnswer(await response.json()).error);
    if (name === "InvalidParamsError") expect(code).toBe(-32_602);
    else expect(code >= -32_099 && code <= -32_001).toBe(true);
  }
});

rule("JSONRPC-ERR-003", async ({ wire }) => {
  const { response } = await wire.send("GetTask", { id: "none" });
  const { data } = readRpcError(readRpcAnswer(await response.json()).error);
  const type = "type.googleapis.com/google.rpc.ErrorInfo";
  expect(data).toEqual([{ "@type": type, reason: "TASK_NOT_FOUND", domain: "a2a-protocol.org" }]);
});

rule("JSONRPC-SSE-002", async ({ wire }) => {
  const { id } = await finished(wire);
  for (const [name, operation, params] of provoking(id)) await wire.refused(operation, params, name);
  await wire.refused("GetTask", { id }, "VersionNotSupportedError", { "A2A-Version": "99.0" });
  const answer = await post(wire.url, "{}", "text/plain");
  expect(answer).toMatchObject({ status: 200, error: { code: -32_005 } });
});

rule("HTTP_JSON-ERR-001", async ({ wire }) => {
  const asked: readonly (readonly [method: string, path: string, status: number])[] = [
    ["GET", "/tasks/none", 404],
    ["GET", "/nothing/here", 404],
    ["DELETE", "/tasks", 404],
    ["GET", "/message:send", 404],
    ["GET", "/tasks?pageSize=0", 400],
  ];
  for (const [method, path, status] of asked) {
    const response = await fetch(wire.url + path, { method, headers: { "A2A-Version": "1.0" } });
    const { error } = readRestError(await response.json());
    expect([path, response.status, error.code]).toEqual([path, status, status]);
  }
  const faulty = { method: "POST", headers: { "A2A-Version": "1.0", "content-type": "application/json" }, body: "{" };
  const response = await fetch(`${wire.url}/message:send`, faulty);
  expect(readRestError(await response.json()).error).toMatchObject({ code: 400, status: "INVALID_ARGUMENT" });
});

rule(
  "HTTP_JSON-ERR-001",
  async ({ wire }) => {
    const { response } = await wire.send("SendMessage", say("complete-task", { parts: [{ text: "x".repeat(2_000) }] }));
    expect(response.status).toBe(413);
    expect(readRestError(await response.json()).error.code).toBe(413);
  },
  { detail: "before the SDK is reached, too", agent: { ...options, bodyLimit: "1kb" } },
);

rule("HTTP_JSON-ERR-002", async ({ wire }) => {
  const { response } = await wire.send("GetTask", { id: "none" });
  const { details } = readRestError(await response.json()).error;
  const type = "type.googleapis.com/google.rpc.ErrorInfo";
  expect(details).toEqual([{ "@type": type, reason: "TASK_NOT_FOUND", domain: "a2a-protocol.org" }]);
});

rule("HTTP_JSON-STATUS-001", async ({ wire }) => {
  const { id } = await finished(wire);
  for (const [name, operation, params] of provoking(id)) await wire.refused(operation, params, name);
  await wire.refused("GetTask", { id }, "VersionNotSupportedError", { "A2A-Version": "99.0" });
  const typed = { "content-type": "text/plain" };
  await wire.refused("SendMessage", say("complete-task"), "ContentTypeNotSupportedError", typed);
  const { response } = await wire.send("GetTask", { id });
  expect(response.status).toBe(200);
});

rule("BIND-EQUIV-003", async ({ as }) => {
  // both bindings use the same error names
  const { id } = await finished(as({}));
  for (const binding of Object.keys(BINDINGS) as BindingName[])
    for (const [name, operation, params] of provoking(id)) await as({}, binding).refused(operation, params, name);
});

async function post(url: string, body: string, type = "application/json") {
  const headers = { "content-type": type, "A2A-Version": "1.0" };
  const response = await fetch(url, { method: "POST", headers, body });
  expect(mediaTypeOf(response)).toBe("application/json");
  const answer = readRpcAnswer(await response.json());
  return { status: response.status, answer, error: readRpcError(answer.error) };
}
