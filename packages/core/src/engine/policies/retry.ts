import { type FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Random } from "../../foundation/random.ts";
import type { ResolvedPolicy } from "../../graph/node-policy.ts";

const NEVER_BY_DEFAULT: ReadonlySet<FlowErrorCode> = new Set([
  FlowErrorCode.INPUT_INVALID,
  FlowErrorCode.OUTPUT_INVALID,
  FlowErrorCode.ROUTE_UNKNOWN,
  FlowErrorCode.HELD_LIMIT,
  FlowErrorCode.NOT_SERIALISABLE,
  FlowErrorCode.PAYLOAD_TOO_LARGE,
  FlowErrorCode.EFFECT_FAILED,
  FlowErrorCode.EFFECT_UNKNOWN,
  FlowErrorCode.REMOTE_REFUSED,
  FlowErrorCode.REMOTE_INTERRUPTED,
]);

/**
 * Decides whether a failed attempt is retried.
 *
 * @returns milliseconds until the next attempt, or `undefined` for no retry
 */
export function retryDelay(
  policy: ResolvedPolicy,
  error: FlowError,
  attempt: number,
  random: Random,
): number | undefined {
  if (attempt > policy.maxRetries) return undefined;
  const { retryable } = error;
  const wanted =
    policy.retryIf === undefined
      ? retryable
      : policy.retryIf(error.unwrap(), { attempt, node: error.node ?? "", traceId: error.traceId ?? "", retryable });
  return wanted ? backoffDelay(policy, attempt, random) : undefined;
}

/** Whether an error is retryable when the policy does not say. Most errors are. */
export function isRetryable(code: FlowErrorCode, cause: unknown): boolean {
  if (NEVER_BY_DEFAULT.has(code)) return false;
  try {
    return !(typeof cause === "object" && cause !== null && "retryable" in cause && cause.retryable === false);
  } catch {
    // reading a revoked proxy throws: an unreadable cause counts as retryable, like any unknown error
    return true;
  }
}

/**
 * Computes the delay in milliseconds after attempt number `attempt`: `backoffBaseMs · backoffMult^(attempt - 1)`, at
 * most `maxBackoffMs`. The share `jitter` of it is random.
 *
 * Full jitter: Brooker 2015, "Exponential Backoff And Jitter", AWS Architecture Blog.
 */
function backoffDelay(policy: ResolvedPolicy, attempt: number, random: Random): number {
  // `0 * Infinity` is NaN, which would make a timer without a delay
  const grown = policy.backoffBaseMs === 0 ? 0 : policy.backoffBaseMs * policy.backoffMult ** (attempt - 1);
  const full = Math.min(grown, policy.maxBackoffMs);
  return policy.jitter === 0 ? full : full * (1 - policy.jitter) + full * policy.jitter * random();
}
