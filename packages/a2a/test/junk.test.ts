import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import express from "express";
import { create, payloadNode } from "penguiflow";
import { serve } from "./serve.ts";
import { saying, speak, taskOf, textIn } from "./speak.ts";

// the SDK logs every refusal to the console
beforeEach(() => {
  for (const method of ["error", "warn"] as const) vi.spyOn(console, method).mockImplementation(() => {});
});

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const echo = () => create(payloadNode("echo", (value: unknown) => value).to());

/** Serves an agent that accepts every kind of request. */
async function agent() {
  const { adapter, url } = await serve(echo(), {
    // media type of the file in the requests
    card: {
      name: "tested",
      description: "An agent for tests",
      version: "1.0.0",
      skills: [{ id: "main", description: "Echoes" }],
      defaultInputModes: ["text/plain", "application/json"],
    },
    repeatedMessages: "begin",
    pushNotifications: {
      allowPrivate: true,
      maxAttempts: 1,
      logger: { debug, info: debug, warn: debug, error: debug },
    },
  });
  const task = await taskOf((await speak(url, "JSONRPC")).sendMessage(saying("x")));
  return { adapter, url, task };
}

const debug = (): void => {};

const URL_OF_TARGET = "http://127.0.0.1:1/";

const part = (more: Json = "x"): Json => ({ text: more, metadata: { a: 1 }, filename: "f", mediaType: "text/plain" });

const message: Json = {
  messageId: "m",
  contextId: "c",
  role: "ROLE_USER",
  parts: [part(), { data: { b: [1] }, mediaType: "application/json" }, { raw: "aGk=" }, { url: "http://x/" }],
  metadata: { a: { b: 1 } },
  extensions: ["urn:x"],
  referenceTaskIds: ["t"],
};

const target: Json = {
  id: "p",
  url: URL_OF_TARGET,
  token: "secret",
  authentication: { scheme: "Bearer", credentials: "key" },
};

const sending: Json = {
  tenant: "acme",
  message,
  metadata: { a: 1 },
  configuration: {
    acceptedOutputModes: ["text/plain"],
    historyLength: 1,
    returnImmediately: false,
    taskPushNotificationConfig: target,
  },
};

const legacyMessage: Json = {
  kind: "message",
  messageId: "m",
  contextId: "c",
  role: "user",
  parts: [
    { kind: "text", text: "x", metadata: { a: 1 } },
    { kind: "data", data: { a: 1 } },
    { kind: "file", file: { bytes: "aGk=", name: "f" } },
    { kind: "file", file: { uri: "http://x/" } },
  ],
  metadata: { a: 1 },
  extensions: ["urn:x"],
  referenceTaskIds: ["t"],
};

const legacyTarget: Json = {
  id: "p",
  url: URL_OF_TARGET,
  token: "secret",
  authentication: { schemes: ["Bearer"], credentials: "key" },
};

const legacySending: Json = {
  message: legacyMessage,
  metadata: { a: 1 },
  configuration: {
    acceptedOutputModes: ["text/plain"],
    blocking: true,
    historyLength: 1,
    pushNotificationConfig: legacyTarget,
  },
};

const legacyRestSending: Json = {
  message: {
    messageId: "m",
    contextId: "c",
    role: "ROLE_USER",
    content: [
      { text: "x" },
      { data: { data: { a: 1 } } },
      { file: { fileWithBytes: "aGk=" } },
      { file: { fileWithUri: "http://x/" } },
    ],
    metadata: { a: 1 },
    extensions: ["urn:x"],
  },
  metadata: { a: 1 },
  configuration: {
    acceptedOutputModes: ["text/plain"],
    blocking: true,
    historyLength: 1,
    pushNotification: legacyTarget,
  },
};

interface Door {
  readonly name: string;
  readonly path: (taskId: string) => string;
  readonly version: "1.0" | "0.3";
  /** JSON-RPC method; absent for HTTP+JSON. */
  readonly method?: string;
  readonly body: (taskId: string) => Json;
}

const rpc = (version: Door["version"], method: string, body: (taskId: string) => Json): Door => ({
  name: `${method} of ${version}`,
  path: () => "/a2a/jsonrpc",
  version,
  method,
  body,
});

const rest = (version: Door["version"], path: (taskId: string) => string, body: (taskId: string) => Json): Door => ({
  name: `POST ${path(":id")} of ${version}`,
  path: (taskId) => `/a2a/rest${path(taskId)}`,
  version,
  body,
});

