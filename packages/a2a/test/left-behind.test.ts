import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { type Message, Role, type Task, TaskState } from "@a2a-js/sdk";
import { ServerCallContext } from "@a2a-js/sdk/server";
import { type A2AServerOptions, MemoryTaskStore } from "@penguiflow/a2a/server";
import { create, payloadNode } from "penguiflow";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { KnownMessages } from "../src/server/known-messages.ts";
import { Turn } from "../src/server/turn.ts";
import { factsIn } from "../src/wire.ts";
import { serve } from "./serve.ts";
import { BINDINGS, collect, saying, speak, taskOf, textIn } from "./speak.ts";
import { until } from "./waiting.ts";

// the SDK logs every refusal to the console
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

const KB = 1_024;

/** Builds a flow whose handler writes a kilobyte at a time until it is aborted. */
function endless() {
  const begun = Promise.withResolvers<string>();
  const stopped = Promise.withResolvers<void>();
  const flow = create(
    payloadNode("write", async (_: string, ctx) => {
      begun.resolve(ctx.traceId);
      try {
        while (!ctx.signal.aborted) {
          await ctx.emitChunk({ text: "x".repeat(KB) });
          await turn();
        }
      } finally {
        stopped.resolve();
      }
      return "never";
    }).to(),
  );
  return { flow, begun: begun.promise, stopped: stopped.promise };
}

/** Builds a flow that writes texts, each as one piece. */
const writing = (...texts: readonly string[]) =>
  create(
    payloadNode("write", async (_: string, ctx) => {
      for (const text of texts) await ctx.emitChunk({ text });
      return "done";
    }).to(),
  );

const textOf = ({ artifacts }: Task): string => textIn(artifacts.find(({ artifactId }) => artifactId === "text"));

async function agent(flow: Parameters<typeof serve>[0], options: Partial<A2AServerOptions> = {}) {
  const { adapter, url } = await serve(flow, { textLimit: "8kb", ...options });
  const reader = await speak(url, "JSONRPC");
  /** Waits until no process works on the task, and returns it. */
  const taskAtEnd = async (id: string): Promise<Task> => {
    await until(async () => adapter.isQuiet);
    return await reader.getTask({ tenant: "", id, historyLength: undefined });
  };
  return { adapter, url, reader, taskAtEnd };
}

/** Summarises a finished task. */
const summaryOf = (task: Task) => ({
  state: task.status?.state,
  code: factsIn(task.metadata)["code"],
  retryable: factsIn(task.metadata)["retryable"],
  message: textIn(task.status?.message),
  length: textOf(task).length,
});

/** Expected summary of a task with too large a text. */
const tooLarge = (id: string): ReturnType<typeof summaryOf> => ({
  state: TaskState.TASK_STATE_FAILED,
  code: "PAYLOAD_TOO_LARGE",
  retryable: false,
  message:
    `Cannot keep task "${id}": its text is larger than 8192 bytes; ` +
    'stream less, or raise the server\'s "textLimit"',
  length: 8 * KB,
});

describe("a task that nobody reads keeps no more text than it may, and its handler is stopped", () => {
  test.each(BINDINGS)("its client has left, over %s", async (binding) => {
    const { flow, begun, stopped } = endless();
    const { url, taskAtEnd } = await agent(flow);
    const events = (await speak(url, binding)).sendMessageStream(saying("x"));
    await events.next();
    const id = await begun;
    await events.return(undefined);
    await stopped;
    expect(summaryOf(await taskAtEnd(id))).toEqual(tooLarge(id));
  });

  test("its client has never read a byte", async () => {
    const { flow, begun, stopped } = endless();
    const { url, taskAtEnd } = await agent(flow);
    const { hostname, port } = new URL(url);
    const message = { messageId: "m", role: "ROLE_USER", parts: [{ text: "x" }] };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "SendStreamingMessage", params: { message } });
    const socket = connect(Number(port), hostname);
    socket.pause();
    const head = ["POST /a2a/jsonrpc HTTP/1.1", "Host: x", "A2A-Version: 1.0", "Content-Type: application/json"];
    socket.write([...head, `Content-Length: ${body.length}`, "", body].join("\r\n"));
    const id = await begun;
    socket.destroy();
    await stopped;
    expect(summaryOf(await taskAtEnd(id))).toEqual(tooLarge(id));
  });

  test("its client waits for the end alone", async () => {
    const { flow, stopped } = endless();
    const { url } = await agent(flow);
    const task = await taskOf((await speak(url, "HTTP+JSON")).sendMessage(saying("x")));
    await stopped;
    expect(summaryOf(task)).toEqual(tooLarge(task.id));
  });
});

