import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { findUncloneable } from "./find-uncloneable.ts";
import { packThrown, unpackThrown } from "./packed-thrown.ts";
import type { Task } from "./task.ts";
import type { TaskAnswer, TaskStop } from "./thread-messages.ts";
import type { ThreadLimits } from "./thread-pool.ts";

/** A pool's callbacks for its threads. */
export interface ThreadOwner {
  /** Called when the thread has answered and can take the next task. */
  onIdle(thread: Thread): void;
  /** Called when the thread has ended. */
  onEnd(thread: Thread, how: "crashed" | "terminated"): void;
}

// spelled out, so that bundlers find the file
const MAIN = import.meta.url.endsWith(".ts")
  ? new URL("./thread-main.ts", import.meta.url)
  : new URL("./thread-main.js", import.meta.url);

/**
 * One worker thread.
 *
 * States: idle ⇄ busy (has a task) → stopping (its task was aborted) → idle, or ended when it does not answer in time.
 * It may end by itself in any state. While it is idle, it does not keep the process alive.
 */
export class Thread {
  readonly #owner: ThreadOwner;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #ended = Promise.withResolvers<void>();
  #task: Task | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopReason: unknown;
  #uncaught: unknown;
  #isTerminated = false;

  constructor(owner: ThreadOwner, limits: ThreadLimits) {
    this.#owner = owner;
    // uses a separate channel, so that user code may use the worker's own
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(MAIN, {
      name: "penguiflow",
      workerData: port2,
      transferList: [port2],
      resourceLimits: limits,
    });
    this.#worker.unref();
    this.#worker.on("error", (error: unknown) => {
      this.#uncaught = error;
    });
    this.#worker.once("exit", (exitCode) => this.#end(exitCode));
    port1.on("message", (answer: TaskAnswer) => this.#answered(answer));
    port1.on("messageerror", (error) => this.#answered({ kind: "threw", thrown: packThrown(error) }));
    port1.unref();
  }

  /** The task that the thread runs. */
  get task(): Task | undefined {
    return this.#task;
  }

  /** Settles when the thread has ended. */
  get hasEnded(): Promise<void> {
    return this.#ended.promise;
  }

  /**
   * Runs a task.
   *
   * @throws FlowError `NOT_CLONEABLE`; the thread stays idle then
   */
  run(task: Task): void {
    try {
      this.#port.postMessage(task.call, []);
    } catch {
      throw task.unsendable("take", findUncloneable(task.call.payload, "payload"));
    }
    clearTimeout(this.#timer);
    this.#worker.ref();
    this.#stopReason = undefined;
    this.#task = task;
    task.thread = this;
  }

  /** Aborts the function, and terminates the thread when it has not answered after `graceMs`. */
  stop(reason: unknown, graceMs: number): void {
    if (this.#task === undefined || this.#isTerminated) return;
    this.#stopReason = reason;
    this.#port.postMessage({ kind: "stop", reason: packThrown(reason) } satisfies TaskStop, []);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.terminate(), graceMs);
  }

  /** Calls `callback` once the thread has been idle for `idleMs` milliseconds. */
  afterIdle(idleMs: number, callback: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(callback, idleMs);
    this.#timer.unref();
  }

  /** Terminates the thread in any state. */
  terminate(): void {
    this.#isTerminated = true;
    clearTimeout(this.#timer);
    // keeps the process alive until waits for the thread's end have settled
    this.#worker.ref();
    void this.#worker.terminate();
  }

  #answered(answer: TaskAnswer): void {
    const task = this.#task;
    if (task === undefined) return;
    clearTimeout(this.#timer);
    this.#task = undefined;
    task.thread = undefined;
    switch (answer.kind) {
      case "returned":
        task.resolve(answer.value);
        break;
      case "threw":
        task.reject(unpackThrown(answer.thrown));
        break;
      case "unavailable":
        task.reject(task.unavailable(answer.problem, answer.thrown && unpackThrown(answer.thrown)));
        break;
      case "unsendable":
        task.reject(task.unsendable("send", answer.part));
        break;
    }
    if (this.#isTerminated) return;
    this.#worker.unref();
    this.#owner.onIdle(this);
  }

  #end(exitCode: number): void {
    const how = this.#isTerminated ? "terminated" : "crashed";
    this.#isTerminated = true;
    // the thread may have answered just before it ended
    const last = receiveMessageOnPort(this.#port);
    if (last !== undefined) this.#answered(last.message as TaskAnswer);
    clearTimeout(this.#timer);
    this.#port.close();
    const task = this.#task;
    this.#task = undefined;
    task?.reject(this.#stopReason ?? task.crashed(exitCode, this.#uncaught));
    this.#ended.resolve();
    this.#owner.onEnd(this, how);
  }
}
