import { expect } from "vitest";
import { answer, finished, rule, say, taskIn, waiting } from "./rule.ts";
import type { Task } from "./shapes.ts";
import { mediaTypeOf, type WireClient } from "./wire-client.ts";

/** Calls every operation once. */
async function everyOperation(wire: WireClient): Promise<void> {
  const { id } = await finished(wire);
  await (await wire.stream("SendStreamingMessage", say("stream-001"))).rest();
  await wire.ask("GetTask", { id });
  await wire.ask("ListTasks", {});
  const at = { taskId: id, id: "wish" };
  await wire.ask("CreateTaskPushNotificationConfig", { ...at, url: "https://example.com" });
  await wire.ask("GetTaskPushNotificationConfig", at);
  await wire.ask("ListTaskPushNotificationConfigs", { taskId: id });
  await wire.ask("DeleteTaskPushNotificationConfig", at);
  const paused = await waiting(wire);
  const stream = await wire.stream("SubscribeToTask", { id: paused.id });
  await wire.ask("CancelTask", { id: paused.id });
  await stream.rest();
  await wire.refused("GetExtendedAgentCard", {}, "UnsupportedOperationError");
}

rule("JSONRPC-FMT-001", async ({ wire }) => {
  // the client validates the envelope of every answer
  await everyOperation(wire);
  const calls = [
    { method: "ListTasks", params: {} },
    { method: "GetTask", params: { id: "none" } },
    { method: "SubscribeToTask", params: { id: "none" } },
    { method: "Nonsense", params: {} },
  ];
  for (const id of ["text", 4_711, -1, 0, ""])
    for (const call of calls) {
      expect(await post(wire, { jsonrpc: "2.0", id, ...call })).toMatchObject({ jsonrpc: "2.0", id });
      const old = await post(wire, { jsonrpc: "2.0", id, ...call }, { "A2A-Version": "0.1" });
      expect(old).toMatchObject({ jsonrpc: "2.0", id });
    }
});

rule("JSONRPC-FMT-002", async ({ wire }) => {
  const { response } = await wire.send("SendMessage", say("complete-task"));
  expect(mediaTypeOf(response)).toBe("application/json");
  const refused = await wire.send("GetTask", { id: "none" });
  expect(mediaTypeOf(refused.response)).toBe("application/json");
  const withCharset = { "content-type": "application/json; charset=utf-8" };
  await wire.ask("SendMessage", say("complete-task"), withCharset);
  const typed = { "content-type": "application/a2a+json" };
  const other = await wire.send("SendMessage", say("complete-task"), typed);
  expect(await other.response.json()).toMatchObject({ error: { code: -32_005 } });
});

rule("JSONRPC-SVC-001", async ({ wire }) => {
  await everyOperation(wire);
});

rule("JSONRPC-SVC-002", async ({ wire }) => {
  await takesHeaders(wire);
});

rule("JSONRPC-SSE-001", async ({ wire }) => {
  // the client validates the envelope of every event
  const stream = await wire.stream("SendStreamingMessage", say("stream-001"));
  expect((await stream.rest()).length).toBeGreaterThan(2);
  const { id } = await waiting(wire);
  const subscribed = await wire.stream("SubscribeToTask", { id });
  await wire.ask("CancelTask", { id });
  expect((await subscribed.rest()).length).toBe(2);
});

rule("HTTP_JSON-URL-001", async ({ wire }) => {
  await everyOperation(wire);
});

rule(
  "HTTP_JSON-URL-001",
  async ({ wire }) => {
    const init = { headers: { "A2A-Version": "1.0" } };
    const { id } = await waiting(wire);
    const stream = await fetch(`${wire.url}/tasks/${id}:subscribe`, init);
    expect(mediaTypeOf(stream)).toBe("text/event-stream");
    await stream.body?.cancel();
    const listed = async (tenant: string) => await (await fetch(`${wire.url}${tenant}/tasks`, init)).json();
    expect(await listed("")).toMatchObject({ totalSize: 1 });
    expect(await listed("/acme")).toMatchObject({ totalSize: 0 });
  },
  { detail: "a subscription is a GET, too, and a tenant may stand in front" },
);

rule("HTTP_JSON-URL-002", async ({ wire }) => {
  const { id } = await finished(wire);
  const status = async (method: string, path: string, body?: object) => {
    const headers = { "A2A-Version": "1.0", "content-type": "application/json" };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    return (await fetch(wire.url + path, init)).status;
  };
  const wish = { id: "wish", url: "https://example.com" };
  expect([
    await status("GET", `/tasks/${id}`),
    await status("GET", "/tasks"),
    await status("POST", "/message:send", say("complete-task")),
    await status("POST", `/tasks/${id}/pushNotificationConfigs`, wish),
    await status("GET", `/tasks/${id}/pushNotificationConfigs/wish`),
    await status("DELETE", `/tasks/${id}/pushNotificationConfigs/wish`),
  ]).toEqual([200, 200, 200, 201, 200, 204]);
  for (const method of ["PUT", "PATCH", "DELETE"]) expect(await status(method, `/tasks/${id}`, {})).toBe(404);
  const paused = await waiting(wire);
  // without a body, as the kit sends it
  expect(await status("POST", `/tasks/${paused.id}:cancel`)).toBe(200);
});

