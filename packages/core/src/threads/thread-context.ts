import type { Context } from "../graph/handler.ts";

/** The second argument of a function in a thread: the part of the handler's context that is available there. */
export interface ThreadContext extends Pick<
  Context,
  "node" | "traceId" | "tenant" | "principal" | "attempt" | "idempotencyKey" | "deadlineAt"
> {
  /**
   * Aborts when the attempt is over: cancel, deadline, node timeout, shutdown. A synchronous loop can poll
   * `signal.aborted`. If the function does not return within the pool's `graceMs`, its thread is terminated.
   */
  readonly signal: AbortSignal;
  /** Transfers these parts of the result (buffers, ports) to the flow instead of copying them. */
  transfer(...parts: readonly object[]): void;
}

/** The plain data of the context. */
export type TaskFacts = Omit<ThreadContext, "signal" | "transfer">;
