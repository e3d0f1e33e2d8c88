import { createHash } from "node:crypto";
import { Message, TaskState } from "@a2a-js/sdk";
import { Turn } from "./turn.ts";

/** Maximum number of remembered messages. */
const MOST = 10_000;

/** Maximum total size of the remembered answers, in bytes of JSON. */
const MOST_ANSWER_BYTES = 16 * 2 ** 20;

const FAILURES: ReadonlySet<TaskState> = new Set([TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_CANCELED]);

/** Remains of finished work. */
interface Rest extends Pick<Turn, "taskId" | "answer"> {
  /** Size of the answer in bytes. */
  readonly size: number;
}

/**
 * Remembers the messages that have begun work, so that a repeated one begins no more, unless its work came to nothing.
 */
export class KnownMessages {
  /** Work in progress, or the remains of finished work, by message, the oldest first. */
  readonly #known = new Map<string, Turn | Rest>();
  readonly #mostAnswerBytes: number;
  #answerBytes = 0;

  /** @param mostAnswerBytes - maximum total size of answers without a task; the oldest are forgotten beyond it */
  constructor(mostAnswerBytes: number = MOST_ANSWER_BYTES) {
    this.#mostAnswerBytes = mostAnswerBytes;
  }

  /** Finds the work that a message has begun. */
  find(key: string): Turn | undefined {
    const known = this.#known.get(key);
    return known === undefined || known instanceof Turn ? known : Turn.over(known);
  }

  /** Remembers the work that a message has begun. */
  begin(key: string, turn: Turn): void {
    this.#known.set(key, turn);
    if (this.#known.size <= MOST) return;
    const [oldest] = this.#known.keys();
    this.#drop(oldest as string);
  }

  /** Records the end of the work. A message whose work came to nothing may begin it again. */
  end(key: string, turn: Turn): void {
    if (!this.#known.has(key)) return;
    if (turn.hasFailed || FAILURES.has(turn.state)) return this.#drop(key);
    const { taskId, answer } = turn;
    const size = answer === undefined ? 0 : Buffer.byteLength(JSON.stringify(Message.toJSON(answer)));
    this.#known.set(key, { taskId, answer, size });
    this.#answerBytes += size;
    for (const [oldest, known] of this.#known) {
      if (this.#answerBytes <= this.#mostAnswerBytes) break;
      if (!(known instanceof Turn) && known.size > 0) this.#drop(oldest);
    }
  }

  /** Forgets the message of a task that came to nothing. */
  forget(taskId: string): void {
    for (const [key, known] of this.#known) if (known.taskId === taskId) this.#drop(key);
  }

  #drop(key: string): void {
    const known = this.#known.get(key);
    if (known !== undefined && !(known instanceof Turn)) this.#answerBytes -= known.size;
    this.#known.delete(key);
  }
}

/** Computes a key that is equal for repeats of a message: its sender, its id and its content. */
export function keyOfMessage(scope: string, message: Message): string {
  return createHash("sha256").update(scope).update(JSON.stringify(message)).digest("base64");
}
