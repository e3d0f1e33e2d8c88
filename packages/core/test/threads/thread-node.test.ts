import { writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { threadId } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { create, FlowError, flowToMermaid, payloadNode } from "penguiflow";
import { threadModule, threadNode, ThreadPool } from "penguiflow/threads";
import { z } from "zod";
import { recorder, tidy, within } from "../fixtures/watched-flow.ts";
import type * as broken from "./broken-module.ts";
import { contentOf, pool, scratchFile, tasks, threadError, until, warmPool } from "./fixtures.ts";

/** Retries immediately. */
const again = { maxRetries: 1, backoffBaseMs: 0 };

describe("a node in threads", () => {
  test("runs its function in another thread and sends what it returns on", async () => {
    const double = threadNode({ name: "double", module: tasks, run: "double", pool: pool() });
    const text = payloadNode("text", (value: number) => `got ${value}`);
    const flow = tidy(create(double.to(text)).run());
    expect(await flow.call(21)).toBe("got 42");
  });

  test("gives the function what it may know of its attempt", async () => {
    const look = threadNode({ name: "look", module: tasks, run: "look", pool: pool() });
    const flow = tidy(create(look.to()).run());
    const seen = await flow.call("", { traceId: "t", tenant: "acme", deadlineAt: Date.now() + 60_000 });
    expect(seen).toMatchObject({ node: "look", traceId: "t", tenant: "acme", attempt: 1 });
    expect(seen.threadId).not.toBe(threadId);
    expect(seen.deadlineAt).toBeGreaterThan(Date.now());
    const other = await flow.call("", { traceId: "t", tenant: "acme" });
    expect(other.deadlineAt).toBeUndefined();
    expect(other.idempotencyKey).not.toBe(seen.idempotencyKey);
  });

  test("checks payload and result against schemas, out of the thread", async () => {
    const threads = pool();
    const double = threadNode({
      name: "double",
      module: tasks,
      run: "double",
      input: z.string().transform(Number).pipe(z.number().min(1)),
      output: z.number().max(10),
      pool: threads,
    });
    const flow = tidy(create(double.to()).run());
    expect(await flow.call("5")).toBe(10);
    expect(await flow.outcome("0")).toMatchObject({ error: { code: "INPUT_INVALID" } });
    expect(await flow.outcome("6")).toMatchObject({ error: { code: "OUTPUT_INVALID" } });
  });

  test("sends nothing when the function returns nothing", async () => {
    const nothing = threadNode({ name: "nothing", module: tasks, run: "nothing", pool: pool() });
    expect(await tidy(create(nothing.to()).run()).outcome(1)).toMatchObject({ status: "empty" });
  });

  test("carries what structured clone carries", async () => {
    const echo = threadNode({ name: "echo", module: tasks, run: "echo", pool: pool() });
    const value = {
      when: new Date(5),
      tags: new Map([["a", new Set([1n])]]),
      bytes: new Uint8Array([1, 2]),
      no: undefined,
    };
    expect(await tidy(create(echo.to()).run()).call(value)).toEqual(value);
  });

  test("moves what the function says, instead of copying it", async () => {
    const bytes = threadNode({ name: "bytes", module: tasks, run: "bytes", pool: pool() });
    const result = await tidy(create(bytes.to()).run()).call(1 << 20);
    expect([result.bytes.length, result.bytes[0], result.before]).toEqual([1 << 20, 7, 1 << 20]);
  });

  test("shares memory that is made to be shared", async () => {
    const increment = threadNode({ name: "increment", module: tasks, run: "increment", pool: pool() });
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const flow = tidy(create(increment.to()).run());
    await Promise.all(Array.from({ length: 10 }, () => flow.call(shared)));
    expect(shared[0]).toBe(10);
  });

  test("is drawn with what it runs, and has the concurrency of its pool", () => {
    const hash = threadNode({ name: "hash", module: tasks, run: "double", pool: pool({ size: 3 }) });
    expect(hash.policy.concurrency).toBe(3);
    expect(threadNode({ name: "save", module: tasks, run: "double", effects: "writes" }).effects).toBe("writes");
    expect(flowToMermaid(create(hash.to()))).toContain("thread: double");
    const one = threadNode({ name: "one", module: tasks, run: "double", policy: { concurrency: 1 } });
    expect(one.policy.concurrency).toBe(1);
    expect(threadNode({ name: "any", module: tasks, run: "double" }).policy.concurrency).toBe(ThreadPool.shared.size);
  });

  test("handles a thousand messages in few threads", { timeout: 30_000 }, async () => {
    const threads = pool();
    const double = threadNode({ name: "double", module: tasks, run: "double", pool: threads });
    const flow = tidy(create(double.to()).run());
    const results = await Promise.all(Array.from({ length: 1_000 }, (_, index) => flow.call(index)));
    expect(results).toEqual(Array.from({ length: 1_000 }, (_, index) => index * 2));
    expect(threads.stats()).toMatchObject({ threads: 2, started: 2, crashed: 0, waiting: 0 });
  });
});

describe("what a function in a thread throws", () => {
  const failing = () => threadNode({ name: "fail", module: tasks, run: "fail", pool: pool(), policy: again });

  test("arrives with class name, message, stack, code and cause, and its own word on retries counts", async () => {
    const flow = tidy(create(failing().to()).run());
    const outcome = await flow.outcome("class");
    expect(outcome).toMatchObject({ error: { code: "NODE_EXCEPTION", attempt: 1 } });
    const error = threadError(outcome);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "QuotaError", message: "quota used up", code: "QUOTA", retryable: false });
    expect(error.stack).toMatch(/quota used up\n\s+at fail .*tasks\.ts/);
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(error.cause).toMatchObject({ message: "inner" });
  });

  test("is of its class when the language has it, with what else it carries", async () => {
    const flow = tidy(create(failing().to()).run());
    const outcome = await flow.outcome("range");
    expect(outcome).toMatchObject({ error: { attempt: 2 } });
    const error = threadError(outcome);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ code: "ERR_FAR", status: 416 });
    expect(error).not.toHaveProperty("call");
  });

  test("may be anything", async () => {
    const flow = tidy(create(failing().to()).run());
    expect(threadError(await flow.outcome("string"))).toBe("just words");
    expect(threadError(await flow.outcome("function"))).toContain("a function");
  });
});

