import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../workspace.ts";
import type { TestedBackend } from "./backends.ts";
import type { Network } from "./network.ts";
import { LEASE_MS, WORKERS } from "./settings.ts";
import { Takeovers } from "./takeovers.ts";
import { ASK_MEMORY, type WorkerMemory, type WorkerMessage } from "./worker-message.ts";

/** Compiled code of the workers: most of the time of their start is that of the compiler. */
const COMPILED = path.join(root, "node_modules/.cache/compiled");
/** Leases for which a worker is stopped or cut off. */
const GONE_LEASES = 2.5;

interface FleetOptions {
  /** Name of the cluster. */
  readonly name: string;
  /** Folder of the events. */
  readonly history: string;
  /** Gives each worker a network namespace, from which it can be cut off. */
  readonly network?: Network | undefined;
}

/** Worker processes, each replaced when it is killed. */
export class Fleet implements AsyncDisposable {
  readonly takeovers = new Takeovers();
  /** Number of workers that ended by themselves, as those do that cannot reach their backend at first. */
  ended = 0;
  readonly #tested: TestedBackend;
  readonly #options: FleetOptions;
  readonly #workers: ChildProcess[] = [];
  #isOver = false;

  constructor(tested: TestedBackend, options: FleetOptions) {
    this.#tested = tested;
    this.#options = options;
    for (let index = 0; index < WORKERS; index += 1) this.#workers[index] = this.#begin(index);
  }

  /** Numbers of the workers that have stored a batch since they began. */
  get working(): readonly number[] {
    return [...this.#workers.keys()].filter((index) => this.takeovers.owns(this.#workers[index]!.pid!));
  }

  /** Kills workers at the same instant, and begins others in their places. */
  async kill(...indexes: readonly number[]): Promise<void> {
    const survivors = WORKERS - indexes.length;
    // workers that have just begun take nothing over yet
    const isCalm = survivors > 0 && this.working.filter((index) => !indexes.includes(index)).length === survivors;
    const pids = indexes.map((index) => this.#workers[index]!.pid!);
    this.takeovers.killed(pids, isCalm);
    await Promise.all(indexes.map((index) => end(this.#workers[index]!)));
    for (const index of indexes) this.#workers[index] = this.#begin(index);
  }

  /** Stops a worker for longer than its lease. */
  async stop(index: number): Promise<void> {
    this.takeovers.disturb();
    const worker = this.#workers[index]!;
    worker.kill("SIGSTOP");
    await sleep(LEASE_MS * GONE_LEASES);
    worker.kill("SIGCONT");
  }

  /** Cuts a worker off from its backend for longer than its lease. */
  async cut(index: number): Promise<void> {
    this.takeovers.disturb();
    this.#options.network!.cut(index);
    await sleep(LEASE_MS * GONE_LEASES);
    this.#options.network!.join(index);
  }

  /** Returns the memory of a worker after a garbage collection. */
  async memory(index: number): Promise<WorkerMemory> {
    const worker = this.#workers[index]!;
    const { promise, resolve, reject } = Promise.withResolvers<WorkerMemory>();
    const leave = (): void => reject(new Error(`Worker ${index} has ended`));
    const hear = (message: WorkerMessage): void => {
      if (message.kind === "memory") resolve(message);
    };
    worker.on("message", hear).once("exit", leave);
    worker.send(ASK_MEMORY);
    try {
      return await promise;
    } finally {
      worker.off("message", hear).off("exit", leave);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers.map(end));
  }

  #begin(index: number): ChildProcess {
    const { name, history, network } = this.#options;
    const program = path.join(import.meta.dirname, "worker-process.ts");
    const own = { CLUSTER: name, WORKER: `worker-${index}`, HISTORY: history, NODE_COMPILE_CACHE: COMPILED };
    const env = { ...process.env, ...this.#tested.env, ...own };
    const worker =
      network === undefined
        ? fork(program, { env, execArgv: [...process.execArgv], serialization: "advanced" })
        : spawn("ip", [...network.inside(index), process.execPath, ...process.execArgv, program], {
            env,
            stdio: ["ignore", "inherit", "inherit", "ipc"],
            serialization: "advanced",
          });
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "progress") this.takeovers.progress(worker.pid!, message.partition);
    });
    worker.once("exit", (status) => {
      if (status === null || this.#isOver) return;
      // others replace it, as those of a platform would
      this.ended += 1;
      this.takeovers.disturb();
      this.#workers[index] = this.#begin(index);
    });
    this.#tested.serve(worker);
    return worker;
  }
}

async function end(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const exited = once(worker, "exit");
  worker.kill("SIGKILL");
  await exited;
}
