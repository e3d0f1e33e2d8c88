import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { TaskState } from "@a2a-js/sdk";
import { ServerCallContext } from "@a2a-js/sdk/server";
import { MemoryTaskStore } from "@penguiflow/a2a/server";
import { create, MemoryCheckpointStore, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { expect, onTestFinished, test } from "vitest";
import { serve } from "./serve.ts";
import { startAgent } from "./start-agent.ts";
import { collect, saying, speak, taskOf, textIn } from "./speak.ts";
import { until } from "./waiting.ts";

function folder(): string {
  const place = mkdtempSync(path.join(tmpdir(), "a2a-"));
  onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  return place;
}

const all = {
  tenant: "acme",
  contextId: "",
  status: TaskState.TASK_STATE_UNSPECIFIED,
  pageToken: "",
  statusTimestampAfter: undefined,
};

test("after a kill -9 the tasks are still listed, and the one that was at work has failed with a reason", async () => {
  const file = path.join(folder(), "tasks.db");
  const before = await startAgent(file);
  const client = await speak(before.url, "JSONRPC");
  const done = await taskOf(client.sendMessage(saying("short", {}, { tenant: "acme" })));
  const reading = collect(client.sendMessageStream(saying("long", {}, { tenant: "acme" })));
  reading.catch(() => {});
  await until(async () => (await client.listTasks(all)).tasks.length === 2);
  const working = (await client.listTasks(all)).tasks.find(({ id }) => id !== done.id) ?? done;
  before.agent.kill("SIGKILL");
  await once(before.agent, "exit");
  await expect(reading).rejects.toThrow("terminated");

  const after = await startAgent(file);
  const again = await speak(after.url, "HTTP+JSON");
  const { tasks } = await again.listTasks(all);
  expect(Object.fromEntries(tasks.map(({ id, status }) => [id, status?.state]))).toEqual({
    [done.id]: TaskState.TASK_STATE_COMPLETED,
    [working.id]: TaskState.TASK_STATE_FAILED,
  });
  const failed = await again.getTask({ tenant: "acme", id: working.id });
  expect(textIn(failed.status?.message)).toBe("The process that worked on the task has ended");
  expect(textIn(failed.artifacts[0])).toBe("begun");
  expect((await again.listTasks({ ...all, tenant: "bob" })).tasks).toEqual([]);
});

test("SIGTERM lets tasks end, and the process with them", async () => {
  const { agent, url } = await startAgent(path.join(folder(), "tasks.db"));
  const client = await speak(url, "JSONRPC");
  const reading = collect(client.sendMessageStream(saying("long")));
  await until(async () => (await client.listTasks({ ...all, tenant: "" })).tasks.length === 1);
  const startedAt = performance.now();
  agent.kill("SIGTERM");
  const events = await reading;
  expect(events.at(-1)).toMatchObject({
    $case: "statusUpdate",
    value: { status: { state: TaskState.TASK_STATE_FAILED } },
  });
  expect(await once(agent, "exit")).toEqual([0, null]);
  expect(performance.now() - startedAt).toBeLessThan(6_000);
});

test("ten thousand tasks leave nothing behind but those that are kept", async () => {
  const taskStore = new MemoryTaskStore({ maxFinished: 100 });
  const flow = create(payloadNode({ name: "echo", policy: { concurrency: 8 } }, (text: string) => text).to());
  const { adapter } = await serve(flow, { taskStore });
  const send = (count: number) =>
    adapter.requestHandler.sendMessage(
      saying(`text ${count}`),
      new ServerCallContext({ tenant: `tenant ${count % 7}` }),
    );
  for (let count = 0; count < 10_000; count += 50)
    await Promise.all(Array.from({ length: 50 }, (_, index) => send(count + index)));
  expect(taskStore.size).toBe(100);
  expect(adapter.isQuiet).toBe(true);
  expect(flow.stats().traces).toBe(0);
}, 60_000);

test.each(["before its text", "after the beginning of its text"])(
  "a task of a durable flow goes on after a restart, and whoever subscribes to it %s sees its end",
  async (when) => {
    const checkpoints = new MemoryCheckpointStore();
    const taskStore = new MemoryTaskStore();
    const makeWork = (begin: Promise<void>, goOn: Promise<void>) => {
      const work = payloadNode("work", async (text: string, ctx) => {
        const stopped = new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        await Promise.race([begin, stopped]);
        await ctx.emitChunk({ text: "working on " });
        await Promise.race([goOn, stopped]);
        await ctx.emitChunk({ text });
        return text.toUpperCase();
      });
      return create(work.to(), { name: "work", durability: durable({ checkpoints }) });
    };
    const before = await serve(makeWork(Promise.resolve(), new Promise(() => {})), { taskStore });
    const first = await speak(before.url, "JSONRPC");
    const reading = collect(first.sendMessageStream(saying("it", {}, { tenant: "acme" })));
    const withText = { ...all, includeArtifacts: true };
    await until(async () => (await first.listTasks(withText)).tasks[0]?.artifacts.length === 1);
    await before.app.close();
    const told = await reading;
    const states = told.flatMap((event) => (event?.$case === "statusUpdate" ? [event.value.status?.state] : []));
    expect(states.filter((state) => state !== TaskState.TASK_STATE_WORKING)).toEqual([]);

    const begin = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    if (when !== "before its text") begin.resolve();
    const after = await serve(makeWork(begin.promise, goOn.promise), { taskStore });
    const client = await speak(after.url, "JSONRPC");
    const [task] = (await client.listTasks(all)).tasks;
    expect(task?.status?.state).toBe(TaskState.TASK_STATE_WORKING);
    expect((await client.listTasks({ ...all, tenant: "bob" })).tasks).toEqual([]);
    const rest = collect(client.resubscribeTask({ id: task!.id, tenant: "acme" }));
    await until(async () => !after.adapter.isQuiet);
    begin.resolve();
    goOn.resolve();
    expect((await rest).at(-1)).toMatchObject({
      $case: "statusUpdate",
      value: { status: { state: TaskState.TASK_STATE_COMPLETED } },
    });
    const done = await client.getTask({ tenant: "acme", id: task!.id });
    expect(done.artifacts.map(textIn)).toEqual(["working on it", "IT"]);
    expect(after.adapter.isQuiet).toBe(true);
  },
);

test("a task whose trace came to its end before anybody asked has that end", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const taskStore = new MemoryTaskStore();
  const makeWork = (isOpen: boolean) => {
    const work = payloadNode("work", async (text: string, ctx) => {
      if (!isOpen) await ctx.sleep(60_000);
      if (text === "bad") throw new Error("down");
      return text.toUpperCase();
    });
    return create(work.to(), { name: "work", durability: durable({ checkpoints }) });
  };
  const before = await serve(makeWork(false), { taskStore });
  const first = await speak(before.url, "HTTP+JSON");
  for (const text of ["good", "bad"]) void first.sendMessage(saying(text, {}, { tenant: "acme" })).catch(() => {});
  await until(async () => (await first.listTasks(all)).tasks.length === 2);
  await before.app.close();

  const flow = makeWork(true);
  const after = await serve(flow, { taskStore });
  await flow.ready();
  await until(async () => flow.stats().traces === 0);
  const client = await speak(after.url, "HTTP+JSON");
  const states = async () =>
    Object.fromEntries(
      (await client.listTasks(all)).tasks.map(({ history, status }) => [textIn(history[0]), status?.state]),
    );
  await until(async () => !Object.values(await states()).includes(TaskState.TASK_STATE_WORKING));
  expect(await states()).toEqual({ good: TaskState.TASK_STATE_COMPLETED, bad: TaskState.TASK_STATE_FAILED });
});

