import { availableParallelism } from "node:os";
import { onAbort } from "../foundation/abort.ts";
import type { FlowError } from "../foundation/flow-error.ts";
import { requireInteger, requireKnownKeys, requireNumber } from "../foundation/options.ts";
import { FairWaitingList } from "../queue/fair-waiting-list.ts";
import { Task } from "./task.ts";
import { Thread, type ThreadOwner } from "./thread.ts";
import type { TaskCall } from "./thread-messages.ts";

/** Memory limits of each thread, in megabytes. A thread that exceeds one ends; its message may be retried. */
export interface ThreadLimits {
  /** Limit of the main heap. @defaultValue Node's own */
  readonly maxOldGenerationSizeMb?: number;
  /** Limit of the heap for new objects. @defaultValue Node's own */
  readonly maxYoungGenerationSizeMb?: number;
  /** Size of the stack. @defaultValue 4 */
  readonly stackSizeMb?: number;
}

/** Size, lifetime and limits of a pool's threads. */
export interface ThreadPoolOptions {
  /** Maximum number of threads. @defaultValue the machine's parallelism */
  readonly size?: number;
  /** Milliseconds after which an idle thread ends. @defaultValue 5000 */
  readonly idleMs?: number;
  /**
   * Grace period of an aborted function before its thread is terminated, in milliseconds. Keep it below `graceMs` of
   * the flow. @defaultValue 100
   */
  readonly graceMs?: number;
  readonly limits?: ThreadLimits;
}

/** The current figures of a pool. */
export interface ThreadPoolStats {
  /** Number of threads, including those that are ending. */
  readonly threads: number;
  /** Number of idle threads. */
  readonly idle: number;
  /** Number of calls that wait for a thread. */
  readonly waiting: number;
  /** Number of threads started so far. */
  readonly started: number;
  /** Number of threads that ended by themselves. */
  readonly crashed: number;
}

const LIMITS = ["maxOldGenerationSizeMb", "maxYoungGenerationSizeMb", "stackSizeMb"] as const;

let runIn: (pool: ThreadPool, call: TaskCall, signal: AbortSignal) => Promise<unknown>;
let shared: ThreadPool | undefined;

/**
 * Worker threads for nodes created by `threadNode`. A thread is started on demand, handles one message at a time, and
 * ends after an idle period. When no thread is free, calls wait; tenants take turns.
 *
 * Disposable: `await using threads = new ThreadPool(…)` closes it at the end of the block.
 */
export class ThreadPool implements AsyncDisposable {
  static {
    runIn = (pool, call, signal) => pool.#run(call, signal);
  }

  /** Maximum number of threads. */
  readonly size: number;
  readonly #idleMs: number;
  readonly #graceMs: number;
  readonly #limits: ThreadLimits;
  readonly #waiting = new FairWaitingList<Task>();
  readonly #threads = new Set<Thread>();
  /** Idle threads; the most recently used is taken first, so that the others may end. */
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

  /**
   * Creates a pool without threads.
   *
   * @throws TypeError, RangeError when an option is unknown or out of range
   */
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

  /** The default pool, with default options. It is replaced by a new one after it was closed. */
  static get shared(): ThreadPool {
    if (shared === undefined || shared.#isClosed) shared = new ThreadPool();
    return shared;
  }

  /** Returns the current figures. */
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
   * Terminates all threads and resolves when they have ended. Running calls are aborted and have `graceMs` to return;
   * waiting and later calls fail with `THREAD_UNAVAILABLE`. Stop the flows that use the pool first.
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

  /** Assigns waiting calls to threads while there are both. */
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

  /** Marks a thread as idle. */
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
 * Runs a call in a thread of `pool`. Settles once no thread works on it any more.
 *
 * @throws FlowError `THREAD_CRASHED`, `THREAD_UNAVAILABLE`, `NOT_CLONEABLE`; the function's own error; the signal's
 *   reason
 */
export function runInPool(pool: ThreadPool, call: TaskCall, signal: AbortSignal): Promise<unknown> {
  return runIn(pool, call, signal);
}
