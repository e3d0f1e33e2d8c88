// Replies by the client's Idempotency-Key, so that a repeated request is neither processed nor paid for twice. They
// live in this process: route repeats to it, or put a shared store here.
import { Refusal } from "./problem.ts";

const KEPT_MS = 600_000;
const MOST_KEPT = 1_000;

interface Kept<Reply> {
  readonly asked: string;
  readonly reply: Promise<Reply>;
  readonly at: number;
}

/** Replies of the last ten minutes, at most a thousand. A failed one is forgotten, so that a retry starts afresh. */
export class Replies<Reply> {
  readonly #kept = new Map<string, Kept<Reply>>();

  /** Returns the reply to an earlier request of this tenant with this key, or makes a new one. @throws Refusal */
  once(tenant: string, key: string, question: unknown, make: () => Promise<Reply>): Promise<Reply> {
    if (!/^[\x21-\x7e]{1,128}$/.test(key))
      throw new Refusal(400, "IDEMPOTENCY_KEY_INVALID", "Idempotency-Key must have 1 to 128 visible characters");
    this.#forgetOld();
    const id = `${tenant} ${key}`;
    const asked = JSON.stringify(question);
    const known = this.#kept.get(id);
    if (known !== undefined && known.asked !== asked)
      throw new Refusal(422, "IDEMPOTENCY_KEY_REUSED", "That Idempotency-Key was used for another request");
    if (known !== undefined) return known.reply;

    const reply = make();
    const kept = { asked, reply, at: performance.now() };
    this.#kept.set(id, kept);
    reply.catch(() => this.#kept.get(id) === kept && this.#kept.delete(id));
    return reply;
  }

  // a Map iterates in insertion order: the oldest come first
  #forgetOld(): void {
    for (const [id, { at }] of this.#kept) {
      if (this.#kept.size < MOST_KEPT && performance.now() - at < KEPT_MS) return;
      this.#kept.delete(id);
    }
  }
}
