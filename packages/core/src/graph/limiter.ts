import { requireFunction, requireInteger, requireKnownKeys } from "../foundation/options.ts";
import type { Message } from "../message/message.ts";

/** Options of {@link limiter}. */
export interface LimiterOptions {
  /** Maximum number of handlers that run at once, per key if there is a `by`. */
  readonly concurrency: number;
  /**
   * Returns the key under which a message counts: a user, a model. Called before each attempt.
   *
   * @defaultValue all messages count together
   */
  readonly by?: ((message: Message) => string) | undefined;
}

/** Concurrency limit shared by the nodes that name it in their policy. Made by {@link limiter}. */
export class Limiter {
  readonly concurrency: number;
  readonly by: ((message: Message) => string) | undefined;

  /** Internal: call `limiter`. */
  constructor(options: LimiterOptions) {
    requireKnownKeys("limiter", options, ["concurrency", "by"]);
    requireInteger("concurrency", options.concurrency, 1);
    if (options.by !== undefined) requireFunction("by", options.by);
    this.concurrency = options.concurrency;
    this.by = options.by;
  }
}

/**
 * Makes a concurrency limit that several nodes share, in one flow or in many: `policy: { limiter: shared }`. A message
 * that waits for the limit holds no slot, and tenants take turns. A handler that waits for room, a fetch or a playbook
 * does not count.
 *
 * @throws TypeError, RangeError when an option is unknown or out of range
 */
export function limiter(options: LimiterOptions): Limiter {
  return new Limiter(options);
}
