import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished } from "vitest";
import { until } from "../waiting.ts";
import { answer, finished, rule, say, taskIn, waiting } from "./rule.ts";
import { type PushConfig, readEvent } from "./shapes.ts";
import type { Json, WireClient } from "./wire-client.ts";

interface Letter {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Starts a receiver of notifications. */
async function mailbox(): Promise<{ readonly letters: readonly Letter[]; readonly url: string }> {
  const letters: Letter[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      letters.push({ headers: request.headers, body });
      response.end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { letters, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/told` };
}

const wish = { id: "wish", url: "https://example.com/told", authentication: { scheme: "Bearer", credentials: "key" } };

/** Creates a finished task with a registered push target. */
async function wished(wire: WireClient, more: Json = {}): Promise<PushConfig> {
  const { id } = await finished(wire);
  return await wire.ask("CreateTaskPushNotificationConfig", { taskId: id, ...wish, ...more });
}

rule("PUSH-CREATE-001", async ({ wire }) => {
  const { taskId, ...kept } = await wished(wire);
  expect(kept).toEqual(wish);
  const { id } = await wire.ask("CreateTaskPushNotificationConfig", { taskId, url: "https://example.com/b" });
  expect(id).toMatch(/./);
  const unknown = { taskId: "none", url: "https://example.com" };
  await wire.refused("CreateTaskPushNotificationConfig", unknown, "TaskNotFoundError");
  for (const url of ["", "nonsense", "file:///etc/passwd"])
    await wire.refused("CreateTaskPushNotificationConfig", { taskId, url }, "InvalidParamsError");
});

rule("PUSH-CREATE-002", async ({ wire }) => {
  const task = await waiting(wire);
  await wire.ask("CreateTaskPushNotificationConfig", { taskId: task.id, ...wish, url: (await mailbox()).url });
  const again = taskIn(await wire.ask("SendMessage", say("input-required", { taskId: task.id })));
  expect(again.id).toBe(task.id);
  const after = await wished(wire);
  expect(await wire.ask("GetTaskPushNotificationConfig", { taskId: after.taskId, id: after.id })).toEqual(after);
});

rule(
  "PUSH-CREATE-002",
  async ({ wire }) => {
    const { letters, url } = await mailbox();
    const task = await waiting(wire);
    const kept = await wire.ask("CreateTaskPushNotificationConfig", { taskId: task.id, id: "kept", url });
    expect(await wire.ask("GetTaskPushNotificationConfig", { taskId: task.id, id: "kept" })).toEqual(kept);
    await answer(wire, task);
    await until(async () => letters.some(({ body }) => body.includes("TASK_STATE_COMPLETED")));
  },
  { detail: "through its changes" },
);

rule("PUSH-GET-001", async ({ wire }) => {
  const kept = await wished(wire);
  expect(await wire.ask("GetTaskPushNotificationConfig", { taskId: kept.taskId, id: "wish" })).toEqual(kept);
});

rule("PUSH-GET-002", async ({ wire }) => {
  const { taskId } = await wished(wire);
  await wire.refused("GetTaskPushNotificationConfig", { taskId, id: "none" }, "TaskNotFoundError");
  await wire.refused("GetTaskPushNotificationConfig", { taskId: "none", id: "wish" }, "TaskNotFoundError");
});

rule("PUSH-LIST-001", async ({ wire }) => {
  const first = await wished(wire);
  const { taskId } = first;
  const second = await wire.ask("CreateTaskPushNotificationConfig", { taskId, id: "other", url: wish.url });
  await wished(wire);
  const { configs = [] } = await wire.ask("ListTaskPushNotificationConfigs", { taskId });
  expect(configs.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([second, first]);
  const { id } = await finished(wire);
  expect((await wire.ask("ListTaskPushNotificationConfigs", { taskId: id })).configs ?? []).toEqual([]);
});

rule("PUSH-DEL-001", async ({ wire }) => {
  const { letters, url } = await mailbox();
  const other = await mailbox();
  const task = await waiting(wire);
  const at = { taskId: task.id };
  await wire.ask("CreateTaskPushNotificationConfig", { ...at, id: "gone", url });
  await wire.ask("CreateTaskPushNotificationConfig", { ...at, id: "kept", url: other.url });
  await wire.ask("DeleteTaskPushNotificationConfig", { ...at, id: "gone" });
  await wire.refused("GetTaskPushNotificationConfig", { ...at, id: "gone" }, "TaskNotFoundError");
  await answer(wire, task);
  await until(async () => other.letters.some(({ body }) => body.includes("TASK_STATE_COMPLETED")));
  expect(letters).toEqual([]);
});

rule("PUSH-DEL-002", async ({ wire }) => {
  const { taskId } = await wished(wire);
  for (let times = 0; times < 3; times += 1) await wire.ask("DeleteTaskPushNotificationConfig", { taskId, id: "wish" });
  await wire.ask("DeleteTaskPushNotificationConfig", { taskId, id: "never" });
});

rule("PUSH-DELIVER-001", async ({ wire }) => {
  const { letters, url } = await mailbox();
  const taskPushNotificationConfig = { ...wish, url };
  await wire.ask("SendMessage", say("complete-task", {}, { taskPushNotificationConfig }));
  await until(async () => letters.length > 0);
  for (const { headers } of letters) expect(headers.authorization).toBe("Bearer key");
});

rule("PUSH-DELIVER-002", async ({ wire }) => {
  const boxes = [await mailbox(), await mailbox(), await mailbox()];
  const task = await waiting(wire);
  for (const [index, { url }] of boxes.entries())
    await wire.ask("CreateTaskPushNotificationConfig", { taskId: task.id, id: `wish-${index}`, url });
  await answer(wire, task);
  for (const { letters } of boxes)
    await until(async () => letters.some(({ body }) => body.includes("TASK_STATE_COMPLETED")));
});

rule("PUSH-DELIVER-003", async ({ wire }) => {
  const { letters, url } = await mailbox();
  const configuration = { taskPushNotificationConfig: { url, token: "secret" } };
  const { id } = taskIn(await wire.ask("SendMessage", say("artifact-data", {}, configuration)));
  await until(async () => letters.some(({ body }) => body.includes("TASK_STATE_COMPLETED")));
  const kinds = letters.map(({ headers, body }) => {
    expect(headers["content-type"]).toBe("application/a2a+json");
    const { task, statusUpdate, artifactUpdate } = readEvent(JSON.parse(body));
    expect(task?.id ?? (statusUpdate ?? artifactUpdate)?.taskId).toBe(id);
    return task ? "task" : statusUpdate ? "status" : "artifact";
  });
  expect(kinds).toEqual(["task", "artifact", "status"]);
});
