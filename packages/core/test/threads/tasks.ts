/** Functions that tests run in threads. */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import type { ThreadContext } from "penguiflow/threads";

export class QuotaError extends Error {
  readonly code = "QUOTA";
  readonly retryable = false;
}

/** The thread and process of a task. */
export interface Seen {
  readonly threadId: number;
  readonly node: string;
  readonly traceId: string;
  readonly tenant: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly deadlineAt: number | undefined;
}

export const notAFunction = 1;

export const double = (value: number): number => value * 2;

export const echo = (value: unknown): unknown => value;

export function look(_: string, thread: ThreadContext): Seen {
  const { node, traceId, tenant, attempt, idempotencyKey, deadlineAt } = thread;
  return { threadId, node, traceId, tenant, attempt, idempotencyKey, deadlineAt };
}

export function nothing(_: number): undefined {}

export function hang(): never {
  for (;;);
}

/** Writes a line to a file over and over, synchronously, until its thread is terminated. */
export function scribble(file: string): never {
  for (let until = 0; ;) {
    if (Date.now() < until) continue;
    appendFileSync(file, ".");
    until = Date.now() + 5;
  }
}

/** Ends as given on the first attempt and answers on the second. */
export function endOnce(how: "exit" | "throw" | "reject", { attempt }: ThreadContext): Promise<string> | string {
  if (attempt > 1) return `${how}, attempt ${attempt}`;
  if (how === "exit") process.exit(3);
  if (how === "throw") {
    setTimeout(() => {
      throw new RangeError("uncaught");
    });
  } else void Promise.reject(new Error("unhandled"));
  return new Promise<string>(() => {});
}

export function devourMemory(_: unknown, { attempt }: ThreadContext): string {
  if (attempt > 1) return "survived";
  const kept: unknown[] = [];
  for (;;) kept.push(Array.from({ length: 1_000 }, (_unused, index) => ({ index })));
}

/** Answers, and ends its thread a moment later. */
export function answerAndDie(value: number): number {
  setImmediate(() => process.exit(0));
  return value;
}

/** Schedules the end of its thread while that is idle. */
export function dieLater(_: number): number {
  setTimeout(() => process.exit(9), 30);
  return threadId;
}

export function fail(kind: "class" | "range" | "string" | "function"): never {
  const thrown: unknown = kind === "string" ? "just words" : () => "a function";
  if (kind === "class") throw new QuotaError("quota used up", { cause: new TypeError("inner") });
  if (kind === "range")
    throw Object.assign(new RangeError("out of range"), { code: "ERR_FAR", status: 416, call() {} });
  throw thrown;
}

export const unsendable = (_: number) => ({ deep: [{ fine: 1 }, { done: Promise.resolve(1) }] });

/** Waits, and writes to a file when it is aborted. */
export async function waitForSignal(file: string, { signal }: ThreadContext): Promise<string> {
  try {
    await sleep(60_000, undefined, { signal });
  } finally {
    const { code, name } = signal.reason as { code: string; name: string };
    appendFileSync(file, `${name} ${code} ${threadId}`);
  }
  return "never";
}

/** Computes synchronously, polling for an abort. */
export function spinUntilStopped(file: string, { signal }: ThreadContext): never {
  while (!signal.aborted);
  appendFileSync(file, `stopped ${threadId}`);
  signal.throwIfAborted();
  throw new Error("unreachable");
}

/** Does the same, through the error that an aborted signal throws. */
export function spinUntilThrown(file: string, { signal }: ThreadContext): never {
  try {
    for (;;) signal.throwIfAborted();
  } finally {
    appendFileSync(file, `thrown ${threadId}`);
  }
}

export function bytes(length: number, thread: ThreadContext): { bytes: Uint8Array<ArrayBuffer>; before: number } {
  const result = { bytes: new Uint8Array(length).fill(7), before: length };
  thread.transfer(result.bytes.buffer);
  return result;
}

export function transfersWrongly(_: number, thread: ThreadContext): number {
  thread.transfer({ no: "buffer" });
  return 1;
}

/** Writes to shared memory. */
export const increment = (shared: Int32Array): number => Atomics.add(shared, 0, 1);

/** Acts as the payload says: answers, fails, ends its thread, or never returns. */
export function behave(how: "answer" | "fail" | "exit" | "hang"): string {
  if (how === "fail") throw new Error(how);
  if (how === "exit") process.exit(1);
  if (how === "hang") hang();
  return how;
}

/** Keeps its thread busy for `ms` milliseconds. */
export function burn(ms: number): number {
  const until = performance.now() + ms;
  while (performance.now() < until);
  return threadId;
}
