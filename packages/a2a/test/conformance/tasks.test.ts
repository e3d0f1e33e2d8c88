import { expect } from "vitest";
import { options } from "../../../../examples/a2a-tck-agent/main.ts";
import { answer, finished, rule, say, taskIn, waiting } from "./rule.ts";
import type { Task } from "./shapes.ts";
import type { WireClient } from "./wire-client.ts";

rule("CORE-GET-001", async ({ wire }) => {
  const task = await finished(wire);
  const read = await wire.ask("GetTask", { id: task.id });
  expect(read).toEqual(task);
  expect(read.artifacts).toMatchObject([{ parts: [{ text: "Hello from TCK" }] }]);
  const paused = await waiting(wire);
  expect((await wire.ask("GetTask", { id: paused.id })).status.state).toBe("TASK_STATE_INPUT_REQUIRED");
});

rule("CORE-GET-002", async ({ wire }) => {
  await wire.refused("GetTask", { id: "none" }, "TaskNotFoundError");
});

rule(
  "CORE-LIST-001",
  async ({ as }) => {
    const [ann, bob] = [as({ authorization: "ann" }), as({ authorization: "bob" })];
    const [hers, his] = [await finished(ann), await finished(bob)];
    expect((await ann.ask("ListTasks", {})).tasks.map(({ id }) => id)).toEqual([hers.id]);
    const page = await bob.ask("ListTasks", {});
    expect({ ids: page.tasks.map(({ id }) => id), total: page.totalSize }).toEqual({ ids: [his.id], total: 1 });
    expect((await bob.ask("ListTasks", { contextId: hers.contextId })).tasks).toEqual([]);
  },
  { agent: { ...options, authenticate: ({ headers }) => headers.authorization } },
);

/** Creates seven tasks of one context, in order. */
async function seven(wire: WireClient): Promise<Task[]> {
  const tasks: Task[] = [];
  for (let count = 0; count < 7; count += 1)
    tasks.push(taskIn(await wire.ask("SendMessage", say("complete-task", { contextId: "seven" }))));
  await finished(wire);
  return tasks;
}

/** Reads all pages of a list. */
async function pagesOf(wire: WireClient, pageSize: number): Promise<Task[][]> {
  const pages: Task[][] = [];
  let token = "";
  do {
    const query = { contextId: "seven", pageSize, ...(token === "" ? {} : { pageToken: token }) };
    const page = await wire.ask("ListTasks", query);
    expect(page).toMatchObject({ pageSize, totalSize: 7 });
    pages.push([...page.tasks]);
    token = page.nextPageToken;
  } while (token !== "");
  return pages;
}

const idsOf = (tasks: readonly Task[]): string[] => tasks.map(({ id }) => id);

rule("CORE-LIST-002", async ({ wire }) => {
  const tasks = await seven(wire);
  const pages = await pagesOf(wire, 3);
  expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
  expect(idsOf(pages.flat()).toSorted()).toEqual(idsOf(tasks).toSorted());
  const { nextPageToken } = await wire.ask("ListTasks", { contextId: "seven", pageSize: 3 });
  // tasks that arrive meanwhile are newer, and do not shift later pages
  await wire.ask("SendMessage", say("complete-task", { contextId: "seven" }));
  const next = await wire.ask("ListTasks", { contextId: "seven", pageSize: 3, pageToken: nextPageToken });
  expect(idsOf(next.tasks)).toEqual(idsOf(pages[1] ?? []));
  for (const pageToken of ["nonsense", "AAAA"]) await wire.refused("ListTasks", { pageToken }, "InvalidParamsError");
});

rule("CORE-LIST-003", async ({ wire }) => {
  await seven(wire);
  const first = await waiting(wire);
  await finished(wire);
  const times = (await wire.ask("ListTasks", {})).tasks.map(({ status }) => status.timestamp ?? "");
  expect(times.length).toBe(10);
  expect(times).toEqual(times.toSorted().toReversed());
  // a changed task becomes the newest again
  await answer(wire, first);
  const [newest] = (await wire.ask("ListTasks", { pageSize: 1 })).tasks;
  const latest = (await wire.ask("GetTask", { id: first.id })).status.timestamp;
  expect(newest?.status.timestamp).toBe(latest);
});

rule("CORE-LIST-004", async ({ wire }) => {
  expect(await wire.ask("ListTasks", {})).toMatchObject({ tasks: [], nextPageToken: "", totalSize: 0 });
  await seven(wire);
  expect(await wire.ask("ListTasks", { contextId: "seven", pageSize: 100 })).toMatchObject({ nextPageToken: "" });
  expect(await wire.ask("ListTasks", { contextId: "seven", pageSize: 7 })).toMatchObject({ nextPageToken: "" });
  expect((await wire.ask("ListTasks", { contextId: "seven", pageSize: 6 })).nextPageToken).not.toBe("");
});

rule("CORE-LIST-005", async ({ wire }) => {
  await finished(wire);
  await waiting(wire);
  for (const query of [{}, { includeArtifacts: false }])
    for (const task of (await wire.ask("ListTasks", query)).tasks) expect(task).not.toHaveProperty("artifacts");
  const { tasks } = await wire.ask("ListTasks", { includeArtifacts: true });
  expect(new Set(tasks.map(({ artifacts }) => artifacts?.length))).toEqual(new Set([0, 1]));
});

rule("CORE-CANCEL-001", async ({ wire, clock }) => {
  const paused = await waiting(wire);
  const cancelled = await wire.ask("CancelTask", { id: paused.id });
  expect(cancelled).toMatchObject({ id: paused.id, status: { state: "TASK_STATE_CANCELED" } });
  const working = taskIn(await wire.ask("SendMessage", say("delayed-complete", {}, { returnImmediately: true })));
  const stopped = await wire.ask("CancelTask", { id: working.id });
  expect(stopped).toMatchObject({ id: working.id, status: { state: "TASK_STATE_CANCELED" } });
  await clock.advance(5_000);
  expect((await wire.ask("GetTask", { id: working.id })).status.state).toBe("TASK_STATE_CANCELED");
});

rule("CORE-CANCEL-002", async ({ wire }) => {
  await wire.refused("CancelTask", { id: (await finished(wire)).id }, "TaskNotCancelableError");
  const failed = taskIn(await wire.ask("SendMessage", say("reject-task")));
  await wire.refused("CancelTask", { id: failed.id }, "TaskNotCancelableError");
  // cancelling is idempotent, as section 3.3.1 requires
  const { id } = await waiting(wire);
  const once = await wire.ask("CancelTask", { id });
  expect(await wire.ask("CancelTask", { id })).toEqual(once);
});

rule("CORE-CANCEL-003", async ({ wire }) => {
  await wire.refused("CancelTask", { id: "none" }, "TaskNotFoundError");
});