test("the first to ask for a task of an earlier process, by subscribing to it, sees its end", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const taskStore = new MemoryTaskStore();
  const makeWork = (goOn: Promise<void>) => {
    const work = payloadNode("work", async (text: string, ctx) => {
      await Promise.race([goOn, new Promise((resolve) => ctx.signal.addEventListener("abort", resolve))]);
      return text.toUpperCase();
    });
    return create(work.to(), { name: "work", durability: durable({ checkpoints }) });
  };
  const before = await serve(makeWork(new Promise(() => {})), { taskStore });
  const first = await speak(before.url, "JSONRPC");
  void first.sendMessage(saying("it", {}, { tenant: "acme" })).catch(() => {});
  await until(async () => (await first.listTasks(all)).tasks.length === 1);
  const [task] = (await first.listTasks(all)).tasks;
  await before.app.close();

  const goOn = Promise.withResolvers<void>();
  const after = await serve(makeWork(goOn.promise), { taskStore });
  const events = collect((await speak(after.url, "JSONRPC")).resubscribeTask({ id: task!.id, tenant: "acme" }));
  await until(async () => !after.adapter.isQuiet);
  goOn.resolve();
  expect((await events).at(-1)).toMatchObject({ value: { status: { state: TaskState.TASK_STATE_COMPLETED } } });
});

test("a task that was taken up after a restart is cancelled as any other", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const taskStore = new MemoryTaskStore();
  const makeWork = () => {
    const work = payloadNode("work", async (text: string, ctx) => {
      await ctx.sleep(60_000);
      return text;
    });
    return create(work.to(), { name: "work", durability: durable({ checkpoints }) });
  };
  const before = await serve(makeWork(), { taskStore });
  const first = await speak(before.url, "JSONRPC");
  void first.sendMessage(saying("it", {}, { tenant: "acme" })).catch(() => {});
  await until(async () => (await first.listTasks(all)).tasks.length === 1);
  await before.app.close();

  const flow = makeWork();
  const after = await serve(flow, { taskStore });
  const client = await speak(after.url, "JSONRPC");
  const [task] = (await client.listTasks(all)).tasks;
  const cancelled = await client.cancelTask({ id: task!.id, tenant: "acme", metadata: {} });
  expect(cancelled.status?.state).toBe(TaskState.TASK_STATE_CANCELED);
  await until(async () => after.adapter.isQuiet);
  expect(flow.stats().traces).toBe(0);
  expect(await flow.recovery.unfinished()).toEqual([]);
});

test("a question is answered after a restart, when the flow is durable", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const taskStore = new MemoryTaskStore();
  const make = () =>
    create(
      payloadNode(
        "book",
        async (flight: string, ctx) => `${flight} at the ${await ctx.pause<string>({ reason: "Seat?" })}`,
      ).to(),
      { name: "booking", durability: durable({ checkpoints }) },
    );
  const before = await serve(make(), { taskStore });
  const asked = await taskOf((await speak(before.url, "JSONRPC")).sendMessage(saying("EZS 1", {}, { tenant: "acme" })));
  expect(asked.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
  await before.app.close();

  const after = await serve(make(), { taskStore });
  const client = await speak(after.url, "JSONRPC");
  const answer = saying("window", { taskId: asked.id }, { tenant: "acme" });
  const done = await taskOf(client.sendMessage(answer));
  expect(done.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  expect(textIn(done.artifacts[0])).toBe("EZS 1 at the window");
});
