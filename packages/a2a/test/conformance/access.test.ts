import { expect } from "vitest";
import { options } from "../../../../examples/a2a-tck-agent/main.ts";
import { answer, finished, rule, say, taskIn, waiting } from "./rule.ts";
import type { BindingName, Json, Operation } from "./wire-client.ts";

const users: Readonly<Record<string, string>> = { "Bearer a": "ann", "Bearer b": "bob" };
const agent = {
  ...options,
  authenticate: ({ headers }: { readonly headers: Json }) => users[String(headers["authorization"])],
};

/** Lists all operations on a task. */
const about = (id: string): readonly (readonly [Operation, Json])[] => [
  ["GetTask", { id }],
  ["CancelTask", { id }],
  ["SubscribeToTask", { id }],
  ["SendMessage", say("complete-task", { taskId: id })],
  ["SendStreamingMessage", say("complete-task", { taskId: id })],
  ["CreateTaskPushNotificationConfig", { taskId: id, url: "https://example.com" }],
  ["GetTaskPushNotificationConfig", { taskId: id, id: "wish" }],
  ["ListTaskPushNotificationConfigs", { taskId: id }],
  ["DeleteTaskPushNotificationConfig", { taskId: id, id: "wish" }],
];

rule(
  "AUTH-SERVER-002",
  async ({ wire, as, url }) => {
    const operations = [...about("none"), ["SendMessage", say("complete-task")], ["ListTasks", {}]] as const;
    for (const [operation, params] of [...operations, ["GetExtendedAgentCard", {}]] as const)
      for (const headers of [{}, { authorization: "Bearer wrong" }]) {
        const { response } = await wire.send(operation, params, headers);
        expect([operation, response.status]).toEqual([operation, 401]);
        expect(response.headers.get("www-authenticate")).toBe("Bearer");
      }
    await finished(as({ authorization: "Bearer a" }));
    // the card is public
    expect((await fetch(`${url}/.well-known/agent-card.json`)).status).toBe(200);
  },
  { agent },
);

rule(
  "AUTH-SCOPE-001",
  async ({ as }) => {
    const [ann, bob] = [as({ authorization: "Bearer a" }), as({ authorization: "Bearer b" })];
    const task = await waiting(ann);
    for (const [operation, params] of about(task.id)) await bob.refused(operation, params, "TaskNotFoundError");
    expect((await answer(ann, task)).status.state).toBe("TASK_STATE_COMPLETED");
  },
  { agent },
);

rule(
  "AUTH-SCOPE-002",
  async ({ as }) => {
    const [ann, bob] = [as({ authorization: "Bearer a" }), as({ authorization: "Bearer b" })];
    const hers = taskIn(await ann.ask("SendMessage", say("complete-task", { contextId: "shared" })));
    const his = taskIn(await bob.ask("SendMessage", say("complete-task", { contextId: "shared" })));
    for (const [caller, task] of [
      [ann, hers],
      [bob, his],
    ] as const)
      for (const query of [{}, { contextId: "shared" }, { status: "TASK_STATE_COMPLETED" }])
        expect((await caller.ask("ListTasks", query)).tasks.map(({ id }) => id)).toEqual([task.id]);
  },
  { agent },
);

rule(
  "AUTH-SCOPE-003",
  async ({ as }) => {
    const [ann, bob] = [as({ authorization: "Bearer a" }), as({ authorization: "Bearer b" })];
    const { id } = await finished(ann);
    const told = async (params: Json) =>
      (await (await bob.send("GetTask", params)).response.text()).replaceAll(id, "?");
    const never = "00000000-0000-0000-0000-000000000000";
    const ofNobody = (await told({ id: never })).replaceAll(never, "?");
    expect((await told({ id })).replaceAll(/"id":\d+/g, "")).toBe(ofNobody.replaceAll(/"id":\d+/g, ""));
  },
  { agent },
);

rule("AUTH-INTASK-001", async ({ wire }) => {
  const { id } = taskIn(await wire.ask("SendMessage", say("auth-required")));
  expect((await wire.ask("GetTask", { id })).id).toBe(id);
});

rule("AUTH-INTASK-002", async ({ wire }) => {
  const { id, status } = taskIn(await wire.ask("SendMessage", say("auth-required")));
  expect(status.state).toBe("TASK_STATE_AUTH_REQUIRED");
  expect((await wire.ask("GetTask", { id })).status.state).toBe("TASK_STATE_AUTH_REQUIRED");
  const events = await (await wire.stream("SendStreamingMessage", say("auth-required"))).rest();
  expect(events.at(-1)?.statusUpdate?.status.state).toBe("TASK_STATE_AUTH_REQUIRED");
});

rule("AUTH-INTASK-003", async ({ wire }) => {
  const { status } = taskIn(await wire.ask("SendMessage", say("auth-required")));
  expect(status.message).toMatchObject({ role: "ROLE_AGENT", parts: [{ text: "Sign in, then say so" }] });
});

rule("AUTH-INTASK-004", async ({ wire }) => {
  // the message that resumes the agent carries no credentials
  const { id } = taskIn(await wire.ask("SendMessage", say("auth-required")));
  const after = taskIn(await wire.ask("SendMessage", say("signed-in", { taskId: id })));
  expect(after).toMatchObject({
    status: { state: "TASK_STATE_COMPLETED" },
    artifacts: [{ parts: [{ text: "Signed in" }] }],
  });
});

rule("AUTH-INTASK-006", async ({ wire }) => {
  const { id } = taskIn(await wire.ask("SendMessage", say("auth-required")));
  const stream = await wire.stream("SubscribeToTask", { id });
  expect(taskIn(await stream.next()).status.state).toBe("TASK_STATE_AUTH_REQUIRED");
  await wire.ask("SendMessage", say("signed-in", { taskId: id }));
  expect((await stream.rest()).at(-1)?.statusUpdate?.status.state).toBe("TASK_STATE_COMPLETED");
  const refused = taskIn(await wire.ask("SendMessage", say("auth-required")));
  expect((await wire.ask("CancelTask", { id: refused.id })).status.state).toBe("TASK_STATE_CANCELED");
});

rule(
  "BIND-EQUIV-004",
  async ({ as }) => {
    for (const binding of ["JSON-RPC", "HTTP+JSON"] satisfies BindingName[]) {
      await finished(as({ authorization: "Bearer a" }, binding));
      expect((await as({}, binding).send("ListTasks", {})).response.status).toBe(401);
    }
    // a caller authenticated over one binding is the same over the other
    const { id } = await finished(as({ authorization: "Bearer a" }, "JSON-RPC"));
    await as({ authorization: "Bearer a" }, "HTTP+JSON").ask("GetTask", { id });
    await as({ authorization: "Bearer b" }, "HTTP+JSON").refused("GetTask", { id }, "TaskNotFoundError");
  },
  { agent },
);

rule("BIND-FIELD-001", async ({ adapter, as }) => {
  const named = adapter.card.supportedInterfaces.map(({ protocolBinding }) => protocolBinding);
  expect(named).toEqual(["JSONRPC", "HTTP+JSON"]);
  for (const binding of ["JSON-RPC", "HTTP+JSON"] satisfies BindingName[]) await finished(as({}, binding));
});