rule("HTTP_JSON-SVC-001", async ({ wire }) => {
  const typed = { "content-type": "application/a2a+json" };
  const { response } = await wire.send("SendMessage", say("complete-task"), typed);
  expect({ status: response.status, type: mediaTypeOf(response) }).toEqual({
    status: 200,
    type: "application/a2a+json",
  });
});

rule("HTTP_JSON-SVC-002", async ({ wire }) => {
  await takesHeaders(wire);
});

rule("HTTP_JSON-QP-001", async ({ wire }) => {
  const one = taskIn(await wire.ask("SendMessage", say("complete-task", { contextId: "one" })));
  await finished(wire);
  await waiting(wire);
  const listed = async (query: string): Promise<readonly Task[]> => {
    const response = await fetch(`${wire.url}/tasks?${query}`, { headers: { "A2A-Version": "1.0" } });
    return ((await response.json()) as { readonly tasks: readonly Task[] }).tasks;
  };
  expect((await listed("contextId=one")).map(({ id }) => id)).toEqual([one.id]);
  expect((await listed("pageSize=2")).length).toBe(2);
  expect((await listed("status=TASK_STATE_INPUT_REQUIRED")).length).toBe(1);
  expect((await listed("includeArtifacts=true&contextId=one"))[0]).toHaveProperty("artifacts");
  expect((await listed("historyLength=0&contextId=one"))[0]).not.toHaveProperty("history");
  const after = encodeURIComponent(one.status.timestamp ?? "");
  expect((await listed(`statusTimestampAfter=${after}`)).map(({ id }) => id)).not.toContain(one.id);
  // names in snake_case are unknown in the query
  expect((await listed("context_id=one&page_size=1")).length).toBe(3);
});

rule("HTTP_JSON-SSE-001", async ({ wire }) => {
  const { response } = await wire.send("SendStreamingMessage", say("stream-001"));
  expect(mediaTypeOf(response)).toBe("text/event-stream");
  const frames = (await response.text()).split("\n\n");
  expect(frames.pop()).toBe("");
  for (const frame of frames) {
    expect(frame).toMatch(/^data: \{.*\}$/);
    expect(JSON.parse(frame.slice(6))).not.toHaveProperty("jsonrpc");
  }
});

rule("BIND-EQUIV-001", async ({ as }) => {
  await everyOperation(as({}, "JSON-RPC"));
  await everyOperation(as({}, "HTTP+JSON"));
});

rule("BIND-EQUIV-002", async ({ as }) => {
  const rpc = as({}, "JSON-RPC");
  const rest = as({}, "HTTP+JSON");
  const asked = await waiting(rpc);
  const answered = await answer(rest, asked);
  expect(await rpc.ask("GetTask", { id: asked.id })).toEqual(answered);
  expect(await rpc.ask("ListTasks", {})).toEqual(await rest.ask("ListTasks", {}));
  for (const scenario of [
    "complete-task",
    "artifact-data",
    "stream-artifact-chunked",
    "message-response",
    "reject-task",
  ]) {
    const said = say(scenario);
    expect(plain(await rpc.ask("SendMessage", said))).toEqual(plain(await rest.ask("SendMessage", said)));
    const [events, others] = [
      await (await rpc.stream("SendStreamingMessage", said)).rest(),
      await (await rest.stream("SendStreamingMessage", said)).rest(),
    ];
    expect(plain(events)).toEqual(plain(others));
  }
});

/** Removes the parts that differ between two calls. */
function plain(value: unknown): unknown {
  const isNew = new Set(["id", "taskId", "contextId", "messageId", "timestamp"]);
  return JSON.parse(JSON.stringify(value, (key, field: unknown) => (isNew.has(key) ? undefined : field))) as unknown;
}

async function takesHeaders(wire: WireClient): Promise<void> {
  const extensions = "https://example.com/ext/v1,urn:penguiflow:a2a:1";
  await wire.ask("SendMessage", say("complete-task"), { "a2a-extensions": extensions, "A2A-Version": "1.0" });
  await wire.refused("SendMessage", say("complete-task"), "VersionNotSupportedError", { "A2A-VERSION": "99.0" });
}

async function post({ url }: WireClient, body: object, more: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const headers = { "content-type": "application/json", "A2A-Version": "1.0", ...more };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  return await response.json();
}
