import { setImmediate as turn } from "node:timers/promises";
import type { ListTasksRequest, ListTasksResponse, Task } from "@a2a-js/sdk";
import { TaskState } from "@a2a-js/sdk";
import { ServerCallContext, type TaskStore } from "@a2a-js/sdk/server";
import { MemoryTaskStore } from "@penguiflow/a2a/server";
import { create, payloadNode } from "penguiflow";
import { beforeEach, expect, test, vi } from "vitest";
import { serve } from "./serve.ts";
import { collect, saying, speak, textIn } from "./speak.ts";
import { until } from "./waiting.ts";

// the SDK logs every failure to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

/** A slow store, which fails on demand. */
class SlowTaskStore implements TaskStore {
  readonly #kept = new MemoryTaskStore();
  readonly stored: Task[] = [];
  loads = 0;
  under = 0;
  mostUnder = 0;
  isBroken = false;

  async save(task: Task, context: ServerCallContext): Promise<void> {
    this.under += 1;
    this.mostUnder = Math.max(this.mostUnder, this.under);
    await turn();
    this.under -= 1;
    if (this.isBroken) throw new Error("The disk is full");
    this.stored.push(task);
    await this.#kept.save(task, context);
  }

  async load(taskId: string, context: ServerCallContext): Promise<Task | undefined> {
    this.loads += 1;
    return await this.#kept.load(taskId, context);
  }

  async list(request: ListTasksRequest, context: ServerCallContext): Promise<ListTasksResponse> {
    return await this.#kept.list(request, context);
  }
}

const PIECES = 1_000;
const talk = (betweenPieces?: (count: number) => void) =>
  create(
    payloadNode("talk", async (_: string, ctx) => {
      for (let count = 0; count < PIECES; count += 1) {
        await ctx.emitChunk({ text: "word " });
        betweenPieces?.(count);
      }
      return "done";
    }).to(),
  );

test("a stream of a thousand pieces is stored by a few writes, one at a time, and is there as a whole at its end", async () => {
  const taskStore = new SlowTaskStore();
  const { url, adapter } = await serve(talk(), { taskStore });
  const client = await speak(url, "JSONRPC");
  const events = await collect(client.sendMessageStream(saying("x")));
  const pieces = events.filter(({ $case }) => $case === "artifactUpdate");
  expect(pieces).toHaveLength(PIECES + 2);
  expect(taskStore.mostUnder).toBe(1);
  expect(taskStore.stored.length).toBeLessThan(PIECES / 2);
  expect(taskStore.loads).toBeLessThan(10);
  // a terminal state is stored before it is delivered
  const last = taskStore.stored.at(-1);
  expect(last?.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  expect(last?.artifacts.map(textIn)).toEqual(["word ".repeat(PIECES), "done"]);
  expect(adapter.isQuiet).toBe(true);
});

test("what a task is before its first piece, and what it has become, is stored before it is told", async () => {
  const taskStore = new SlowTaskStore();
  const { adapter } = await serve(talk(), { taskStore });
  const stored: [string | undefined, TaskState | undefined][] = [];
  for await (const { payload } of adapter.requestHandler.sendMessageStream(saying("x"), new ServerCallContext()))
    if (payload?.$case !== "artifactUpdate") stored.push([payload?.$case, taskStore.stored.at(-1)?.status?.state]);
  expect(stored).toEqual([
    ["task", TaskState.TASK_STATE_WORKING],
    ["statusUpdate", TaskState.TASK_STATE_COMPLETED],
  ]);
});

test("a store that breaks in the middle of a stream ends its task", async () => {
  const taskStore = new SlowTaskStore();
  const { adapter } = await serve(
    talk((count) => (taskStore.isBroken = count >= 10)),
    { taskStore },
  );
  const reading = collect(adapter.requestHandler.sendMessageStream(saying("x"), new ServerCallContext()));
  await expect(reading).rejects.toThrow("The disk is full");
  expect(await until(async () => adapter.isQuiet)).toBe(true);
});

test("where several processes share a store, each piece is stored before it is told", async () => {
  const taskStore = new SlowTaskStore();
  const { adapter } = await serve(talk(), { taskStore, abandonedTasks: "keep" });
  const ahead: number[] = [];
  for await (const { payload } of adapter.requestHandler.sendMessageStream(saying("x"), new ServerCallContext()))
    if (payload !== undefined) ahead.push(taskStore.stored.length - ahead.length);
  expect(Math.min(...ahead)).toBe(1);
  expect(taskStore.stored).toHaveLength(ahead.length);
});
