import { type ChildProcess, fork } from "node:child_process";
import type { ApiErrorCode } from "@penguiflow/playground/protocol";
import type { Answers, Ask, FromChild, ToChild } from "../ipc/messages.ts";
import { ApiError } from "../server/api-error.ts";
import { EXEC_ARGV, mainFile } from "./main-file.ts";

/** A process that is to be started. */
export interface ChildInit {
  /** Absolute path of the project. */
  readonly root: string;
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of the compile cache. */
  readonly cache: string;
  readonly onMessage: (message: Exclude<FromChild, { readonly type: "answer" | "refusal" }>, child: Child) => void;
  readonly onOutput: (stream: "stdout" | "stderr", text: string) => void;
  /** Called once, when it has ended. */
  readonly onExit: (child: Child) => void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** A process that runs the project's code. */
export class Child {
  readonly execArgv: readonly string[];
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended = Promise.withResolvers<void>();
  #lastId = 0;

  constructor({ root, execArgv, env, cache, onMessage, onOutput, onExit }: ChildInit) {
    this.execArgv = execArgv;
    this.#process = fork(mainFile("child"), [root], {
      cwd: root,
      execArgv: [...EXEC_ARGV, ...execArgv],
      env: { ...env, NODE_COMPILE_CACHE: cache },
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of ["stdout", "stderr"] as const)
      this.#process[stream]?.setEncoding("utf8").on("data", (text: string) => onOutput(stream, text));
    this.#process.on("message", (message: FromChild) => {
      if (message.type === "answer") this.#take(message.id)?.resolve(message.value as never);
      else if (message.type === "refusal") this.#refuse(message);
      else onMessage(message, this);
    });
    // a process that cannot be started has no exit
    const end = (): void => {
      for (const { reject } of this.#waiting.values())
        reject(new ApiError("FLOW_NOT_RUNNING", "The project's process has ended"));
      this.#waiting.clear();
      this.#ended.resolve();
      onExit(this);
    };
    this.#process.once("close", end);
    this.#process.on("error", () => {
      if (this.#process.pid === undefined) end();
    });
  }

  /** Resolves when the process has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /**
   * Asks the process.
   *
   * @throws ApiError its refusal, or `FLOW_NOT_RUNNING` if it ends before it answers
   */
  async ask<const Question extends Ask>(ask: Question): Promise<Answers[Question["type"]]> {
    return await new Promise((resolve, reject) => {
      if (!this.#process.connected) {
        reject(new ApiError("FLOW_NOT_RUNNING", "The project's process has ended"));
        return;
      }
      const id = (this.#lastId += 1);
      this.#waiting.set(id, { resolve, reject });
      const question: ToChild = { id, ask };
      this.#process.send(question, (error) => {
        if (error !== null) this.#take(id)?.reject(new ApiError("FLOW_NOT_RUNNING", "The project's process has ended"));
      });
    });
  }

  /** Ends the process at once, and resolves when it has ended. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }

  #refuse({ id, code, message, details }: Extract<FromChild, { readonly type: "refusal" }>): void {
    this.#take(id)?.reject(new ApiError(code as ApiErrorCode, message, details));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
