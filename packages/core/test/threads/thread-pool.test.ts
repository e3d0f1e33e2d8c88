import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { create, seededRandom } from "penguiflow";
import { threadNode, ThreadPool } from "penguiflow/threads";
import { tidy, within } from "../fixtures/watched-flow.ts";
import { pool, tasks, threadError, until } from "./fixtures.ts";

describe("a pool of threads", () => {
  test("starts no thread before there is work, and no more than it may", async () => {
    const threads = pool({ size: 2 });
    expect(threads.stats()).toEqual({ threads: 0, idle: 0, waiting: 0, started: 0, crashed: 0 });
    const burn = threadNode({ name: "burn", module: tasks, run: "burn", pool: threads, policy: { concurrency: 9 } });
    const flow = tidy(create(burn.to()).run());
    const results = Promise.all(Array.from({ length: 9 }, () => flow.call(50)));
    await until(() => threads.stats().threads === 2 && threads.stats().waiting === 7);
    expect(new Set(await results).size).toBeLessThanOrEqual(2);
    expect(threads.stats()).toMatchObject({ threads: 2, idle: 2, waiting: 0, started: 2 });
  });

  test("uses one thread for work that comes piece by piece", async () => {
    const threads = pool({ size: 4 });
    const double = threadNode({ name: "double", module: tasks, run: "double", pool: threads });
    const flow = tidy(create(double.to()).run());
    for (let value = 0; value < 5; value += 1) await flow.call(value);
    expect(threads.stats().started).toBe(1);
  });

  test("lets tenants take turns when threads are short", async () => {
    const threads = pool({ size: 1 });
    const burn = threadNode({ name: "burn", module: tasks, run: "burn", pool: threads, policy: { concurrency: 64 } });
    const flow = tidy(create(burn.to()).run());
    const ended: string[] = [];
    const ask = async (tenant: string): Promise<void> => {
      await flow.call(5, { tenant });
      ended.push(tenant);
    };
    const many = Array.from({ length: 12 }, () => ask("many"));
    await Promise.all([...many, ask("few")]);
    expect(ended.indexOf("few")).toBeLessThan(4);
  });

  test(
    "settles every call and keeps to its size, whatever the calls do and whichever callers leave",
    { timeout: 60_000 },
    async () => {
      const threads = pool({ size: 3, graceMs: 5 });
      const policy = { concurrency: 8, maxRetries: 1, backoffBaseMs: 0, timeoutMs: 20_000 };
      const node = threadNode({ name: "behave", module: tasks, run: "behave", pool: threads, policy });
      const flow = tidy(create(node.to()).run());
      const random = seededRandom(14);
      let most = 0;
      const ask = async (index: number): Promise<string> => {
        const how =
          (["answer", "answer", "answer", "fail", "exit", "hang"] as const)[Math.floor(random() * 6)] ?? "answer";
        // a caller always leaves a hanging call, others sometimes
        const leavesMs = how === "hang" || random() < 0.3 ? 20 + random() * 300 : undefined;
        const tenant = `tenant ${index % 3}`;
        const { status } = await flow.outcome(how, { tenant, ...(leavesMs !== undefined && { timeoutMs: leavesMs }) });
        most = Math.max(most, threads.stats().threads);
        return leavesMs !== undefined && status === "exhausted" ? "left" : `${how}: ${status}`;
      };
      const ended = await Promise.all(Array.from({ length: 150 }, (_, index) => ask(index)));
      expect(new Set(ended)).toEqual(new Set(["answer: completed", "fail: failed", "exit: failed", "left"]));
      expect(most).toBeLessThanOrEqual(3);
      await until(() => threads.stats().idle === threads.stats().threads);
      expect(threads.stats().waiting).toBe(0);
      expect(await flow.call("answer")).toBe("answer");
    },
  );

  test("gives up waiting calls without a thread being touched", async () => {
    const threads = pool({ size: 1 });
    const burn = threadNode({ name: "burn", module: tasks, run: "burn", pool: threads, policy: { concurrency: 4 } });
    const flow = tidy(create(burn.to()).run());
    const first = flow.call(400);
    const second = flow.outcome(400, { traceId: "second" });
    await until(() => threads.stats().waiting === 1);
    await flow.cancel("second");
    expect(await second).toMatchObject({ status: "cancelled" });
    expect(threads.stats()).toMatchObject({ waiting: 0, threads: 1 });
    await first;
    expect(threads.stats()).toMatchObject({ started: 1, crashed: 0 });
  });

  test("ends threads that had no work for a while", async () => {
    const threads = pool({ idleMs: 20 });
    const double = threadNode({ name: "double", module: tasks, run: "double", pool: threads });
    const flow = tidy(create(double.to()).run());
    await Promise.all([flow.call(1), flow.call(2)]);
    await until(() => threads.stats().threads === 0);
    expect(await flow.call(3)).toBe(6);
    expect(threads.stats().crashed).toBe(0);
  });

  test("keeps a thread whose last call could not be sent for as long as any other", async () => {
    const threads = pool({ size: 1, idleMs: 100 });
    const echo = threadNode({ name: "echo", module: tasks, run: "echo", pool: threads });
    const burn = threadNode({ name: "burn", module: tasks, run: "burn", pool: threads });
    const echoing = tidy(create(echo.to()).run());
    await echoing.call(1);
    await echoing.outcome(() => 1);
    // if the first idle time had continued, it would end the thread now
    await tidy(create(burn.to()).run()).call(300);
    expect(threads.stats()).toMatchObject({ started: 1, threads: 1 });
  });

  test("is closed at the end of its block: what runs and what waits fails, no thread is left", async () => {
    const closed = await (async () => {
      await using threads = new ThreadPool({ size: 1, graceMs: 10 });
      const hang = threadNode({ name: "hang", module: tasks, run: "hang", pool: threads, policy: { concurrency: 2 } });
      const flow = tidy(create(hang.to()).run());
      const outcomes = [flow.outcome(undefined), flow.outcome(undefined)];
      await until(() => threads.stats().threads === 1 && threads.stats().waiting === 1);
      return { threads, outcomes, flow };
    })();
    expect(closed.threads.stats()).toMatchObject({ threads: 0, idle: 0, waiting: 0, crashed: 0 });
    for (const outcome of [...closed.outcomes, closed.flow.outcome(undefined)]) {
      const error = threadError(await within(5_000, outcome));
      expect(error).toMatchObject({ code: "THREAD_UNAVAILABLE", retryable: false });
      expect(error.message).toContain("its pool was closed");
    }
    await closed.threads.close();
  });

  test("the shared one is there again after it was closed", async () => {
    const first = ThreadPool.shared;
    expect(ThreadPool.shared).toBe(first);
    expect(first.size).toBe(availableParallelism());
    const flow = tidy(create(threadNode({ name: "double", module: tasks, run: "double" }).to()).run());
    expect(await flow.call(1)).toBe(2);
    expect(first.stats().threads).toBe(1);
    await first.close();
    expect(first.stats().threads).toBe(0);
    expect(await flow.call(2)).toBe(4);
    await ThreadPool.shared.close();
  });

  test("does not keep the process alive while it is idle, and does while it works", async () => {
    const program = fileURLToPath(new URL("./idle-process.ts", import.meta.url));
    const run = promisify(execFile)(process.execPath, ["--conditions=@penguiflow/source", program]);
    const { stdout } = await within(20_000, run, "the process");
    expect(stdout.trim()).toBe("42, 1 idle");
  });

  test.for([
    [{ size: 0 }, 'Option "size" must be a whole number of 1 or more: got 0'],
    [{ size: 1.5 }, 'Option "size" must be a whole number of 1 or more: got 1.5'],
    [{ idleMs: -1 }, 'Option "idleMs" must be a number of 0 or more: got -1'],
    [{ graceMs: Number.NaN }, 'Option "graceMs" must be a number of 0 or more: got NaN'],
    [{ limits: { stackSizeMb: 0 } }, 'Option "limits.stackSizeMb" must be a number of 1 or more: got 0'],
    [{ limits: { heap: 1 } }, 'Unknown option "heap" of option "limits" of ThreadPool'],
    [{ threads: 1 }, 'Unknown option "threads" of ThreadPool'],
  ] as const)("refuses %j", ([options, message]) => {
    expect(() => new ThreadPool(options as never)).toThrow(message);
  });
});