describe("a thread that ends by itself", () => {
  test.for(["exit", "throw", "reject"] as const)("is replaced and its message retried: %s", async (how) => {
    const threads = pool();
    const { middleware, of } = recorder();
    const node = threadNode({ name: "end", module: tasks, run: "endOnce", pool: threads, policy: again });
    const flow = tidy(create(node.to(), { middlewares: [middleware] }).run());
    expect(await flow.call(how)).toBe(`${how}, attempt 2`);
    expect(of("node_error")).toHaveLength(1);
    expect(threads.stats()).toMatchObject({ threads: 1, started: 2, crashed: 1 });
  });

  test("fails the trace when the policy has no retry, and says why", async () => {
    const node = threadNode({ name: "end", module: tasks, run: "endOnce", pool: pool() });
    const flow = tidy(create(node.to()).run());
    const exited = threadError(await flow.outcome("exit"));
    expect(exited).toBeInstanceOf(FlowError);
    expect(exited).toMatchObject({
      code: "THREAD_CRASHED",
      message: 'The thread of node "end" ended before it answered: exit code 3',
      retryable: true,
      node: "end",
      details: { exitCode: 3 },
    });
    const thrown = threadError(await flow.outcome("throw"));
    expect(thrown.message).toContain("RangeError: uncaught");
    expect(thrown.cause).toMatchObject({ message: "uncaught" });
  });

  test("by using up its memory takes neither the process nor its message with it", { timeout: 30_000 }, async () => {
    const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 8 };
    const threads = pool({ size: 1, limits });
    const node = threadNode({ name: "devour", module: tasks, run: "devourMemory", pool: threads, policy: again });
    const flow = tidy(create(node.to()).run());
    expect(await flow.call(1)).toBe("survived");
    expect(threads.stats()).toMatchObject({ started: 2, crashed: 1 });
    const once = threadNode({ name: "once", module: tasks, run: "devourMemory", pool: threads });
    expect(threadError(await tidy(create(once.to()).run()).outcome(1))).toMatchObject({
      code: "THREAD_CRASHED",
      cause: { code: "ERR_WORKER_OUT_OF_MEMORY" },
    });
  });

  test("after it has answered loses nothing", async () => {
    const threads = pool({ size: 1 });
    const node = threadNode({ name: "die", module: tasks, run: "answerAndDie", pool: threads, policy: again });
    const flow = tidy(create(node.to()).run());
    for (let value = 0; value < 3; value += 1) expect(await flow.call(value)).toBe(value);
    await until(() => threads.stats().threads === 0);
  });

  test("while it is idle is not used again", async () => {
    const threads = pool({ size: 1 });
    const node = threadNode({ name: "die", module: tasks, run: "dieLater", pool: threads });
    const flow = tidy(create(node.to()).run());
    const first = await flow.call(1);
    await until(() => threads.stats().crashed === 1);
    expect(threads.stats()).toMatchObject({ threads: 0, idle: 0 });
    expect(await flow.call(1)).not.toBe(first);
  });
});

