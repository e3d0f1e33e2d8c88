import { digest } from "../text/digest.ts";
import type { FallbackReason } from "./fallback.ts";

/** Judges how well texts answer a query, better than words and vectors can. Port for a cross-encoder or a model. */
export interface Reranker {
  /** Name shown in answers. */
  readonly name: string;
  /** Returns a finite score for each text, in order; higher is better. */
  rerank(query: string, texts: readonly string[], signal: AbortSignal): Promise<readonly number[]>;
}

/** A second way to judge, given to a share of the users. */
export interface Rollout<Judge> {
  readonly use: Judge;
  /** Percent of users, from 0 to 100. @defaultValue 100 */
  readonly percent?: number | undefined;
  /** Milliseconds after which the first way is taken. @defaultValue 1000 */
  readonly timeoutMs?: number | undefined;
}

/** Whether a rollout reaches a user: the same user always gets the same answer, and more percent only add users. */
function isRolledOut(percent: number, tenant: string, user: string): boolean {
  return Number.parseInt(digest(`${tenant}\0${user}`).slice(0, 8), 16) % 100 < percent;
}

/** The judgement, or the reason for which there is none. */
export type Judged<Value> = { readonly value: Value } | { readonly reason: FallbackReason };

/** Tries a rollout's way within its time. Failures are reasons, not errors: the first way is always there. */
export async function tryRollout<Judge, Value>(
  rollout: Rollout<Judge> | undefined,
  user: { readonly tenant: string; readonly user: string },
  signal: AbortSignal,
  ask: (judge: Judge, signal: AbortSignal) => Promise<Value>,
  isGood: (value: Value) => boolean,
): Promise<Judged<Value>> {
  if (rollout === undefined) return { reason: "not_configured" };
  const { use, percent = 100, timeoutMs = 1_000 } = rollout;
  if (!isRolledOut(percent, user.tenant, user.user)) return { reason: "not_rolled_out" };
  const late = AbortSignal.timeout(timeoutMs);
  const until = AbortSignal.any([signal, late]);
  try {
    const value = await Promise.race([ask(use, until), aborted(until)]);
    return isGood(value) ? { value } : { reason: "bad_scores" };
  } catch {
    signal.throwIfAborted();
    return { reason: late.aborted ? "timeout" : "error" };
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  return await new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
