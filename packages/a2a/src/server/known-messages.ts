import { createHash } from "node:crypto";
import { type Message, TaskState } from "@a2a-js/sdk";
import { Turn } from "./turn.ts";

/** How many are remembered. */
const MOST = 10_000;

const FAILURES: ReadonlySet<TaskState> = new Set([TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_CANCELED]);

/** The messages that have begun work, so that one that comes again begins no more, unless it came to nothing. */
export class KnownMessages {
  /** What is going on, or how little is left of it, by message, the oldest first. */
  readonly #known = new Map<string, Turn | Pick<Turn, "taskId" | "answer">>();

  /** The work that a message has begun. */
  find(key: string): Turn | undefined {
    const known = this.#known.get(key);
    return known === undefined || known instanceof Turn ? known : Turn.over(known);
  }

  /** Remembers what a message has begun. */
  begin(key: string, turn: Turn): void {
    this.#known.set(key, turn);
    if (this.#known.size <= MOST) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest as string);
  }

  /** To be told when the work is over. A message that came to nothing may come again. */
  end(key: string, turn: Turn): void {
    if (!this.#known.has(key)) return;
    if (turn.hasFailed || FAILURES.has(turn.state)) this.#known.delete(key);
    else this.#known.set(key, { taskId: turn.taskId, answer: turn.answer });
  }

  /** Forgets what has begun a task, which has come to nothing. */
  forget(taskId: string): void {
    for (const [key, known] of this.#known) if (known.taskId === taskId) this.#known.delete(key);
  }
}

/** The same for a message that comes again: who says it, its id and all that it says. */
export function keyOfMessage(scope: string, message: Message): string {
  return createHash("sha256").update(scope).update(JSON.stringify(message)).digest("base64");
}
