import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { findUncloneable } from "./find-uncloneable.ts";
import { packThrown, unpackThrown } from "./packed-thrown.ts";
import type { Task } from "./task.ts";
import type { TaskAnswer, TaskStop } from "./thread-messages.ts";
import type { ThreadLimits } from "./thread-pool.ts";

/** What a thread tells its pool. */
export interface ThreadOwner {
  /** It has answered and can take the next task. */
  onIdle(thread: Thread): void;
  /** It is gone. */
  onEnd(thread: Thread, how: "crashed" | "terminated"): void;
}

// Written out, so that bundlers find it.
const MAIN = import.meta.url.endsWith(".ts")
  ? new URL("./thread-main.ts", import.meta.url)
  : new URL("./thread-main.js", import.meta.url);

/**
 * One worker thread.
 *
 * States: idle ⇄ busy (has a task) → stopping (its task is not wanted any more) → idle, or ended when it does not
 * answer in time. It may end by itself in any state. While it is idle it does not keep the process alive.
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
    // A channel of its own: what the user's code does with the worker's is its own affair.
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

  /** What it works on. */
  get task(): Task | undefined {
    return this.#task;
  }

  /** Settles when it is gone. */
  get hasEnded(): Promise<void> {
    return this.#ended.promise;
  }

  /** @throws FlowError `NOT_CLONEABLE`; the thread is idle then */
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

  /** Tells the function to stop, and ends the thread when it has not answered after `graceMs`. */
  stop(reason: unknown, graceMs: number): void {
    if (this.#task === undefined || this.#isTerminated) return;
    this.#stopReason = reason;
    this.#port.postMessage({ kind: "stop", reason: packThrown(reason) } satisfies TaskStop, []);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.terminate(), graceMs);
  }

  /** Calls back when it was idle for so long. */
  afterIdle(idleMs: number, callback: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(callback, idleMs);
    this.#timer.unref();
  }

  /** Ends the thread, whatever it does. */
  terminate(): void {
    this.#isTerminated = true;
    clearTimeout(this.#timer);
    // who waits for its end must see it
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
    // It may have answered and then ended.
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