describe("work that is not wanted any more", () => {
  /** Whether a file is no longer written to. */
  async function isStill(file: string): Promise<boolean> {
    const before = await contentOf(file);
    await new Promise((resolve) => setTimeout(resolve, 100));
    return before === (await contentOf(file));
  }

  test("ends with its thread when it takes too long, and the next message gets a new one", async () => {
    const threads = await warmPool({ graceMs: 10 });
    const scribble = threadNode({
      name: "s",
      module: tasks,
      run: "scribble",
      pool: threads,
      policy: { timeoutMs: 400 },
    });
    const file = await scratchFile();
    expect(await tidy(create(scribble.to()).run()).outcome(file)).toMatchObject({ error: { code: "NODE_TIMEOUT" } });
    await until(() => threads.stats().threads === 0);
    expect(await contentOf(file)).not.toBe("");
    expect(await isStill(file)).toBe(true);
    const double = threadNode({ name: "double", module: tasks, run: "double", pool: threads });
    expect(await tidy(create(double.to()).run()).call(1)).toBe(2);
    expect(threads.stats()).toMatchObject({ started: 2, crashed: 0 });
  });

  test("is over when cancel resolves", async () => {
    const threads = await warmPool({ graceMs: 10 });
    const scribble = threadNode({ name: "s", module: tasks, run: "scribble", pool: threads });
    const file = await scratchFile();
    const flow = tidy(create(scribble.to()).run());
    const outcome = flow.outcome(file, { traceId: "t" });
    await until(async () => (await contentOf(file)) !== "");
    expect(await flow.cancel("t")).toMatchObject({ found: true, aborted: 1, zombies: 0 });
    expect(await outcome).toMatchObject({ status: "cancelled" });
    expect(await isStill(file)).toBe(true);
    await until(() => threads.stats().threads === 0);
  });

  test("ends at the deadline", async () => {
    const threads = await warmPool({ graceMs: 10 });
    const hang = threadNode({ name: "hang", module: tasks, run: "hang", pool: threads });
    const flow = tidy(create(hang.to()).run());
    expect(await flow.outcome(undefined, { timeoutMs: 300 })).toMatchObject({ status: "exhausted" });
    await until(() => threads.stats().threads === 0);
  });

  test("ends with the flow, which leaves no thread that works", async () => {
    const threads = pool({ graceMs: 10 });
    const scribble = threadNode({ name: "s", module: tasks, run: "scribble", pool: threads });
    const flow = create(scribble.to()).run();
    const files = await Promise.all([scratchFile(), scratchFile(), scratchFile()]);
    const outcomes = files.map((file) => flow.outcome(file));
    await until(async () => (await contentOf(files[0] ?? "")) !== "" && (await contentOf(files[1] ?? "")) !== "");
    expect(await within(5_000, flow.stop())).toMatchObject({ abandoned: 0 });
    expect((await Promise.all(outcomes)).map(({ status }) => status)).toEqual(["stopped", "stopped", "stopped"]);
    expect(await contentOf(files[2] ?? "")).toBe("");
    await until(() => threads.stats().threads === 0);
  });

  test("can stop by itself, and its thread is kept", async () => {
    const threads = await warmPool({ graceMs: 20_000 });
    const wait = threadNode({ name: "wait", module: tasks, run: "waitForSignal", pool: threads });
    const spin = threadNode({ name: "spin", module: tasks, run: "spinUntilStopped", pool: threads });
    const thrown = threadNode({ name: "thrown", module: tasks, run: "spinUntilThrown", pool: threads });
    for (const [edges, written] of [
      [wait.to(), "FlowError DEADLINE_EXCEEDED"],
      [spin.to(), "stopped"],
      [thrown.to(), "thrown"],
    ] as const) {
      const file = await scratchFile();
      const flow = tidy(create(edges).run());
      expect(await flow.outcome(file, { timeoutMs: 400 })).toMatchObject({ status: "exhausted" });
      await until(async () => (await contentOf(file)).startsWith(written));
      await until(() => threads.stats().idle === 1);
    }
    expect(threads.stats()).toMatchObject({ threads: 1, started: 1, crashed: 0 });
  });
});

