import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { TaskState } from "@a2a-js/sdk";
import { DatabaseTaskStore } from "@a2a-js/sdk/server/database";
import { Kysely, PostgresDialect } from "kysely";
import { create, payloadNode } from "penguiflow";
import { Client, Pool } from "pg";
import { expect, onTestFinished, test } from "vitest";
import { bin } from "../../../scripts/workspace.ts";
import { serve } from "../test/serve.ts";
import { collect, saying, speak, taskOf, textIn } from "../test/speak.ts";
import { startAgent } from "../test/start-agent.ts";
import { until } from "../test/waiting.ts";
import { server } from "./server.ts";

/** Creates a database for one test, with the tables of the SDK's command. */
async function database(): Promise<string> {
  const name = `test_${randomUUID().replaceAll("-", "_")}`;
  const url = new URL(process.env[server.variable] ?? server.url);
  const admin = new Client(url.href);
  await admin.connect();
  onTestFinished(async () => {
    // succeeds once the last connection has ended
    await until(async () =>
      admin.query(`drop database ${name}`).then(
        () => true,
        () => false,
      ),
    );
    await admin.end();
  });
  await admin.query(`create database ${name}`);
  url.pathname = name;
  const made = spawnSync(process.execPath, [bin("a2a-db"), "upgrade", "--url", url.href], { encoding: "utf8" });
  expect(made.status, made.stderr).toBe(0);
  return url.href;
}

const all = {
  tenant: "acme",
  contextId: "",
  status: TaskState.TASK_STATE_UNSPECIFIED,
  pageToken: "",
  statusTimestampAfter: undefined,
};

test("after a kill -9 the tasks are still listed, and the one that was at work has failed with a reason", async () => {
  const url = await database();
  const before = await startAgent(url);
  const client = await speak(before.url, "GRPC");
  const done = await taskOf(client.sendMessage(saying("short", {}, { tenant: "acme" })));
  const reading = collect(client.sendMessageStream(saying("long", {}, { tenant: "acme" })));
  reading.catch(() => {});
  const working = await until(async () => (await client.listTasks(all)).tasks.find(({ id }) => id !== done.id)?.id);
  before.agent.kill("SIGKILL");
  await once(before.agent, "exit");
  await expect(reading).rejects.toThrow("gRPC error");

  const again = await speak((await startAgent(url)).url, "JSONRPC");
  const { tasks } = await again.listTasks(all);
  expect(Object.fromEntries(tasks.map(({ id, status }) => [id, status?.state]))).toEqual({
    [done.id]: TaskState.TASK_STATE_COMPLETED,
    [working ?? ""]: TaskState.TASK_STATE_FAILED,
  });
  const failed = await again.getTask({ tenant: "acme", id: working ?? "" });
  expect(textIn(failed.status?.message)).toBe("The process that worked on the task has ended");
  expect((await again.listTasks({ ...all, tenant: "bob" })).tasks).toEqual([]);
}, 30_000);

test("tasks are listed page by page, each once, those of others never", async () => {
  const pool = new Pool({ connectionString: await database() });
  const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  const flow = create(payloadNode("echo", (text: string) => text).to());
  const { url } = await serve(flow, { taskStore: new DatabaseTaskStore(kysely) });
  onTestFinished(() => kysely.destroy());
  const client = await speak(url, "HTTP+JSON");
  const made = await Promise.all(
    Array.from({ length: 5 }, () => taskOf(client.sendMessage(saying("x", {}, { tenant: "acme" })))),
  );
  await client.sendMessage(saying("x", {}, { tenant: "bob" }));
  const listed: string[] = [];
  for (let pageToken: string | undefined = ""; pageToken !== undefined;) {
    const page = await client.listTasks({ ...all, pageSize: 2, pageToken });
    expect(page.totalSize).toBe(5);
    listed.push(...page.tasks.map(({ id }) => id));
    pageToken = page.nextPageToken === "" ? undefined : page.nextPageToken;
  }
  expect(listed.toSorted()).toEqual(made.map(({ id }) => id).toSorted());
  const [first] = made;
  expect((await client.getTask({ tenant: "acme", id: first?.id ?? "" })).artifacts.map(textIn)).toEqual(["x"]);
}, 30_000);