const DOORS: readonly Door[] = [
  rpc("1.0", "SendMessage", () => sending),
  rpc("1.0", "SendStreamingMessage", () => sending),
  rpc("1.0", "GetTask", (id) => ({ tenant: "", id, historyLength: 1 })),
  rpc("1.0", "ListTasks", () => ({
    tenant: "",
    contextId: "c",
    status: "TASK_STATE_COMPLETED",
    pageSize: 1,
    pageToken: "",
    historyLength: 1,
    statusTimestampAfter: "2026-01-01T00:00:00Z",
    includeArtifacts: true,
  })),
  rpc("1.0", "CancelTask", (id) => ({ tenant: "", id, metadata: { a: 1 } })),
  rpc("1.0", "SubscribeToTask", (id) => ({ tenant: "", id })),
  rpc("1.0", "CreateTaskPushNotificationConfig", (taskId) => ({ ...(target as object), tenant: "", taskId })),
  rpc("1.0", "GetTaskPushNotificationConfig", (taskId) => ({ tenant: "", taskId, id: "p" })),
  rpc("1.0", "ListTaskPushNotificationConfigs", (taskId) => ({ tenant: "", taskId, pageSize: 1, pageToken: "" })),
  rpc("1.0", "DeleteTaskPushNotificationConfig", (taskId) => ({ tenant: "", taskId, id: "p" })),
  rpc("1.0", "GetExtendedAgentCard", () => ({ tenant: "" })),
  rpc("0.3", "message/send", () => legacySending),
  rpc("0.3", "message/stream", () => legacySending),
  rpc("0.3", "tasks/get", (id) => ({ id, historyLength: 1, metadata: { a: 1 } })),
  rpc("0.3", "tasks/cancel", (id) => ({ id, metadata: { a: 1 } })),
  rpc("0.3", "tasks/resubscribe", (id) => ({ id, metadata: { a: 1 } })),
  rpc("0.3", "tasks/pushNotificationConfig/set", (taskId) => ({ taskId, pushNotificationConfig: legacyTarget })),
  rpc("0.3", "tasks/pushNotificationConfig/get", (id) => ({ id, pushNotificationConfigId: "p" })),
  rpc("0.3", "tasks/pushNotificationConfig/list", (id) => ({ id })),
  rpc("0.3", "tasks/pushNotificationConfig/delete", (id) => ({ id, pushNotificationConfigId: "p" })),
  rest(
    "1.0",
    () => "/message:send",
    () => sending,
  ),
  rest(
    "1.0",
    () => "/acme/message:send",
    () => sending,
  ),
  rest(
    "1.0",
    () => "/message:stream",
    () => sending,
  ),
  rest(
    "1.0",
    (id) => `/tasks/${id}/pushNotificationConfigs`,
    () => target,
  ),
  rest(
    "1.0",
    (id) => `/acme/tasks/${id}:cancel`,
    () => ({}),
  ),
  rest(
    "0.3",
    () => "/v1/message:send",
    () => legacyRestSending,
  ),
  rest(
    "0.3",
    () => "/v1/message:stream",
    () => legacyRestSending,
  ),
  rest(
    "0.3",
    (id) => `/v1/tasks/${id}/pushNotificationConfigs`,
    (id) => ({
      name: `tasks/${id}/pushNotificationConfigs/p`,
      pushNotificationConfig: legacyTarget,
    }),
  ),
];

/** Values of wrong types. The last one cannot be converted to a string. */
const JUNK: readonly Json[] = [null, true, -1.5, "junk", [null], {}, { toString: 1, valueOf: 1 }];

/** Yields copies of a value in which one part, or the whole, is junk or missing. */
function* spoiled(value: Json): Generator<Json> {
  yield* JUNK;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value))
    for (const other of spoiled(inner)) {
      if (Array.isArray(value)) yield value.map((entry, index) => (String(index) === key ? other : entry));
      else yield { ...value, [key]: other };
    }
  if (!Array.isArray(value))
    for (const key of Object.keys(value)) yield { ...value, [key]: undefined as unknown as Json };
}

async function knock(url: string, { path, version, method }: Door, taskId: string, body: Json) {
  const headers = { "content-type": "application/json", "A2A-Version": version };
  const json = method === undefined ? body : { jsonrpc: "2.0", id: 1, method, params: body };
  const response = await fetch(url + path(taskId), { method: "POST", headers, body: JSON.stringify(json) });
  const text = await response.text();
  // of a stream: its first event
  const [, first = text] = /^data: (.*)$/m.exec(text) ?? [];
  const { error } = (first === "" ? {} : JSON.parse(first)) as { readonly error?: { readonly code: number } };
  return { status: response.status, code: error?.code, text };
}

/** Builds a body nested to a depth, in a field where any JSON is valid. */
function nested(door: Door, taskId: string, depth: number): string {
  const body = door.body(taskId) as { [key: string]: Json };
  const json = { ...body, metadata: { deep: "DEEP" } };
  const whole = door.method === undefined ? json : { jsonrpc: "2.0", id: 1, method: door.method, params: json };
  return JSON.stringify(whole).replace('"DEEP"', "[".repeat(depth) + "]".repeat(depth));
}