describe("values that cannot cross", () => {
  const echo = () => threadNode({ name: "echo", module: tasks, run: "echo", pool: pool(), policy: again });

  test.for([
    ["payload", () => 1, "a function"],
    ["payload.items[1].done", { items: [{}, { done() {} }] }, 'the function "done"'],
    ['payload["content type"]', { "content type": Symbol("s") }, "the symbol Symbol(s)"],
    ['payload.tags.get("a").b', { tags: new Map([["a", { b: new WeakMap() }]]) }, "of class WeakMap"],
    ["payload.set.values()[1]", { set: new Set([1, () => 1]) }, "a function"],
    ["payload.gone", { gone: spent() }, "of class ArrayBuffer"],
  ] as const)("are named by their place: %s", async ([path, value, found]) => {
    const outcome = await tidy(create(echo().to()).run()).outcome(value);
    expect(outcome).toMatchObject({ error: { attempt: 1 } });
    expect(threadError(outcome)).toMatchObject({
      code: "NOT_CLONEABLE",
      message: `The thread of node "echo" cannot take a value that structured clone refuses: "${path}" is ${found}`,
      details: { path },
    });
  });

  test("are found in values that contain themselves", async () => {
    const value: Record<string, unknown> = { a: 1 };
    value["self"] = value;
    const flow = tidy(create(echo().to()).run());
    expect(await flow.call(value)).toMatchObject({ a: 1 });
    value["run"] = () => 1;
    expect(threadError(await flow.outcome(value))).toMatchObject({ details: { path: "payload.run" } });
  });

  test("are named in results too, and the thread continues", async () => {
    const threads = pool({ size: 1 });
    const bad = threadNode({ name: "bad", module: tasks, run: "unsendable", pool: threads });
    expect(threadError(await tidy(create(bad.to()).run()).outcome(1))).toMatchObject({
      code: "NOT_CLONEABLE",
      message:
        'The thread of node "bad" cannot send a value that structured clone refuses: "result.deep[1].done" is of class Promise',
    });
    const moved = threadNode({ name: "moved", module: tasks, run: "transfersWrongly", pool: threads });
    expect(threadError(await tidy(create(moved.to()).run()).outcome(1))).toMatchObject({
      code: "NOT_CLONEABLE",
      details: { path: "thread.transfer" },
    });
    expect(threads.stats()).toMatchObject({ started: 1, crashed: 0, idle: 1 });
  });

  function spent(): ArrayBuffer {
    const buffer = new ArrayBuffer(8);
    structuredClone(buffer, { transfer: [buffer] });
    return buffer;
  }
});

