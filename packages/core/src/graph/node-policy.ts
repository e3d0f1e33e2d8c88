import {
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireObject,
  requireOneOf,
  shown,
} from "../foundation/options.ts";
import type { FlowError } from "../foundation/flow-error.ts";
import type { Message } from "../message/message.ts";
import type { FallbackContext } from "./handler.ts";
import { Limiter } from "./limiter.ts";

/** A failed attempt, as passed to {@link MessagePolicy.retryIf}. */
export interface RetryQuestion {
  /** The number of the failed attempt, from 1. */
  readonly attempt: number;
  readonly node: string;
  readonly traceId: string;
  /** The default decision, without `retryIf`. */
  readonly retryable: boolean;
}

/**
 * Timeout, retries and fallback of one attempt: the part of a policy that may depend on the message. `Input` is the
 * payload that the node is sent, `Fallback` the value that replaces a failure, `Resources` those of the fallback.
 */
export interface MessagePolicy<in Input = unknown, out Fallback = never, in Resources = unknown> {
  /**
   * Timeout of one attempt in milliseconds. It covers validation, but neither delivery of the result nor the wait
   * before a retry.
   *
   * @defaultValue no limit
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Maximum number of retries after the first attempt.
   *
   * @defaultValue 0
   */
  readonly maxRetries?: number | undefined;
  /**
   * Delay before the first retry, in milliseconds.
   *
   * @defaultValue 500
   */
  readonly backoffBaseMs?: number | undefined;
  /**
   * Factor by which the delay grows with each further retry.
   *
   * @defaultValue 2
   */
  readonly backoffMult?: number | undefined;
  /**
   * Maximum delay before a retry, in milliseconds.
   *
   * @defaultValue no limit
   */
  readonly maxBackoffMs?: number | undefined;
  /**
   * Random share of a delay, from 0 to 1. 1 draws from 0 to the full delay ("full jitter"); 0 always waits the full
   * delay. Jitter keeps many retries from coinciding.
   *
   * @defaultValue 1
   */
  readonly jitter?: number | undefined;
  /**
   * Decides which errors are retried. Cancellation never is. When it throws, the fault is logged and the error is not
   * retried.
   *
   * @defaultValue all but validation errors, routing errors and errors with `retryable: false`
   */
  readonly retryIf?: ((error: unknown, question: RetryQuestion) => boolean) | undefined;
  /**
   * Returns the milliseconds until the next attempt, for errors that say when to come back, such as a 429 with
   * `Retry-After`; `undefined` for the usual backoff. Called only for errors that are retried. The delay is taken as it
   * is: neither `maxBackoffMs` nor `jitter` changes it. When the function throws, or returns no number of 0 or more, the
   * fault is logged and the usual backoff applies.
   *
   * @defaultValue the usual backoff
   */
  readonly retryAfterMs?: ((error: unknown) => number | undefined) | undefined;
  /**
   * Returns the value that the node sends in place of a failure that is not retried: a payload, a message, or nothing;
   * or a promise of it. The trace goes on. `error` says what failed, `error.unwrap()` is the thrown value; `message` is
   * the message as it was sent, before validation. The value is checked against the output schema.
   *
   * A promise has `timeoutMs`, counted anew. The trace's cancel, deadline and stop abort `ctx.signal`, as in a handler.
   * A fallback is not retried: when it throws, takes too long or its value does not fit, the fault is logged and the
   * trace fails with `error`. After a crash the handler is called again, and the fallback only if that fails.
   *
   * @defaultValue the trace fails
   */
  readonly onFailed?:
    | ((error: FlowError, message: Message<Input>, ctx: FallbackContext<Resources>) => Fallback | Promise<Fallback>)
    | undefined;
}

/** Options that belong to the node and are fixed for all of its messages. */
export interface FixedOptions {
  readonly validate?: never;
  readonly concurrency?: never;
  readonly limiter?: never;
  readonly ordering?: never;
  readonly durable?: never;
  readonly perMessage?: never;
}

/**
 * A policy that depends on the message. Called at the start of each attempt, before validation, in the async context of
 * the trace's caller. When it throws or returns an unusable policy, the attempt fails with `POLICY_FAILED`.
 */
export type PolicyFunction<Input = unknown, Fallback = never, Resources = unknown> = (
  message: Message<Input>,
) => (MessagePolicy<Input, Fallback, Resources> & FixedOptions) | undefined;

/** A node's policy: fixed, or a function that looks at each message, short for `{ perMessage }`. */
export type Policy<Input = unknown, Fallback = never, Resources = unknown> =
  | NodePolicy<Input, Fallback, Resources>
  | PolicyFunction<Input, Fallback, Resources>;

/** Validation, timeout, retries, concurrency and order of a node. */
export interface NodePolicy<in Input = unknown, out Fallback = never, in Resources = unknown> extends MessagePolicy<
  Input,
  Fallback,
  Resources
> {
  /**
   * The payloads that are checked against the node's schemas.
   *
   * @defaultValue `"both"`
   */
  readonly validate?: "both" | "in" | "out" | "none";
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
  /**
   * Returns the options of one message. Those it leaves out, or `undefined` altogether, are the node's. A frozen object
   * is checked once, however often it is returned.
   *
   * @defaultValue the same options for all messages
   */
  readonly perMessage?: PolicyFunction<Input, Fallback, Resources> | undefined;
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
  readonly retryAfterMs: ((error: unknown) => number | undefined) | undefined;
  readonly onFailed: ((error: FlowError, message: Message<never>, ctx: FallbackContext<never>) => unknown) | undefined;
  readonly perMessage: PolicyFunction<never, unknown, never> | undefined;
  readonly concurrency: number;
  readonly limiter: Limiter | undefined;
  readonly ordering: "trace" | "none";
  readonly durable: "before" | undefined;
}