describe("the limit", () => {
  test("is one for readers, too, who are told all that is kept, and the end", async () => {
    const { flow, stopped } = endless();
    const { reader } = await agent(flow);
    const events = await collect(reader.sendMessageStream(saying("x")));
    await stopped;
    const pieces = events.flatMap(({ $case, value }) => ($case === "artifactUpdate" ? textIn(value.artifact) : []));
    expect(pieces.join("")).toHaveLength(8 * KB);
    const last = events.at(-1);
    expect(last?.$case === "statusUpdate" && last.value.status?.state).toBe(TaskState.TASK_STATE_FAILED);
  });

  test("is one of bytes, and a text that is as large is whole", async () => {
    const { reader } = await agent(writing("é".repeat(2 * KB), "é".repeat(2 * KB)));
    const whole = await taskOf(reader.sendMessage(saying("x")));
    expect(whole.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(textOf(whole)).toBe("é".repeat(4 * KB));
    const other = await agent(writing("é".repeat(4 * KB), "x"));
    expect((await taskOf(other.reader.sendMessage(saying("x")))).status?.state).toBe(TaskState.TASK_STATE_FAILED);
  });

  test("counts what a retry writes anew once", async () => {
    let attempts = 0;
    const policy = { maxRetries: 2, backoffBaseMs: 1 };
    const flow = create(
      payloadNode({ name: "write", policy }, async (_: string, ctx) => {
        await ctx.emitChunk({ text: "x".repeat(6 * KB) });
        if ((attempts += 1) < 3) throw new Error("Once more");
        return "done";
      }).to(),
    );
    const { reader } = await agent(flow);
    const task = await taskOf(reader.sendMessage(saying("x")));
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(textOf(task)).toHaveLength(6 * KB);
  });

  test("counts what was written before a question", async () => {
    const flow = create(
      payloadNode("ask", async (_: string, ctx) => {
        const answer = await ctx.pause<string>({ reason: "?" });
        await ctx.emitChunk({ text: "x".repeat(6 * KB) });
        await ctx.pause<string>({ reason: "??" });
        await ctx.emitChunk({ text: "x".repeat(6 * KB) });
        return answer;
      }).to(),
    );
    const { reader } = await agent(flow);
    const { id: taskId } = await taskOf(reader.sendMessage(saying("x")));
    await taskOf(reader.sendMessage(saying("y", { taskId })));
    const task = await taskOf(reader.sendMessage(saying("z", { taskId })));
    expect(factsIn(task.metadata)).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  test.each(["", "much", "-1kb"])('"%s" is none', async (textLimit) => {
    await expect(agent(writing("x"), { textLimit })).rejects.toThrow('Option "textLimit" must be a size such as "4mb"');
  });

  test("is no larger than the longest text of the engine", async () => {
    await expect(agent(writing("x"), { textLimit: "1gb" })).rejects.toThrow('Option "textLimit" must be at most');
  });
});

describe("tasks that are over", () => {
  const context = new ServerCallContext();
  const sized = (id: string, size: number): Task => ({
    id,
    contextId: "c",
    status: { state: TaskState.TASK_STATE_COMPLETED, message: undefined, timestamp: undefined },
    artifacts: [
      {
        artifactId: "text",
        name: "",
        description: "",
        parts: [
          { content: { $case: "text", value: "x".repeat(size) }, mediaType: "", filename: "", metadata: undefined },
        ],
        metadata: undefined,
        extensions: [],
      },
    ],
    history: [],
    metadata: undefined,
  });

  test("are kept while they are not too large together, the last one at any size", async () => {
    const store = new MemoryTaskStore({ maxFinishedBytes: 10 * KB });
    const kept = async (): Promise<string[]> => {
      const found = await Promise.all(["a", "b", "c", "d"].map(async (id) => await store.load(id, context)));
      return found.flatMap((task) => task?.id ?? []);
    };
    for (const id of ["a", "b"]) await store.save(sized(id, 4 * KB), context);
    expect(await kept()).toEqual(["a", "b"]);
    // storing a task again must not count it twice
    await store.save(sized("b", 4 * KB), context);
    expect(await kept()).toEqual(["a", "b"]);
    await store.save(sized("c", 4 * KB), context);
    expect(await kept()).toEqual(["b", "c"]);
    await store.save(sized("d", 40 * KB), context);
    expect(await kept()).toEqual(["d"]);
    await store.save(sized("a", 1), context);
    expect(await kept()).toEqual(["a"]);
    expect(store.size).toBe(1);
  });

  test.each([-1, 0.5, Number.NaN])("%s is no limit of theirs", (maxFinishedBytes) => {
    expect(() => new MemoryTaskStore({ maxFinishedBytes })).toThrow('Option "maxFinishedBytes" must be a whole number');
  });
});

test("answers without a task are remembered while they are not too large together", () => {
  const known = new KnownMessages(10 * KB);
  const answered = (key: string, size: number): void => {
    const work = new Turn();
    const parts = [
      {
        content: { $case: "text" as const, value: "x".repeat(size) },
        mediaType: "",
        filename: "",
        metadata: undefined,
      },
    ];
    const answer: Message = {
      messageId: key,
      contextId: "",
      taskId: "",
      role: Role.ROLE_AGENT,
      parts,
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    };
    work.answer = answer;
    known.begin(key, work);
    known.end(key, work);
  };
  const task = new Turn();
  task.taskId = "t";
  known.begin("task", task);
  known.end("task", task);
  for (const key of ["a", "b", "c"]) answered(key, 4 * KB);
  expect(["task", "a", "b", "c"].map((key) => known.find(key) !== undefined)).toEqual([true, false, true, true]);
  expect(known.find("c")?.answer?.messageId).toBe("c");
});
