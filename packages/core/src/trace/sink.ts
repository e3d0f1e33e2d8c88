import type { Message } from "../message/message.ts";
import type { Outcome } from "../message/outcome.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";

/**
 * Where what a trace produces goes: one implementation for each way of waiting for a trace. The engine
 * calls it; a sink without room answers `false` and calls `onRoom` when that changes.
 */
export interface TraceSink {
  /** Whether the first result is enough and further ones may be dropped. */
  readonly keepResults: number;
  /** Set by the engine while somebody waits for room. */
  onRoom: (() => void) | null;
  /** Takes a result of an exit node, or answers `false` and takes nothing. */
  result(message: Message, node: string): boolean;
  /** Takes a chunk, or answers `false` and takes nothing. Last chunks are always taken. */
  chunk(chunk: StreamChunk): boolean;
  /** Settles whoever waits. Called once, last. */
  ended(outcome: Outcome): void;
}

/** For `call` and `outcome`: one promise for the whole trace. Chunks are not read by anyone. */
export class PromiseSink implements TraceSink {
  readonly keepResults: number;
  onRoom: (() => void) | null = null;
  readonly #settle: (outcome: Outcome) => void;

  constructor(keepResults: number, settle: (outcome: Outcome) => void) {
    this.keepResults = keepResults;
    this.#settle = settle;
  }

  result(): boolean {
    return true;
  }

  chunk(): boolean {
    return true;
  }

  ended(outcome: Outcome): void {
    this.#settle(outcome);
  }
}