const VALIDATE_MODES = ["both", "in", "out", "none"];
const ORDERINGS = ["trace", "none"];

/** Options that may depend on the message. */
const MESSAGE_OPTIONS: readonly (keyof MessagePolicy)[] = [
  "timeoutMs",
  "maxRetries",
  "backoffBaseMs",
  "backoffMult",
  "maxBackoffMs",
  "jitter",
  "retryIf",
  "retryAfterMs",
  "onFailed",
];

/** Returns a policy as an object. */
export function policyObject<Input, Fallback, Resources>(
  policy: Policy<Input, Fallback, Resources> | undefined,
): NodePolicy<Input, Fallback, Resources> | undefined {
  if (typeof policy === "function") return { perMessage: policy };
  if (policy !== undefined) requireObject("policy", policy);
  return policy;
}

/**
 * Applies the defaults of a policy.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range; names the node, the option, the wanted and
 *   the given value
 */
export function resolvePolicy(node: string, given: Policy<never, unknown, never> = {}): ResolvedPolicy {
  const policy = policyObject(given) as NodePolicy<never, unknown, never>;
  const resolved: ResolvedPolicy = {
    validate: policy.validate ?? "both",
    timeoutMs: policy.timeoutMs,
    maxRetries: policy.maxRetries ?? 0,
    backoffBaseMs: policy.backoffBaseMs ?? 500,
    backoffMult: policy.backoffMult ?? 2,
    maxBackoffMs: policy.maxBackoffMs ?? Number.MAX_SAFE_INTEGER,
    jitter: policy.jitter ?? 1,
    retryIf: policy.retryIf,
    retryAfterMs: policy.retryAfterMs,
    onFailed: policy.onFailed,
    perMessage: policy.perMessage,
    concurrency: policy.concurrency ?? 64,
    limiter: policy.limiter,
    ordering: policy.ordering ?? "trace",
    durable: policy.durable,
  };
  const of = (option: string) => `${option}" of node "${node}`;
  requireKnownKeys(`the policy of node "${node}"`, policy, Object.keys(resolved));
  requireUsable(node, resolved);
  if (resolved.concurrency !== Number.POSITIVE_INFINITY) requireInteger(of("concurrency"), resolved.concurrency, 1);
  if (resolved.limiter !== undefined && !(resolved.limiter instanceof Limiter))
    throw new TypeError(`Option "${of("limiter")}" must be made by limiter(): got ${shown(resolved.limiter)}`);
  if (resolved.perMessage !== undefined) requireFunction(of("perMessage"), resolved.perMessage);
  requireOneOf(of("validate"), resolved.validate, VALIDATE_MODES);
  requireOneOf(of("ordering"), resolved.ordering, ORDERINGS);
  if (resolved.durable !== undefined) requireOneOf(of("durable"), resolved.durable, ["before"]);
  return Object.freeze(resolved);
}

/** Policies of messages by the frozen object that their node's function has returned, with the policy of that node. */
const resolved = new WeakMap<object, { readonly own: ResolvedPolicy; readonly policy: ResolvedPolicy }>();

/**
 * Returns the policy of one message: what `perMessage` returns for it, over the node's own options.
 *
 * @throws TypeError, RangeError when an option is unknown, belongs to the node or is out of range; what `perMessage`
 *   throws
 */
export function resolveForMessage(node: string, own: ResolvedPolicy, message: Message): ResolvedPolicy {
  const given: unknown = own.perMessage?.(message as Message<never>);
  if (given === undefined) return own;
  const known = resolved.get(given as object);
  if (known?.own === own) return known.policy;
  if (typeof given !== "object" || given === null || "then" in given)
    throw new TypeError(
      `The policy function of node "${node}" must return an object or undefined: got ${given instanceof Promise ? "a promise" : shown(given)}`,
    );
  requireKnownKeys(`a message's policy at node "${node}"`, given, MESSAGE_OPTIONS);
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const policy = { ...own, ...(Object.fromEntries(set) as MessagePolicy<never, unknown, never>) } as ResolvedPolicy;
  requireUsable(node, policy);
  if (Object.isFrozen(given)) resolved.set(given, { own, policy });
  return policy;
}

/** Throws unless the options that may depend on the message are within their ranges. */
function requireUsable(node: string, policy: ResolvedPolicy): void {
  const of = (option: string) => `${option}" of node "${node}`;
  if (policy.timeoutMs !== undefined) requireNumber(of("timeoutMs"), policy.timeoutMs, 1);
  requireInteger(of("maxRetries"), policy.maxRetries, 0);
  requireNumber(of("backoffBaseMs"), policy.backoffBaseMs, 0);
  requireNumber(of("backoffMult"), policy.backoffMult, 1);
  requireNumber(of("maxBackoffMs"), policy.maxBackoffMs, 0);
  requireNumber(of("jitter"), policy.jitter, 0);
  if (policy.jitter > 1) throw new RangeError(`Option "${of("jitter")}" must be from 0 to 1: got ${policy.jitter}`);
  for (const option of ["retryIf", "retryAfterMs", "onFailed"] as const)
    if (policy[option] !== undefined) requireFunction(of(option), policy[option]);
}
