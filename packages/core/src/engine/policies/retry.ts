import { type FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Random } from "../../foundation/random.ts";
import { requireNumber } from "../../foundation/options.ts";
import type { ResolvedPolicy } from "../../graph/node-policy.ts";

const NEVER_BY_DEFAULT: ReadonlySet<FlowErrorCode> = new Set([
  FlowErrorCode.INPUT_INVALID,
  FlowErrorCode.OUTPUT_INVALID,
  FlowErrorCode.ROUTE_UNKNOWN,
  FlowErrorCode.POLICY_FAILED,
  FlowErrorCode.HELD_LIMIT,
  FlowErrorCode.LOG_LIMIT,
  FlowErrorCode.NOT_SERIALISABLE,
  FlowErrorCode.PAYLOAD_TOO_LARGE,
  FlowErrorCode.EFFECT_FAILED,
  FlowErrorCode.EFFECT_UNKNOWN,
  FlowErrorCode.REMOTE_REFUSED,
  FlowErrorCode.REMOTE_INTERRUPTED,
]);

/** Decides whether a failed attempt is retried. Throws what the policy's `retryIf` throws. */
export function isRetried(policy: ResolvedPolicy, error: FlowError, attempt: number): boolean {
  if (attempt > policy.maxRetries) return false;
  const { retryable } = error;
  if (policy.retryIf === undefined) return retryable;
  const { node = "", traceId = "" } = error;
  return policy.retryIf(error.unwrap(), { attempt, node, traceId, retryable });
}

/**
 * Returns the delay in milliseconds that an error states, if any.
 *
 * @throws TypeError, RangeError when the policy's `retryAfterMs` returns no number of 0 or more; what it throws
 */
export function statedDelay({ retryAfterMs }: ResolvedPolicy, error: FlowError): number | undefined {
  const delayMs = retryAfterMs?.(error.unwrap());
  if (delayMs !== undefined) requireNumber(`retryAfterMs" of node "${error.node ?? ""}`, delayMs, 0);
  return delayMs;
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
export function backoffDelay(policy: ResolvedPolicy, attempt: number, random: Random): number {
  // `0 * Infinity` is NaN, which would make a timer without a delay
  const grown = policy.backoffBaseMs === 0 ? 0 : policy.backoffBaseMs * policy.backoffMult ** (attempt - 1);
  const full = Math.min(grown, policy.maxBackoffMs);
  return policy.jitter === 0 ? full : full * (1 - policy.jitter) + full * policy.jitter * random();
}
