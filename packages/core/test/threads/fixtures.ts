import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { create, type FlowError, type Outcome } from "penguiflow";
import { threadModule, threadNode, ThreadPool, type ThreadPoolOptions } from "penguiflow/threads";
import type * as exported from "./tasks.ts";

export const tasks = threadModule<typeof exported>(new URL("./tasks.ts", import.meta.url));

/** Creates a pool that is closed after the test, and must then have no thread. */
export function pool(options: ThreadPoolOptions = {}): ThreadPool {
  const made = new ThreadPool({ size: 2, ...options });
  onTestFinished(async () => {
    await made.close();
    const { threads, idle, waiting } = made.stats();
    if (threads + idle + waiting > 0) throw new Error(`A closed pool holds ${JSON.stringify(made.stats())}`);
  });
  return made;
}

/**
 * Creates a pool of one thread that has started and imported the tasks, so that time limits apply to the work alone.
 */
export async function warmPool(options: ThreadPoolOptions = {}): Promise<ThreadPool> {
  const threads = pool({ size: 1, ...options });
  const double = threadNode({ name: "double", module: tasks, run: "double", pool: threads });
  await using flow = create(double.to());
  await flow.run().call(1);
  return threads;
}

/** Returns the name of a file that a thread can write to. */
export async function scratchFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "threads-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "file");
}

export const contentOf = (file: string): Promise<string> => readFile(file, "utf8").catch(() => "");

/** Polls for an event in another thread. */
export async function until(isSo: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(5)) if (await isSo()) return;
  throw new Error(`Not so after ${ms} ms: ${isSo.toString()}`);
}

/** Returns the error with which a thread failed a trace. */
export function threadError(outcome: Outcome): FlowError {
  if (outcome.status !== "failed") throw new Error(`Wanted a failed trace: got ${outcome.status}`);
  if (outcome.error.code !== "NODE_EXCEPTION")
    throw new Error(`Wanted what the handler threw: got ${outcome.error.code}`);
  return outcome.error.unwrap() as FlowError;
}
