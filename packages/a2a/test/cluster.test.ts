import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { type Part, type Task, TaskState } from "@a2a-js/sdk";
import { MemoryTaskStore, plannerPayload } from "@penguiflow/a2a/server";
import { A2AClientTransport } from "@penguiflow/a2a/client";
import { type Client, cluster, hostBackend, ipcChannel, memoryBackend } from "@penguiflow/cluster";
import { create, remoteNode, shape } from "penguiflow";
import { expect, onTestFinished, test } from "vitest";
import { valueOf } from "../src/wire.ts";
import { booking, clerk, telling } from "./cluster/flows.ts";
import { SETTINGS } from "./cluster/settings.ts";
import { serve } from "./serve.ts";
import { collect, saying, speak, taskOf, textIn } from "./speak.ts";
import { until } from "./waiting.ts";

const TENANT = { tenant: "acme" };

/** A cluster in this process, whose workers are others. */
function begin() {
  const backend = memoryBackend();
  const workers: { readonly kill: () => Promise<void> }[] = [];
  const clients: Client[] = [];
  onTestFinished(async () => {
    for (const worker of workers) await worker.kill();
    for (const client of clients) await client[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  });
  const app = cluster({ ...SETTINGS, backend });
  const client = (): Client => {
    const made = app.client();
    clients.push(made);
    return made;
  };
  /** Starts a worker. Returns the function that kills it. */
  const worker = (name: string): (() => Promise<void>) => {
    const child = fork(path.join(import.meta.dirname, "cluster/worker-process.ts"), [name], {
      execArgv: ["--conditions=@penguiflow/source", "--disable-warning=ExperimentalWarning"],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const hosting = hostBackend(backend, ipcChannel(child));
    const exited = once(child, "exit");
    const kill = async (): Promise<void> => {
      child.kill("SIGKILL");
      await exited;
      hosting[Symbol.dispose]();
    };
    workers.push({ kill });
    return kill;
  };
  return { client, worker };
}

/** Waits until a task has begun to tell. */
async function begunTask(caller: Awaited<ReturnType<typeof speak>>): Promise<Task> {
  const tasks = await until(async () => {
    const found = (await caller.listTasks(listing)).tasks.filter(({ artifacts }) => artifacts.length > 0);
    return found.length > 0 ? found : undefined;
  });
  return tasks![0]!;
}

test("a task outlives its worker and its server: another server tells its end, and a reader elsewhere its chunks", async () => {
  const { client, worker } = begin();
  const taskStore = new MemoryTaskStore();
  const killOne = worker("one");
  const before = await serve(client().flow(telling), { taskStore });
  const first = await speak(before.url, "JSONRPC");
  const reading = collect(first.sendMessageStream(saying("a tale", {}, TENANT)));
  const task = await begunTask(first);
  expect(textIn(task.artifacts[0])).toBe("one tells ");
  await killOne();
  await before.app.close();
  expect((await reading).some((event) => event.$case === "statusUpdate")).toBe(false);

  const reader = client();
  const heard = Promise.withResolvers<void>();
  const followed = collectTexts(reader.follow(telling, task.id, TENANT), heard.resolve);
  const after = await serve(client().flow(telling), { taskStore });
  const second = await speak(after.url, "JSONRPC");
  const rest = collect(second.resubscribeTask({ id: task.id, ...TENANT }));
  worker("two");
  await heard.promise;
  await until(async () =>
    textIn((await second.getTask({ id: task.id, ...TENANT })).artifacts[0]).includes("and tells"),
  );
  await reader.signal(telling, task.id, "end", true, TENANT);
  expect((await rest).at(-1)).toMatchObject({
    $case: "statusUpdate",
    value: { status: { state: TaskState.TASK_STATE_COMPLETED } },
  });
  const done = await second.getTask({ id: task.id, ...TENANT });
  expect(textIn(done.artifacts[0])).toMatch(/and tells a tale$/);
  expect(valueOf(done.artifacts[1]!.parts)).toMatchObject({ by: "two" });
  expect(await followed).toMatch(/and tells a tale$/);
  expect(after.adapter.isQuiet).toBe(true);
}, 60_000);

test("a question asked on one worker is answered through another server, after the worker was killed", async () => {
  const { client, worker } = begin();
  const taskStore = new MemoryTaskStore();
  const killOne = worker("one");
  const before = await serve(client().flow(booking), { taskStore });
  const asked = await taskOf((await speak(before.url, "JSONRPC")).sendMessage(saying("EZS 1", {}, TENANT)));
  expect([asked.status?.state, textIn(asked.status?.message)]).toEqual([TaskState.TASK_STATE_INPUT_REQUIRED, "Seat?"]);
  await killOne();
  await before.app.close();

  worker("two");
  const after = await serve(client().flow(booking), { taskStore });
  const caller = await speak(after.url, "JSONRPC");
  const unfit = await taskOf(caller.sendMessage(saying("wing", { taskId: asked.id }, TENANT)));
  expect(unfit.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
  expect(textIn(unfit.status?.message)).toMatch(/does not fit.*Seat\?/s);
  const done = await taskOf(caller.sendMessage(saying("window", { taskId: asked.id }, TENANT)));
  expect(textIn(done.artifacts[0])).toBe("EZS 1 at the window, asked by one, booked by two");
}, 60_000);

test("one budget and one deadline hold from a caller's flow through the server to the worker that takes over", async () => {
  const { client, worker } = begin();
  const killOne = worker("one");
  const server = client();
  const { url } = await serve(server.flow(telling));
  const transport = new A2AClientTransport();
  const output = shape<{ by: string; deadlineAt: number; left: { calls: number } }>();
  const ask = remoteNode("ask", { transport, agentUrl: url, skill: "main", output, streaming: true });
  await using flow = create(ask.to());
  flow.run();
  const deadlineAt = Date.now() + 50_000;
  const budget = { calls: 5 };
  let killed: Promise<void> | undefined;
  let ended: Promise<void> | undefined;
  const watcher = await speak(url, "JSONRPC");
  const endOf = (id: string): Promise<void> => server.signal(telling, id, "end", true, TENANT);
  const items = flow.stream("it", { ...TENANT, deadlineAt, budget });
  let result: unknown;
  for await (const item of items) {
    if (item.type === "chunk" && item.chunk.text.startsWith("one") && killed === undefined) {
      killed = killOne();
      worker("two");
    }
    if (item.type === "chunk" && item.chunk.text.startsWith("and") && ended === undefined)
      ended = endOf((await watcher.listTasks(listing)).tasks[0]!.id);
    if (item.type === "result") ({ result } = item);
  }
  await Promise.all([killed, ended]);
  expect(result).toMatchObject({ by: "two", deadlineAt });
  // two, if what the killed worker had spent was stored
  const { calls = 0 } = items.spent;
  expect(calls).toBeGreaterThanOrEqual(1);
  expect((result as { readonly left: object }).left).toEqual({ calls: 5 - calls });
}, 60_000);

test("a task is cancelled wherever it runs, and one that no cluster knows fails", async () => {
  const { client, worker } = begin();
  worker("one");
  const taskStore = new MemoryTaskStore();
  const { url } = await serve({ main: client().flow(telling), other: client().flow(booking) }, { taskStore });
  const caller = await speak(url, "HTTP+JSON");
  const events = collect(caller.sendMessageStream(saying("it", {}, TENANT)));
  const task = await begunTask(caller);
  const cancelled = await caller.cancelTask({ id: task.id, ...TENANT, metadata: {} });
  expect(cancelled.status?.state).toBe(TaskState.TASK_STATE_CANCELED);
  expect((await events).at(-1)).toMatchObject({ value: { status: { state: TaskState.TASK_STATE_CANCELED } } });
  const gone = await client().outcome(telling, "it", { id: task.id, ...TENANT });
  expect(gone.status).toBe("cancelled");
  const unknown = await collectTexts(client().follow(telling, "no-such-task", TENANT)).catch((error: unknown) => error);
  expect(unknown).toMatchObject({ code: "TRACE_UNKNOWN" });
}, 60_000);

test("a planner runs on a cluster: its approval is asked on one worker, given elsewhere and acted on by another", async () => {
  const { client, worker } = begin();
  const taskStore = new MemoryTaskStore();
  const killOne = worker("one");
  const caller = client();
  const direct = await caller.outcome(clerk.flow, { prompt: "Pay!" }, { id: "direct", ...TENANT });
  expect(direct.status).toBe("paused");
  const before = await serve(caller.flow(clerk.flow), { taskStore, payloadOf: plannerPayload });
  const asked = await taskOf((await speak(before.url, "JSONRPC")).sendMessage(saying("Pay!", {}, TENANT)));
  expect(textIn(asked.status?.message)).toContain('Approve "pay"');
  await killOne();
  await before.app.close();

  worker("two");
  const after = await serve(client().flow(clerk.flow), { taskStore, payloadOf: plannerPayload });
  const approves = { taskId: asked.id, parts: [data({ approved: true, args: { cents: 4 } })] };
  const done = await taskOf((await speak(after.url, "JSONRPC")).sendMessage(saying("", approves, TENANT)));
  expect(valueOf(done.artifacts.at(-1)?.parts ?? [])).toMatchObject({ status: "completed", output: "Done." });

  const [question] = await client().pauses(clerk.flow, "direct", TENANT);
  const answer = { decision: { approved: true }, by: "ada" };
  const end = await client().resume(clerk.flow, question!.token, answer, TENANT);
  expect(end.status === "completed" && end.result).toMatchObject({ status: "completed", output: "Done." });
}, 60_000);

const listing = {
  ...TENANT,
  contextId: "",
  status: TaskState.TASK_STATE_UNSPECIFIED,
  pageToken: "",
  includeArtifacts: true,
  statusTimestampAfter: undefined,
};

const data = (value: unknown): Part => ({
  content: { $case: "data", value },
  mediaType: "application/json",
  filename: "",
  metadata: undefined,
});

async function collectTexts(items: ReturnType<Client["follow"]>, heard = (): void => {}): Promise<string> {
  let all = "";
  for await (const item of items) {
    if (item.type !== "chunk") continue;
    all += item.chunk.text;
    heard();
  }
  return all;
}