describe("a function that is not there", () => {
  test("is reported with those that are, once, although there are retries", async () => {
    const threads = pool();
    const mistaken = threadModule<{ nowhere(): number; notAFunction(): number }>(tasks.url);
    const node = threadNode({ name: "n", module: mistaken, run: "nowhere", pool: threads, policy: again });
    const outcome = await tidy(create(node.to()).run()).outcome(1);
    expect(outcome).toMatchObject({ error: { attempt: 1 } });
    const { code, message } = threadError(outcome);
    expect(code).toBe("THREAD_UNAVAILABLE");
    expect(message).toMatch(
      /^The thread of node "n" cannot run "nowhere": "file:.*tasks\.ts" has no function of that name/,
    );
    expect(message).toMatch(/; its functions are .*"double"/);
    const value = threadNode({ name: "v", module: mistaken, run: "notAFunction", pool: threads });
    expect(threadError(await tidy(create(value.to()).run()).outcome(1)).code).toBe("THREAD_UNAVAILABLE");
  });

  test("is reported when its module cannot be imported", async () => {
    const module = threadModule<typeof broken>(new URL("./broken-module.ts", import.meta.url));
    const node = threadNode({ name: "n", module, run: "count", pool: pool() });
    const error = threadError(await tidy(create(node.to()).run()).outcome(1));
    expect(error.code).toBe("THREAD_UNAVAILABLE");
    expect(error.message).toMatch(/broken-module\.ts" cannot be imported$/);
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });
});

describe("wrong use", () => {
  test.for([
    [
      "none.ts beside this file",
      () => threadModule(new URL("./none.ts", import.meta.url)),
      /needs a module that exists: got "file:.*none\.ts"/,
    ],
    [
      "a path",
      () => threadModule("./tasks.ts"),
      'needs a file: or data: URL, as new URL("./hash-file.ts", import.meta.url): got "./tasks.ts"',
    ],
    ["a web address", () => threadModule("https://example.org/a.js"), 'got "https://example.org/a.js"'],
    [
      "no options",
      () => threadNode(undefined as never),
      "threadNode needs options { name, module, run, … }: got undefined",
    ],
    [
      "module",
      () => threadNode({ name: "n", module: {} as never, run: "a" as never }),
      'Option "module" of thread node "n" must be made by threadModule: got an object',
    ],
    [
      "run",
      () => threadNode({ name: "n", module: tasks, run: "" as never }),
      'Option "run" of thread node "n" must be the name of an exported function: got ""',
    ],
    [
      "pool",
      () => threadNode({ name: "n", module: tasks, run: "double", pool: {} as never }),
      'Option "pool" of thread node "n" must be a ThreadPool: got an object',
    ],
    [
      "an option there is not",
      () => threadNode({ name: "n", module: tasks, run: "double", size: 1 } as never),
      'Unknown option "size" of thread node "n"',
    ],
    ["name", () => threadNode({ name: "", module: tasks, run: "double" }), 'Option "name"'],
  ] as const)("is refused where it is made: %s", ([, make, message]) => {
    expect(make).toThrow(TypeError);
    expect(make).toThrow(message);
  });

  test("a module may be given as text, and as .ts where only the .js is there", async () => {
    const file = await scratchFile();
    await writeFile(`${file}.mjs`, "export const triple = (value) => value * 3;");
    interface Exports {
      triple(value: number): number;
    }
    const module = threadModule<Exports>(pathToFileURL(`${file}.mts`).href);
    expect(module.url).toBe(pathToFileURL(`${file}.mjs`).href);
    const node = threadNode({ name: "triple", module, run: "triple", pool: pool() });
    expect(await tidy(create(node.to()).run()).call(2)).toBe(6);
  });
});
