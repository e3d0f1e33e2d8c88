import { createHash } from "node:crypto";
import { Message, TaskState } from "@a2a-js/sdk";
import { Turn } from "./turn.ts";

/** How many are remembered. */
const MOST = 10_000;

/** How large the answers among them may be together, in bytes of JSON. */
const MOST_ANSWER_BYTES = 16 * 2 ** 20;

const FAILURES: ReadonlySet<TaskState> = new Set([TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_CANCELED]);

/** What is left of work that is over. */
interface Rest extends Pick<Turn, "taskId" | "answer"> {
  /** Bytes of the answer. */
  readonly size: number;
}

/** The messages that have begun work, so that one that comes again begins no more, unless it came to nothing. */
export class KnownMessages {
  /** What is going on, or how little is left of it, by message, the oldest first. */
  readonly #known = new Map<string, Turn | Rest>();
  readonly #mostAnswerBytes: number;
  #answerBytes = 0;

  /** @param mostAnswerBytes - how large answers without a task may be together before the oldest are forgotten */
  constructor(mostAnswerBytes: number = MOST_ANSWER_BYTES) {
    this.#mostAnswerBytes = mostAnswerBytes;
  }

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
    this.#drop(oldest as string);
  }

  /** To be told when the work is over. A message that came to nothing may come again. */
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

  /** Forgets what has begun a task, which has come to nothing. */
  forget(taskId: string): void {
    for (const [key, known] of this.#known) if (known.taskId === taskId) this.#drop(key);
  }

  #drop(key: string): void {
    const known = this.#known.get(key);
    if (known !== undefined && !(known instanceof Turn)) this.#answerBytes -= known.size;
    this.#known.delete(key);
  }
}

/** The same for a message that comes again: who says it, its id and all that it says. */
export function keyOfMessage(scope: string, message: Message): string {
  return createHash("sha256").update(scope).update(JSON.stringify(message)).digest("base64");
}
