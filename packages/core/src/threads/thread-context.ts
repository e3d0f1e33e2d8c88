import type { Context } from "../graph/handler.ts";

/** What a function in a thread is given beside its payload: what of the handler's context is the same there. */
export interface ThreadContext extends Pick<
  Context,
  "node" | "traceId" | "tenant" | "attempt" | "idempotencyKey" | "deadlineAt"
> {
  /**
   * Aborts when the attempt is over: cancel, deadline, node timeout, stop. A loop that never waits sees it in
   * `signal.aborted`. The thread of a function that does not return within the pool's `graceMs` is ended.
   */
  readonly signal: AbortSignal;
  /** Has these parts of the result (buffers, ports) moved to the flow instead of copied. */
  transfer(...parts: readonly object[]): void;
}

/** The part of it that is plain data. */
export type TaskFacts = Omit<ThreadContext, "signal" | "transfer">;