describe.each(DOORS.map((door) => [door.name, door] as const))("%s", (_, door) => {
  test("junk in any field is the caller's fault, never the server's", async () => {
    const { url, task } = await agent();
    const faults: unknown[] = [];
    for (const body of spoiled(door.body(task.id))) {
      const { status, code, text } = await knock(url, door, task.id, body);
      if (status >= 500 || code === -32_603) faults.push([JSON.stringify(body), status, text]);
    }
    expect(faults.slice(0, 5)).toEqual([]);
  });

  test.each([2_000, 200_000])("JSON that is nested %i deep is refused", async (depth) => {
    const { url, task } = await agent();
    const headers = { "content-type": "application/json", "A2A-Version": door.version };
    const body = nested(door, task.id, depth);
    const response = await fetch(url + door.path(task.id), { method: "POST", headers, body });
    const { id, code, error } = (await response.json()) as Record<string, unknown> & { error?: { code: number } };
    // errors over HTTP+JSON of 0.3 have no code
    const rpcOf = door.method === undefined ? undefined : { status: 200, id: 1, code: -32_602 };
    const restOf = { status: 400, id: undefined, code: door.version === "0.3" ? -32_602 : 400 };
    expect({ status: response.status, id, code: error?.code ?? code }).toEqual(rpcOf ?? restOf);
  });
});

test("a part that is nothing is refused by its name", async () => {
  const { url } = await agent();
  const params = { message: { messageId: "m", role: "ROLE_USER", parts: [null] } };
  const legacy = { message: { messageId: "m", role: "user", parts: [{ kind: "text", text: "x" }, null] } };
  const [send, stream, sendLegacy] = ["SendMessage", "SendStreamingMessage", "message/send"].map((method) =>
    DOORS.find((door) => door.method === method),
  ) as [Door, Door, Door];
  const restSend = DOORS.find(({ path }) => path("") === "/a2a/rest/message:send") as Door;
  for (const door of [send, stream]) {
    const { code, text } = await knock(url, door, "", params);
    expect([code, text]).toEqual([-32_602, expect.stringContaining('\\"message.parts[0]\\" must be an object')]);
  }
  expect(await knock(url, restSend, "", params)).toMatchObject({ status: 400, code: 400 });
  const { code, text } = await knock(url, sendLegacy, "", legacy);
  expect([code, text]).toEqual([-32_602, expect.stringContaining("message.parts[1]")]);
});

describe("JSON that is nested 400 deep", () => {
  const deep = (): unknown => JSON.parse("[".repeat(400) + "]".repeat(400));

  test.each(["JSONRPC", "HTTP+JSON", "GRPC"] as const)("is a payload like any other over %s", async (binding) => {
    const { url } = await agent();
    const parts = [
      { content: { $case: "data" as const, value: deep() }, mediaType: "", filename: "", metadata: undefined },
    ];
    const task = await taskOf((await speak(url, binding)).sendMessage(saying("", { parts })));
    const content = task.artifacts[0]?.parts[0]?.content;
    expect(JSON.stringify(content?.value)).toBe(JSON.stringify(deep()));
  });

  test("is refused over gRPC when it is deeper", async () => {
    const { url } = await agent();
    const value: unknown = JSON.parse("[".repeat(900) + "]".repeat(900));
    const parts = [{ content: { $case: "data" as const, value }, mediaType: "", filename: "", metadata: undefined }];
    const client = await speak(url, "GRPC");
    await expect(client.sendMessage(saying("", { parts }))).rejects.toThrow("nested");
    expect(textIn((await taskOf(client.sendMessage(saying("still there")))).artifacts[0])).toBe("still there");
  });
});

describe("the routes of the Python version", () => {
  test.each([
    ["no JSON", "{", 422],
    ["junk", '{"payload":1,"headers":{"tenant":{}}}', 422],
    ["meta that is none", '{"payload":1,"headers":{"tenant":"a"},"meta":"x"}', 422],
    ["too deep", `{"headers":{"tenant":"a"},"payload":${"[".repeat(2_000)}${"]".repeat(2_000)}}`, 422],
  ])("refuse a body that is %s", async (_, body, status) => {
    const { adapter } = await agent();
    const server = express().use(adapter.pythonRouter()).listen(0, "127.0.0.1");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    await new Promise((resolve) => void server.once("listening", resolve));
    const { port } = server.address() as { readonly port: number };
    const headers = { "content-type": "application/json" };
    const response = await fetch(`http://127.0.0.1:${port}/message/send`, { method: "POST", headers, body });
    expect(response.status).toBe(status);
    expect(Object.keys((await response.json()) as object)).toEqual(["detail"]);
  });
});
