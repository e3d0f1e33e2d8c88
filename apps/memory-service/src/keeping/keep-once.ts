import { MemoryError } from "../memory-error.ts";
import type { Rows } from "../store/rows.ts";
import { saltedDigest } from "../text/digest.ts";

const REMEMBERED_MS = 7 * 24 * 3_600_000;

/** A request that may be repeated, and what it asked for. */
export interface OnceRequest {
  readonly owner: string;
  /** Name of the operation: a key of one says nothing about another. */
  readonly operation: string;
  readonly idempotencyKey: string | undefined;
  /** Canonical form of what is asked for. */
  readonly body: string;
  readonly now: number;
}

/** An answer, and whether it was given before. */
export interface OnceAnswer<Answer> {
  readonly answer: Answer;
  readonly isRepeated: boolean;
}

/**
 * Answers a request once (law M9): a repetition with the same key gets the first answer and changes nothing. Runs in the
 * transaction of the change.
 *
 * @param work - receives the digest of the key, for rows that belong to the request
 * @throws MemoryError `KEY_REUSED` when the key was used for another body
 */
export async function keepOnce<Answer>(
  rows: Rows,
  { owner, operation, idempotencyKey, body, now }: OnceRequest,
  parse: (answer: unknown) => Answer,
  work: (key: string | undefined) => Promise<Answer>,
): Promise<OnceAnswer<Answer>> {
  if (idempotencyKey === undefined) return { answer: await work(undefined), isRepeated: false };
  const salt = await saltOf(rows);
  const key = saltedDigest(salt, `${operation}\0${owner}\0${idempotencyKey}`);
  const bodyHash = saltedDigest(salt, body);
  await rows.requests.forgetBefore(now - REMEMBERED_MS);
  const known = await rows.requests.get(key);
  if (known !== undefined) {
    if (known.body !== undefined && known.body !== bodyHash)
      throw new MemoryError("KEY_REUSED", "The idempotency key was used for another request");
    return { answer: parse(JSON.parse(known.answer)), isRepeated: true };
  }
  const answer = await work(key);
  await rows.requests.put(key, owner, bodyHash, JSON.stringify(answer), now);
  return { answer, isRepeated: false };
}

/** Returns the secret of a tenant's digests; it is made when the first digest is. */
export async function saltOf(rows: Rows): Promise<string> {
  return await rows.settings.getOrSet("salt", crypto.randomUUID());
}
