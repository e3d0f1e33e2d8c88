import {
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOneOf,
  shown,
} from "../foundation/options.ts";
import { Limiter } from "./limiter.ts";

/** A failed attempt, as passed to {@link NodePolicy.retryIf}. */
export interface RetryQuestion {
  /** The number of the failed attempt, from 1. */
  readonly attempt: number;
  readonly node: string;
  readonly traceId: string;
  /** The default decision, without `retryIf`. */
  readonly retryable: boolean;
}

/** Validation, timeout, retries, concurrency and order of a node. */
export interface NodePolicy {
  /**
   * The payloads that are checked against the node's schemas.
   *
   * @defaultValue `"both"`
   */
  readonly validate?: "both" | "in" | "out" | "none";
  /**
   * Timeout of one attempt in milliseconds. It covers validation, but not delivery of the result.
   *
   * @defaultValue no limit
   */
  readonly timeoutMs?: number;
  /**
   * Maximum number of retries after the first attempt.
   *
   * @defaultValue 0
   */
  readonly maxRetries?: number;
  /**
   * Delay before the first retry, in milliseconds.
   *
   * @defaultValue 500
   */
  readonly backoffBaseMs?: number;
  /**
   * Factor by which the delay grows with each further retry.
   *
   * @defaultValue 2
   */
  readonly backoffMult?: number;
  /**
   * Maximum delay before a retry, in milliseconds.
   *
   * @defaultValue no limit
   */
  readonly maxBackoffMs?: number;
  /**
   * Random share of a delay, from 0 to 1. 1 draws from 0 to the full delay ("full jitter"); 0 always waits the full
   * delay. Jitter keeps many retries from coinciding.
   *
   * @defaultValue 1
   */
  readonly jitter?: number;
  /**
   * Decides which errors are retried. Cancellation never is.
   *
   * @defaultValue all but validation errors, routing errors and errors with `retryable: false`
   */
  readonly retryIf?: (error: unknown, question: RetryQuestion) => boolean;
  /**
   * Maximum number of messages in flight at the node.
   *
   * @defaultValue 64
   */
  readonly concurrency?: number;
  /**
   * Concurrency limit shared with other nodes, made by `limiter`. It applies in addition to `concurrency`. A message
   * that waits for it holds no slot.
   *
   * @defaultValue none
   */
  readonly limiter?: Limiter | undefined;
  /**
   * `"trace"`: messages of one trace are handled one at a time, in the order they were sent, at any concurrency.
   * `"none"`: any number of them at once.
   *
   * @defaultValue `"trace"`
   */
  readonly ordering?: "trace" | "none";
  /**
   * `"before"`: in a durable flow, the handler is called only once its message is stored. Use it for steps that are
   * visible outside or cost money, because the flow still knows of them after a crash. Each call waits for a write.
   *
   * @defaultValue messages are handled at once and stored in the background
   */
  readonly durable?: "before" | undefined;
}

/** A {@link NodePolicy} with all defaults applied. */
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
  readonly limiter: Limiter | undefined;
  readonly ordering: "trace" | "none";
  readonly durable: "before" | undefined;
}

const VALIDATE_MODES = ["both", "in", "out", "none"];
const ORDERINGS = ["trace", "none"];

/**
 * Applies the defaults of a policy.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range; names the node, the option, the wanted and
 *   the given value
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
    limiter: policy.limiter,
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
  if (resolved.limiter !== undefined && !(resolved.limiter instanceof Limiter))
    throw new TypeError(`Option "${of("limiter")}" must be made by limiter(): got ${shown(resolved.limiter)}`);
  if (resolved.retryIf !== undefined) requireFunction(of("retryIf"), resolved.retryIf);
  requireOneOf(of("validate"), resolved.validate, VALIDATE_MODES);
  requireOneOf(of("ordering"), resolved.ordering, ORDERINGS);
  if (resolved.durable !== undefined) requireOneOf(of("durable"), resolved.durable, ["before"]);
  return Object.freeze(resolved);
}
