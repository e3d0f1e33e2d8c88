import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { treeOf } from "../scripts/cluster/descendants.ts";

/** Time between two looks at a server that is to change. */
const LOOK_MS = 10;
/** Time after which a server that does not answer as it should has failed. */
const PATIENCE_MS = 120_000;

/** Order to start a development server. */
export interface ServerOrder {
  readonly folder: string;
  /** Program and its arguments. */
  readonly command: readonly string[];
  /** Reads what the server tells of its project. */
  readonly tells: () => Promise<string>;
  readonly env?: Readonly<Record<string, string>>;
}

/** A development server in a process of its own. */
export class DevelopmentServer implements AsyncDisposable {
  readonly #order: ServerOrder;
  #process: ChildProcess | undefined;
  #said = "";

  constructor(order: ServerOrder) {
    this.#order = order;
  }

  /** Starts it. Returns its process, which may start others. */
  start(): number {
    const { folder, command, env } = this.#order;
    const [program, ...args] = command;
    // without NODE_ENV=production of the benchmark: a development server sets its own
    const { NODE_ENV: _, ...inherited } = process.env;
    const child = spawn(program!, args, {
      cwd: folder,
      env: { ...inherited, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (this.#said = (this.#said + text).slice(-10_000)));
    this.#process = child;
    return child.pid!;
  }

  /** Resolves once the server tells a text. @throws Error with its output when it does not */
  async tells(text: string): Promise<void> {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(LOOK_MS)) {
      if (this.#process?.exitCode !== null) break;
      const told = await this.#order.tells().catch(() => "");
      if (told.includes(text)) return;
    }
    throw new Error(`The development server does not tell "${text}"`, { cause: this.#said });
  }

  /** Ends it, and all that it has started. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#process;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    const all = treeOf(child.pid);
    child.kill("SIGTERM");
    await Promise.race([ended, sleep(10_000)]);
    for (const pid of all)
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it has ended by itself
      }
  }
}
