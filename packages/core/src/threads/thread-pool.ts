import { availableParallelism } from "node:os";
import { onAbort } from "../foundation/abort.ts";
import type { FlowError } from "../foundation/flow-error.ts";
import { requireInteger, requireKnownKeys, requireNumber } from "../foundation/options.ts";
import { FairWaitingList } from "../queue/fair-waiting-list.ts";
import { Task } from "./task.ts";
import { Thread, type ThreadOwner } from "./thread.ts";
import type { TaskCall } from "./thread-messages.ts";

/** How much memory each thread may use, in megabytes. A thread that needs more ends; its message may be retried. */
export interface ThreadLimits {
  /** The main heap. @defaultValue as Node decides */
  readonly maxOldGenerationSizeMb?: number;
  /** The heap of objects just made. @defaultValue as Node decides */
  readonly maxYoungGenerationSizeMb?: number;
  /** The stack. @defaultValue 4 */
  readonly stackSizeMb?: number;
}

/** How many threads a pool may have, and for how long. */
export interface ThreadPoolOptions {
  /** The most threads there are at once. @defaultValue as many as the machine can run in parallel */
  readonly size?: number;
  /** Milliseconds after which a thread without work ends. @defaultValue 5000 */
  readonly idleMs?: number;
  /**
   * Milliseconds that a function which was told to stop has before its thread is ended. Keep it below `graceMs` of the
   * flow. @defaultValue 100
   */
  readonly graceMs?: number;
  readonly limits?: ThreadLimits;
}

/** The figures of a pool. */
export interface ThreadPoolStats {
  /** Threads there are, those that are just ending included. */
  readonly threads: number;
  /** Threads that wait for work. */
  readonly idle: number;
  /** Calls that wait for a thread. */
  readonly waiting: number;
  /** Threads started so far. */
  readonly started: number;
  /** Of these, how many ended by themselves. */
  readonly crashed: number;
}

const LIMITS = ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "stackSizeMb"] as const;

let runIn: (pool: ThreadPool, call: TaskCall, signal: AbortSignal) => Promise<unknown>;
let shared: ThreadPool | undefined;

/**
 * Worker threads for nodes made by `threadNode`. A thread is started when a message needs one, has one message at a
 * time, and ends when it had no work for a while. Calls for which there is no thread wait; tenants take turns.
 *
 * Disposable: `await using threads = new ThreadPool(…)` closes it at the end of the block.
 */
export class ThreadPool implements AsyncDisposable {
  static {
    runIn = (pool, call, signal) => pool.#run(call, signal);
  }

  /** The most threads there are at once. */
  readonly size: number;
  readonly #idleMs: number;
  readonly #graceMs: number;
  readonly #limits: ThreadLimits;
  readonly #waiting = new FairWaitingList<Task>();
  readonly #threads = new Set<Thread>();
  /** The one used last is taken first, so that the others may end. */
  readonly #idle: Thread[] = [];
  readonly #owner: ThreadOwner = {
    onIdle: (thread) => {
      this.#rest(thread);
      this.#assign();
    },
    onEnd: (thread, how) => {
      this.#threads.delete(thread);
      this.#takeFromIdle(thread);
      if (how === "crashed") this.#crashed += 1;
      this.#assign();
    },
  };
  #started = 0;
  #crashed = 0;
  #isClosed = false;

  /** @throws TypeError, RangeError when an option is unknown or out of range */
  constructor(options: ThreadPoolOptions = {}) {
    requireKnownKeys("ThreadPool", options, ["size", "idleMs", "graceMs", "limits"]);
    const { size = availableParallelism(), idleMs = 5_000, graceMs = 100, limits = {} } = options;
    requireInteger("size", size, 1);
    requireNumber("idleMs", idleMs, 0);
    requireNumber("graceMs", graceMs, 0);
    requireKnownKeys('option "limits" of ThreadPool', limits, LIMITS);
    for (const name of LIMITS) if (limits[name] !== undefined) requireNumber(`limits.${name}`, limits[name], 1);
    this.size = size;
    this.#idleMs = idleMs;
    this.#graceMs = graceMs;
    this.#limits = { ...limits };
  }

  /** The pool of nodes that were given none, with the default options. A new one after it was closed. */
  static get shared(): ThreadPool {
    if (shared === undefined || shared.#isClosed) shared = new ThreadPool();
    return shared;
  }

  /** Its figures at this moment. */
  stats(): ThreadPoolStats {
    return {
      threads: this.#threads.size,
      idle: this.#idle.length,
      waiting: this.#waiting.size,
      started: this.#started,
      crashed: this.#crashed,
    };
  }

  /**
   * Ends all threads and resolves when they are gone. What runs is told to stop and has `graceMs` to do so; what waits,
   * and what comes later, fails with `THREAD_UNAVAILABLE`. Stop the flows that use the pool first.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (let task = this.#waiting.shift(); task !== null; task = this.#waiting.shift()) task.reject(closed(task));
    this.#idle.length = 0;
    const threads = [...this.#threads];
    for (const thread of threads) {
      if (thread.task === undefined) thread.terminate();
      else thread.stop(closed(thread.task), this.#graceMs);
    }
    await Promise.all(threads.map((thread) => thread.hasEnded));
  }

  /** Closes the pool. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(call: TaskCall, signal: AbortSignal): Promise<unknown> {
    const task = new Task(call, signal);
    if (this.#isClosed) throw closed(task);
    signal.throwIfAborted();
    const takeBack = onAbort(signal, (reason) => {
      if (task.thread !== undefined) return task.thread.stop(reason, this.#graceMs);
      this.#waiting.remove(task);
      task.reject(reason);
    });
    try {
      this.#waiting.push(task);
      this.#assign();
      return await task.promise;
    } finally {
      takeBack();
    }
  }

  /** Gives waiting calls to threads, as long as there are both. */
  #assign(): void {
    while (this.#waiting.size > 0 && (this.#idle.length > 0 || this.#threads.size < this.size)) {
      const task = this.#waiting.shift();
      if (task === null) return;
      let thread: Thread | undefined;
      try {
        thread = this.#idle.pop() ?? this.#start();
        thread.run(task);
      } catch (error) {
        task.reject(error);
        if (thread !== undefined) this.#rest(thread);
      }
    }
  }

  #start(): Thread {
    const thread = new Thread(this.#owner, this.#limits);
    this.#threads.add(thread);
    this.#started += 1;
    return thread;
  }

  /** A thread has nothing to do. */
  #rest(thread: Thread): void {
    if (this.#isClosed) return thread.terminate();
    this.#idle.push(thread);
    thread.afterIdle(this.#idleMs, () => {
      this.#takeFromIdle(thread);
      thread.terminate();
    });
  }

  #takeFromIdle(thread: Thread): void {
    const index = this.#idle.indexOf(thread);
    if (index !== -1) this.#idle.splice(index, 1);
  }
}

const closed = (task: Task): FlowError => task.unavailable("its pool was closed");

/**
 * Runs a call in a thread of `pool`. Settles when no thread works on it any more.
 *
 * @throws FlowError `THREAD_CRASHED`, `THREAD_UNAVAILABLE`, `NOT_CLONEABLE`; what the function threw; the signal's reason
 */
export function runInPool(pool: ThreadPool, call: TaskCall, signal: AbortSignal): Promise<unknown> {
  return runIn(pool, call, signal);
}
