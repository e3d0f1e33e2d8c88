import { type Task, TaskState } from "@a2a-js/sdk";
import type { Client } from "@a2a-js/sdk/client";
import { ServerCallContext } from "@a2a-js/sdk/server";
import { A2AServerAdapter, MemoryTaskStore } from "@penguiflow/a2a/server";
import { create, payloadNode } from "penguiflow";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { EXTENSION, factsIn, valueOf } from "../src/wire.ts";
import { serve } from "./serve.ts";
import { BINDINGS, collect, saying, speak, taskOf, textIn } from "./speak.ts";
import { stepped, until, waiting } from "./waiting.ts";

const shout = () => create(payloadNode("shout", (text: string) => text.toUpperCase()).to());

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

async function list(client: Client, tenant: string): Promise<Task[]> {
  const { tasks } = await client.listTasks({
    tenant,
    contextId: "",
    status: TaskState.TASK_STATE_UNSPECIFIED,
    pageToken: "",
    statusTimestampAfter: undefined,
  });
  return tasks;
}

describe.each(BINDINGS)("over %s", (binding) => {
  test("a flow answers a message with a task that has its result", async () => {
    const { url } = await serve(shout());
    const client = await speak(url, binding);
    const task = await taskOf(client.sendMessage(saying("hello")));
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(task.artifacts.map(textIn)).toEqual(["HELLO"]);
  });

  test("chunks are pieces of one artifact, told in order and kept as one text", async () => {
    const spell = create(
      payloadNode("spell", async (text: string, ctx) => {
        for (const letter of text) await ctx.emitChunk({ text: letter });
        return { length: text.length };
      }).to(),
    );
    const { url } = await serve(spell);
    const client = await speak(url, binding);
    const events = await collect(client.sendMessageStream(saying("pingu")));
    expect(events[0]?.$case).toBe("task");
    const updates = events.flatMap((event) => (event.$case === "artifactUpdate" ? [event.value] : []));
    expect(updates.map(({ artifact, append }) => [artifact?.artifactId, textIn(artifact), append])).toEqual([
      ["text", "p", false],
      ["text", "i", true],
      ["text", "n", true],
      ["text", "g", true],
      ["text", "u", true],
      ["text", "", true],
      ["result", "", false],
    ]);
    const last = events.at(-1);
    expect(last?.$case === "statusUpdate" && last.value.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    const id = events[0]?.$case === "task" ? events[0].value.id : "";
    const task = await client.getTask({ tenant: "", id, historyLength: undefined });
    expect(task.artifacts.map(({ artifactId, parts }) => [artifactId, valueOf(parts)])).toEqual([
      ["text", "pingu"],
      ["result", { length: 5 }],
    ]);
  });

  test("the state of a task is what became of its trace", async () => {
    const fates = create(
      payloadNode("fates", async (fate: string, ctx): Promise<string | undefined> => {
        if (fate === "throws") throw new TypeError("No such penguin");
        if (fate === "nothing") return undefined;
        if (fate === "late") await ctx.sleep(60_000);
        if (fate === "dear") ctx.budget.reserve({ costUsd: 2 });
        return fate;
      }).to(),
    );
    const { url } = await serve(fates);
    const client = await speak(url, binding);
    const endOf = async (fate: string, facts: object = {}) => {
      const task = await taskOf(client.sendMessage(saying(fate, { metadata: { [EXTENSION]: facts } })));
      const { code } = factsIn(task.metadata);
      return { state: task.status?.state, code, says: textIn(task.status?.message), artifacts: task.artifacts };
    };
    expect(await endOf("throws")).toMatchObject({
      state: TaskState.TASK_STATE_FAILED,
      code: "NODE_EXCEPTION",
      says: expect.stringContaining("No such penguin") as string,
    });
    expect(await endOf("nothing")).toMatchObject({
      state: TaskState.TASK_STATE_FAILED,
      code: "NO_RESULT",
      says: expect.stringContaining("has returned nothing") as string,
    });
    const late = await endOf("late", { deadlineAt: Date.now() + 30 });
    expect(late).toMatchObject({ state: TaskState.TASK_STATE_COMPLETED, code: "DEADLINE_EXCEEDED" });
    expect(valueOf(late.artifacts[0]?.parts ?? [])).toEqual({ text: "Deadline exceeded", citations: [] });
    const dear = await endOf("dear", { traceBudget: { costUsd: 1 } });
    expect(dear).toMatchObject({ state: TaskState.TASK_STATE_COMPLETED, code: "BUDGET_EXHAUSTED" });
    expect(valueOf(dear.artifacts[0]?.parts ?? [])).toEqual({ text: "Budget exhausted: costUsd", citations: [] });
    expect(await endOf("dear", { traceBudget: { costUsd: "little" } })).toMatchObject({
      state: TaskState.TASK_STATE_FAILED,
      says: expect.stringContaining('Option "budget.costUsd" must be a number of 0 or more') as string,
    });
  });

  test("a task that is cancelled stops the handler and is canceled, for all who read about it", async () => {
    const { flow, begun, stopped } = waiting();
    const { url } = await serve(flow);
    const client = await speak(url, binding);
    const reading = collect(client.sendMessageStream(saying("x")));
    const taskId = await begun;
    const cancelled = await client.cancelTask({ tenant: "", id: taskId, metadata: undefined });
    await stopped;
    expect(cancelled.status?.state).toBe(TaskState.TASK_STATE_CANCELED);
    expect((await reading).at(-1)).toMatchObject({
      $case: "statusUpdate",
      value: { status: { state: TaskState.TASK_STATE_CANCELED } },
    });
    await expect(client.sendMessage(saying("more", { taskId }))).rejects.toThrow("terminal state");
  });

  test("a trace that pauses asks its caller, and the next message is the answer", async () => {
    const Seat = z.enum(["window", "aisle"]);
    const book = create(
      payloadNode("book", async (flight: string, ctx) => {
        await ctx.emitChunk({ text: "asking " });
        const seat = await ctx.pause({ reason: "Which seat?", payload: { free: ["12A"] }, resumeSchema: Seat });
        await ctx.emitChunk({ text: "booked" });
        return `${flight} at the ${seat}`;
      }).to(),
    );
    const { url, app } = await serve(book);
    const client = await speak(url, binding);
    const asked = await taskOf(client.sendMessage(saying("EZS 1")));
    expect(asked.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    expect(textIn(asked.status?.message)).toBe("Which seat?");
    expect(valueOf(asked.status?.message?.parts ?? [])).toEqual({ free: ["12A"] });

    const again = await taskOf(client.sendMessage(saying("the wing", { taskId: asked.id })));
    expect(again.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    expect(textIn(again.status?.message)).toContain("Which seat?");

    const done = await taskOf(client.sendMessage(saying("window", { taskId: asked.id })));
    expect([done.id, done.contextId]).toEqual([asked.id, asked.contextId]);
    expect(done.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    // the handler ran again from its beginning and repeated its first text
    const [said, result] = done.artifacts;
    expect(textIn(said)).toMatch(/^(asking )+booked$/);
    expect(textIn(result)).toBe("EZS 1 at the window");
    expect(done.history.map(textIn)).toEqual([
      "EZS 1",
      "Which seat?",
      expect.any(String) as string,
      expect.any(String) as string,
      "window",
    ]);

    const left = await taskOf(client.sendMessage(saying("EZS 2")));
    await client.cancelTask({ tenant: "", id: left.id, metadata: undefined });
    expect(await app.adapter.flows[0]?.pauses.list({ traceId: left.id })).toEqual([]);
  });

  test("a message that comes twice begins one task, whichever way it comes", async () => {
    let runs = 0;
    const count = create(payloadNode("count", async (_: string, ctx) => (await ctx.sleep(20), (runs += 1))).to());
    const { url } = await serve(count);
    const client = await speak(url, binding);
    const request = saying("x");
    const [first, second] = await Promise.all([client.sendMessage(request), client.sendMessage(request)].map(taskOf));
    const events = await collect(client.sendMessageStream(request));
    expect(second?.id).toBe(first?.id);
    expect(events).toMatchObject([{ $case: "task", value: { id: first?.id, status: first?.status } }]);
    expect(runs).toBe(1);
    const other = await taskOf(client.sendMessage(request, {}));
    expect(other.id).toBe(first?.id);
    const named = await taskOf(client.sendMessage({ ...request, tenant: "bob" }));
    expect(named.id).not.toBe(first?.id);
  });

  test("a reader who comes later is told everything once", async () => {
    const { flow, next } = stepped(["a", "b", "c", "d", "e", "f"]);
    const { url } = await serve(flow);
    const client = await speak(url, binding);
    const first = collect(client.sendMessageStream(saying("x")));
    const { id } = (await until(async () => (await list(client, "")).at(0))) as { id: string };
    const readers = [first];
    for (let step = 0; step < 6; step += 1) {
      const late = client.resubscribeTask({ tenant: "", id });
      const { value } = await late.next();
      next();
      readers.push(
        collect(late).then((events) => [...(value?.payload === undefined ? [] : [value.payload]), ...events]),
      );
    }
    for (const events of await Promise.all(readers)) {
      const text = events
        .map((event) => {
          if (event.$case === "task") return textIn(event.value.artifacts.find((item) => item.artifactId === "text"));
          return event.$case === "artifactUpdate" && event.value.artifact?.artifactId === "text"
            ? textIn(event.value.artifact)
            : "";
        })
        .join("");
      expect(text).toBe("abcdef");
      expect(events[0]?.$case).toBe("task");
    }
    await expect(collect(client.resubscribeTask({ tenant: "", id }))).rejects.toThrow("terminal state");
  });

  test("one tenant can neither read, list, cancel, answer nor subscribe to the task of another", async () => {
    const { flow, begun, stopped } = waiting();
    const { url } = await serve(flow);
    const client = await speak(url, binding);
    const mine = collect(client.sendMessageStream(saying("x", {}, { tenant: "ada" })));
    const id = await begun;
    for (const tenant of ["bob", ""]) {
      await expect(client.getTask({ tenant, id })).rejects.toThrow("not found");
      await expect(client.cancelTask({ tenant, id, metadata: undefined })).rejects.toThrow("not found");
      await expect(collect(client.resubscribeTask({ tenant, id }))).rejects.toThrow("not found");
      await expect(client.sendMessage(saying("x", { taskId: id }, { tenant }))).rejects.toThrow("not found");
      expect(await list(client, tenant)).toEqual([]);
    }
    expect((await list(client, "ada")).map((task) => task.status?.state)).toEqual([TaskState.TASK_STATE_WORKING]);
    await client.cancelTask({ tenant: "ada", id, metadata: undefined });
    await stopped;
    await mine;
  });

  test("users see their own tasks, may call for tenants they are allowed, and nobody else gets in", async () => {
    const seen: string[] = [];
    const flow = create(payloadNode("who", (_: string, ctx) => (seen.push(ctx.tenant), "done")).to());
    const { url } = await serve(flow, {
      authenticate: ({ headers }) => ({ a: "ada", b: "bob" })[headers.authorization ?? ""],
      mayUseTenant: (user, tenant) => `${user}s` === tenant || tenant === "shared",
    });
    const ada = await speak(url, binding, "a");
    const bob = await speak(url, binding, "b");
    const task = await taskOf(ada.sendMessage(saying("x", {}, { tenant: "shared" })));
    await taskOf(ada.sendMessage(saying("x")));
    await taskOf(bob.sendMessage(saying("x", {}, { tenant: "bobs" })));
    expect(seen).toEqual(["shared", "ada", "bobs"]);
    await expect(bob.getTask({ tenant: "shared", id: task.id })).rejects.toThrow("not found");
    await expect(bob.sendMessage(saying("x", {}, { tenant: "adas" }))).rejects.toThrow(
      'Cannot call for tenant "adas": this user may not act for it',
    );
    await expect((await speak(url, binding)).sendMessage(saying("x"))).rejects.toThrow("Not authenticated");
  });

  test.each([true, false])(
    "a client who leaves lets the task go on, or takes it along (stream: %s)",
    async (isStream) => {
      for (const onClientGone of ["detach", "cancel"] as const) {
        const { flow, begun, stopped, goOn } = waiting();
        const { url } = await serve(flow, { onClientGone });
        const client = await speak(url, binding);
        const leave = new AbortController();
        const options = { signal: leave.signal };
        const call = isStream
          ? collect(client.sendMessageStream(saying("x"), options))
          : client.sendMessage(saying("x"), options);
        const id = await begun;
        leave.abort();
        await expect(call).rejects.toThrow(/abort|cancel/i);
        if (onClientGone === "cancel") await stopped;
        else goOn();
        const wanted = onClientGone === "cancel" ? TaskState.TASK_STATE_CANCELED : TaskState.TASK_STATE_COMPLETED;
        await until(async () => (await client.getTask({ tenant: "", id })).status?.state === wanted);
      }
    },
  );

  test("a call that wants its answer at once gets the task, has not left with it, and finds its end later", async () => {
    const { flow, goOn } = waiting();
    const { url } = await serve(flow, { onClientGone: "cancel" });
    const client = await speak(url, binding);
    const configuration = {
      returnImmediately: true,
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      historyLength: undefined,
    };
    const task = await taskOf(client.sendMessage(saying("x", {}, { configuration })));
    expect(task.status?.state).toBe(TaskState.TASK_STATE_WORKING);
    goOn();
    await until(async () => {
      const { status } = await client.getTask({ tenant: "", id: task.id });
      return status?.state === TaskState.TASK_STATE_COMPLETED;
    });
  });
});

test("a reader who does not read makes the flow wait, and misses nothing", async () => {
  const piece = "x".repeat(256_000);
  let said = 0;
  const flow = create(
    payloadNode("talk", async (_: string, ctx) => {
      for (; said < 120; said += 1) await ctx.emitChunk({ text: piece });
      return "done";
    }).to(),
  );
  const { url } = await serve(flow, { textLimit: "64mb" });
  const body = { message: { role: "ROLE_USER", messageId: "m", parts: [{ text: "x" }] } };
  const response = await fetch(`${url}/a2a/rest/message:stream`, {
    method: "POST",
    headers: { "content-type": "application/json", "A2A-Version": "1.0" },
    body: JSON.stringify(body),
  });
  let before = -1;
  // waits until the handler stops writing
  await until(async () => {
    const isStill = said === before;
    before = said;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isStill;
  });
  expect(said).toBeLessThan(100);
  const text = await response.text();
  expect(text.length).toBeGreaterThan(120 * piece.length);
  expect(text).toContain("TASK_STATE_COMPLETED");
});

test("a stream of many pieces costs each of them the same", async () => {
  const talk = create(
    payloadNode("talk", async (count: string, ctx) => {
      for (let index = 0; index < Number(count); index += 1) await ctx.emitChunk({ text: "word " });
      return count;
    }).to(),
  );
  const { adapter } = await serve(talk);
  const timeOf = async (count: number): Promise<number> => {
    const startedAt = performance.now();
    await adapter.requestHandler.sendMessage(saying(String(count)), new ServerCallContext());
    return (performance.now() - startedAt) / count;
  };
  /** The least of several, which is that of a quiet moment. */
  const leastOf = async (count: number): Promise<number> => {
    let least = Number.POSITIVE_INFINITY;
    for (let time = 0; time < 4; time += 1) least = Math.min(least, await timeOf(count));
    return least;
  };
  await timeOf(500);
  const few = await leastOf(500);
  expect(await leastOf(5_000)).toBeLessThan(few * 5 + 0.05);
});

test("sixty calls at once through three nodes each get their own answer", async () => {
  const step = (name: string) =>
    payloadNode({ name, policy: { concurrency: 16 } }, async (text: string, ctx) => {
      await ctx.sleep(Math.random() * 5);
      return `${text} ${name}`;
    });
  const { url } = await serve(create(step("a").to(step("b")).to(step("c"))));
  const client = await speak(url, "JSONRPC");
  const names = Array.from({ length: 60 }, (_, index) => `call ${index}`);
  const tasks = await Promise.all(names.map((name) => taskOf(client.sendMessage(saying(name)))));
  expect(tasks.map(({ artifacts }) => textIn(artifacts[0]))).toEqual(names.map((name) => `${name} a b c`));
});

test("tasks that were being worked on when a process ended are listed, and have failed", async () => {
  const taskStore = new MemoryTaskStore();
  const { flow, begun } = waiting();
  const before = await serve(flow, { taskStore });
  const reading = collect((await speak(before.url, "JSONRPC")).sendMessageStream(saying("x")));
  reading.catch(() => {});
  const id = await begun;
  // a second agent with the store of a killed process
  const { url } = await serve(waiting().flow, { taskStore });
  const client = await speak(url, "JSONRPC");
  expect(await list(client, "")).toMatchObject([{ id, status: { state: TaskState.TASK_STATE_FAILED } }]);
  const task = await client.getTask({ tenant: "", id });
  expect(textIn(task.status?.message)).toBe("The process that worked on the task has ended");
});

test("a store in memory keeps the tasks that ended last, and all that have not", async () => {
  const taskStore = new MemoryTaskStore({ maxFinished: 10 });
  const { flow, goOn } = waiting();
  const { url } = await serve({ shout: shout(), wait: flow }, { taskStore });
  const client = await speak(url, "JSONRPC");
  const waits = client.sendMessage(saying("x", { metadata: { [EXTENSION]: { skill: "wait" } } }));
  for (let count = 0; count < 40; count += 1) await client.sendMessage(saying(`text ${count}`));
  expect(taskStore.size).toBe(11);
  goOn();
  expect((await taskOf(waits)).status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
});

test("a large payload is taken, one over the limit is not", async () => {
  const { url } = await serve(shout(), { bodyLimit: "300kb" });
  for (const binding of BINDINGS) {
    const client = await speak(url, binding);
    const task = await taskOf(client.sendMessage(saying("x".repeat(200_000))));
    expect(textIn(task.artifacts[0])).toHaveLength(200_000);
    await expect(client.sendMessage(saying("x".repeat(400_000)))).rejects.toThrow(
      /413|Payload Too Large|larger than max/,
    );
  }
});

test("what fails before a message is read tells nothing of the inside", async () => {
  const { url } = await serve(shout(), {
    bodyLimit: "200kb",
    authenticate: ({ headers }) => {
      if (headers.authorization === "broken") throw new Error("The password of the directory is wrong");
      return "somebody";
    },
  });
  const post = async (body: string, authorization: string) => {
    const headers = { "content-type": "application/json", "A2A-Version": "1.0", authorization };
    const response = await fetch(`${url}/a2a/jsonrpc`, { method: "POST", headers, body });
    return { status: response.status, text: await response.text() };
  };
  const refused = (error: object) => JSON.stringify({ jsonrpc: "2.0", id: null, error });
  expect(await post("{}", "broken")).toEqual({
    status: 500,
    text: refused({ code: -32603, message: "Internal error" }),
  });
  const large = JSON.stringify("x".repeat(300_000));
  const tooLarge = refused({ code: -32600, message: "Payload Too Large" });
  expect(await post(large, "")).toEqual({ status: 413, text: tooLarge });
  expect(await post("{", "")).toMatchObject({ status: 200, text: expect.stringContaining("-32700") as string });
});

test("a flow without card or skill, and options that are not there, are refused", () => {
  const card = { name: "a", description: "b", version: "1", skills: [{ id: "main", description: "c" }] };
  expect(() => new A2AServerAdapter(shout(), { card: { ...card, skills: [] } })).toThrow("at least one skill");
  expect(() => new A2AServerAdapter({ other: shout() }, { card })).toThrow(
    'Cannot serve skill "main" of the card: no flow has it',
  );
  expect(() => new A2AServerAdapter(shout(), { card, urll: "x" } as never)).toThrow('Unknown option "urll"');
  expect(() => new A2AServerAdapter(shout(), { card, bodyLimit: "much" })).toThrow('Option "bodyLimit" must be a size');
  expect(() => new A2AServerAdapter(shout(), { card, legacy: "no" } as never)).toThrow('Option "legacy" must be true');
});
