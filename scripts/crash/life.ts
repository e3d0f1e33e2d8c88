import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PATIENCE_MS, type Store } from "./stores.ts";

/** Line that starts the work of a process. */
export interface Go {
  readonly life: number;
  readonly isLast: boolean;
}

/** Options of a process; its program reads the rest. */
export interface LifeOptions {
  readonly store: Store;
}

/** A process that runs a flow and reports on its output. States: starting → warm → going → over. */
export class Life<Told extends { readonly type: string }> {
  /** Exit of the process: its code or signal; `SIGKILL` when killed as planned. */
  readonly over: Promise<NodeJS.Signals | number>;
  readonly #child: ChildProcess;
  readonly #warm: Promise<unknown>;
  readonly #ready: Promise<unknown>;
  /** Maximum wait for a process that may have nothing to report. */
  readonly #patienceMs: number;
  /** Lines reported since the process was ready. */
  #told = 0;
  #wanted = Infinity;
  #enough = (): void => {};

  /**
   * Starts a process, which waits for {@link Life.go}.
   *
   * @param program - its file in this folder
   * @param options - given to it as JSON
   * @param folder - for its log and its compile cache
   */
  constructor(program: string, options: LifeOptions, folder: string, onTold: (told: Told) => void) {
    this.#patienceMs = PATIENCE_MS[options.store.kind];
    const log = openSync(path.join(folder, "lives.log"), "a");
    const args = [
      "--conditions=@penguiflow/source",
      "--no-warnings",
      path.join(import.meta.dirname, program),
      JSON.stringify(options),
    ];
    const env = { ...process.env, NODE_COMPILE_CACHE: path.join(folder, "compiled") };
    this.#child = spawn(process.execPath, args, { env, stdio: ["pipe", "pipe", log] });
    closeSync(log);
    const warm = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<void>();
    let text = "";
    this.#child.stdout?.setEncoding("utf8").on("data", (more: string) => {
      const lines = (text + more).split("\n");
      // the last line may be cut off by the kill, so it does not count
      text = lines.pop() as string;
      for (const line of lines) {
        const told = JSON.parse(line) as Told;
        if (told.type === "warm") warm.resolve();
        else if (told.type === "ready") ready.resolve();
        else this.#told += 1;
        onTold(told);
      }
      if (this.#told >= this.#wanted) this.#enough();
    });
    // "close" comes after all output has been read
    this.over = once(this.#child, "close").then(([code, signal]) => (signal ?? code) as NodeJS.Signals | number);
    this.#warm = Promise.race([warm.promise, this.over]);
    this.#ready = Promise.race([ready.promise, this.over]);
  }

  /** Tells the process to run the flow. */
  async go(how: Go): Promise<void> {
    await this.#warm;
    (this.#child.stdin as NodeJS.WritableStream).write(JSON.stringify(how));
  }

  /** Resolves when the traces of the checkpoint store are in flight again or the process has ended. */
  async ready(): Promise<void> {
    await this.#ready;
  }

  /** Resolves after that many lines since the process was ready, when it ends, or after a timeout. */
  async told(lines: number): Promise<void> {
    if (this.#told >= lines) return;
    this.#wanted = lines;
    const enough = new Promise<void>((resolve) => {
      this.#enough = resolve;
    });
    const timeout = new AbortController();
    const late = sleep(this.#patienceMs, undefined, { signal: timeout.signal }).catch(() => {});
    await Promise.race([enough, this.over, late]);
    timeout.abort();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
