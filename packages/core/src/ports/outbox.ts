import type { FinalOutcome, PauseTicket } from "../message/outcome.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";

/** The trace that a chunk or a pause belongs to. */
export interface TracePlace {
  readonly tenant: string;
  readonly traceId: string;
}

/**
 * Receiver of what accepted traces produce: the option `outbox` of a run. Outcomes are delivered at least once, chunks
 * at most once.
 */
export interface Outbox {
  /**
   * Takes an outcome of any status but `stopped`. The outcome stays in the checkpoint until the promise resolves; it is
   * delivered again when the promise rejects, and after a restart.
   */
  deliver(outcome: FinalOutcome): Promise<void>;
  /**
   * Gives up the outcome of a failed trace that is tried again. Called once it is delivered, before the trace goes on,
   * which waits until the promise resolves. When it rejects, the trace stays failed.
   */
  withdraw?(trace: TracePlace): Promise<void>;
  /** Takes a chunk, in the order of its stream. A restart starts the streams of unfinished handlers again. */
  chunk?(chunk: StreamChunk, trace: TracePlace): void;
  /**
   * Takes a pause that waits for an answer, once it is stored. Called again for open pauses after a restart, and for one
   * whose answer did not fit.
   */
  pause?(pause: PauseTicket, trace: TracePlace): void;
}
