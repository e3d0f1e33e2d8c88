import type { EmitOptions, Outcome, PauseTicket, StreamItem, TraceItems } from "penguiflow";

/**
 * A flow as its server calls it: any `Flow`, or a flow of a cluster. The meaning of its methods is that of `Flow`. The
 * trace of a task has the task's id.
 */
export interface ServedFlow {
  readonly name: string;
  /** Whether it accepts messages. */
  readonly isRunning: boolean;
  /** Whether its traces outlast the server. */
  readonly isDurable: boolean;
  /** Starts it. */
  run(options: never): unknown;
  /** Accepts nothing more. Reads in progress have `drainMs` milliseconds to end. */
  stop(options?: { readonly drainMs?: number }): Promise<unknown>;
  /** Begins a trace and yields its chunks and results. Aborting `signal` cancels it. Throws `TRACE_PAUSED` at a pause. */
  stream(input: never, options: ServedCallOptions): TraceItems<StreamItem<unknown>>;
  /** Begins a trace and resolves with how it ended, or with its pauses. */
  outcome(input: never, options: ServedCallOptions): Promise<Outcome>;
  /** Cancels a trace, if it is there. */
  cancel(traceId: string, options: { readonly tenant: string; readonly reason?: unknown }): Promise<unknown>;
  /** Lists and answers the pauses of traces. */
  readonly pauses: {
    list(options: { readonly tenant?: string; readonly traceId: string }): Promise<readonly PauseTicket[]>;
    resumeStream(token: string, answer: unknown, options: { readonly tenant: string }): TraceItems<StreamItem<unknown>>;
  };
  /** Reads traces that an earlier server has begun. */
  readonly recovery: {
    follow(
      traceId: string,
      options: { readonly tenant: string; readonly onLeave: "detach" },
    ): Promise<TraceItems<StreamItem<unknown>>>;
  };
}

/** Options with which a server calls a flow. */
export type ServedCallOptions = Omit<EmitOptions<never>, "id" | "keepMs"> & {
  readonly traceId: string;
  readonly tenant: string;
};
