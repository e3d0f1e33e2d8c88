import {
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOneOf,
} from "../foundation/options.ts";

/** What {@link NodePolicy.retryIf} is told about a failed attempt. */
export interface RetryQuestion {
  /** The number of the attempt that failed: 1 for the first. */
  readonly attempt: number;
  readonly node: string;
  readonly traceId: string;
  /** What would happen if there were no `retryIf`. */
  readonly retryable: boolean;
}

/** How a node is run: validation, time, retries, concurrency and order. */
export interface NodePolicy {
  /**
   * Which payloads are checked against the node's schemas.
   *
   * @defaultValue `"both"`
   */
  readonly validate?: "both" | "in" | "out" | "none";
  /**
   * Milliseconds one attempt may take, validation included, delivery of its result not.
   *
   * @defaultValue no limit
   */
  readonly timeoutMs?: number;
  /**
   * How often a failed attempt is followed by another.
   *
   * @defaultValue 0
   */
  readonly maxRetries?: number;
  /**
   * Milliseconds before the first retry.
   *
   * @defaultValue 500
   */
  readonly backoffBaseMs?: number;
  /**
   * By what the delay grows with each further retry.
   *
   * @defaultValue 2
   */
  readonly backoffMult?: number;
  /**
   * Milliseconds no delay exceeds.
   *
   * @defaultValue no limit
   */
  readonly maxBackoffMs?: number;
  /**
   * Which part of a delay is random: 1 draws from 0 to the full delay ("full jitter"), 0 always waits
   * the full delay. Many retries at the same instant are what jitter avoids.
   *
   * @defaultValue 1
   */
  readonly jitter?: number;
  /**
   * Decides which errors are worth a retry. Cancellation never is.
   *
   * @defaultValue all but validation errors, routing errors and errors with `retryable: false`
   */
  readonly retryIf?: (error: unknown, question: RetryQuestion) => boolean;
  /**
   * How many messages the node works on at once.
   *
   * @defaultValue 64
   */
  readonly concurrency?: number;
  /**
   * `"trace"`: messages of one trace are handled one after the other, in the order they were sent,
   * whatever the concurrency. `"none"`: any number of them at once.
   *
   * @defaultValue `"trace"`
   */
  readonly ordering?: "trace" | "none";
  /**
   * `"before"`: in a durable flow, the handler is called only when its message is stored. For steps that others see or
   * that cost money: after a crash the flow still knows of them. Each call waits for a write.
   *
   * @defaultValue messages are handled at once and stored meanwhile
   */
  readonly durable?: "before" | undefined;
}

/** A {@link NodePolicy} with every default filled in. */
export interface ResolvedPolicy {
  readonly validate: "both" | "in" | "out" | "none";
  readonly timeoutMs: number | undefined;
  readonly maxRetries: number;
  readonly backoffBaseMs: number;
  readonly backoffMult: number;
  readonly maxBackoffMs: number;
  readonly jitter: number;
  readonly retryIf: ((error: unknown, question: RetryQuestion) => boolean) | undefined;
  readonly concurrency: number;
  readonly ordering: "trace" | "none";
  readonly durable: "before" | undefined;
}

const VALIDATE_MODES = ["both", "in", "out", "none"];
const ORDERINGS = ["trace", "none"];

/**
 * Fills in the defaults of a policy.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range; the message names node,
 * option, what is wanted and what was given
 */
export function resolvePolicy(node: string, policy: NodePolicy = {}): ResolvedPolicy {
  const resolved: ResolvedPolicy = {
    validate: policy.validate ?? "both",
    timeoutMs: policy.timeoutMs,
    maxRetries: policy.maxRetries ?? 0,
    backoffBaseMs: policy.backoffBaseMs ?? 500,
    backoffMult: policy.backoffMult ?? 2,
    maxBackoffMs: policy.maxBackoffMs ?? Number.MAX_SAFE_INTEGER,
    jitter: policy.jitter ?? 1,
    retryIf: policy.retryIf,
    concurrency: policy.concurrency ?? 64,
    ordering: policy.ordering ?? "trace",
    durable: policy.durable,
  };
  const of = (option: string) => `${option}" of node "${node}`;
  requireKnownKeys(`the policy of node "${node}"`, policy, Object.keys(resolved));
  if (resolved.timeoutMs !== undefined) requireNumber(of("timeoutMs"), resolved.timeoutMs, 1);
  requireInteger(of("maxRetries"), resolved.maxRetries, 0);
  requireNumber(of("backoffBaseMs"), resolved.backoffBaseMs, 0);
  requireNumber(of("backoffMult"), resolved.backoffMult, 1);
  requireNumber(of("maxBackoffMs"), resolved.maxBackoffMs, 0);
  requireNumber(of("jitter"), resolved.jitter, 0);
  if (resolved.jitter > 1) throw new RangeError(`Option "${of("jitter")}" must be from 0 to 1: got ${resolved.jitter}`);
  if (resolved.concurrency !== Number.POSITIVE_INFINITY) requireInteger(of("concurrency"), resolved.concurrency, 1);
  if (resolved.retryIf !== undefined) requireFunction(of("retryIf"), resolved.retryIf);
  requireOneOf(of("validate"), resolved.validate, VALIDATE_MODES);
  requireOneOf(of("ordering"), resolved.ordering, ORDERINGS);
  if (resolved.durable !== undefined) requireOneOf(of("durable"), resolved.durable, ["before"]);
  return Object.freeze(resolved);
}
