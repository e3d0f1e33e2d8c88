import type { Message } from "../../message/message.ts";
import type { Outcome } from "../../message/outcome.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { Trace } from "../state/trace.ts";

/**
 * Where what a trace produces goes: one implementation for each way of waiting for a trace. The engine
 * calls it; a sink without room answers `false` and calls `onRoom` when that changes.
 */
export interface TraceSink {
  /** How many results are kept for the outcome; 0 where they are handed on as they come. */
  readonly keepResults: number;
  /** Whether an attempt whose result was refused gives its slot to others while it waits. @defaultValue true */
  readonly lendsSlot?: boolean;
  /** Told of its trace before anything else. */
  opened?(trace: Trace): void;
  /** Set by the engine while somebody waits for room. @defaultValue nobody does */
  onRoom?: (() => void) | null;
  /** Whether it would take a result. */
  hasRoomForResult(): boolean;
  /** Takes a result of an exit node, or answers `false` and takes nothing. */
  result(message: Message, node: string): boolean;
  /** Whether it wants another chunk. The runtime sees to it that a stream's last chunk is taken in any case. */
  hasRoom(): boolean;
  /** Takes a chunk. */
  chunk(chunk: StreamChunk): void;
  /** Settles whoever waits for the first result alone. Called instead of `ended` when nobody else watches. */
  completed?(first: Message): void;
  /** Tells whoever waits that only answers to pauses are missing. It may be called again, and `ended` comes later. */
  paused?(outcome: Outcome): void;
  /** Settles whoever waits. Called once, last. */
  ended(outcome: Outcome): void;
}

/** For `call`: the first result is all that is wanted, and no outcome is made where there is one. */
export class CallSink implements TraceSink {
  readonly #resolve: (result: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (result: never) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve as (result: unknown) => void;
    this.#reject = reject;
  }

  get keepResults(): number {
    return 1;
  }

  hasRoomForResult(): boolean {
    return true;
  }

  result(): boolean {
    return true;
  }

  hasRoom(): boolean {
    return true;
  }

  chunk(): void {}

  completed(first: Message): void {
    this.#resolve(first.payload);
  }

  paused(outcome: Outcome): void {
    this.ended(outcome);
  }

  ended(outcome: Outcome): void {
    if (outcome.status === "completed") this.#resolve(outcome.result);
    else this.#reject(outcome.error);
  }
}

/** For `outcome`: one promise for the whole trace. Chunks are read by nobody. */
export class OutcomeSink implements TraceSink {
  readonly keepResults: number;
  readonly #resolve: (outcome: Outcome) => void;

  constructor(keepResults: number, resolve: (outcome: Outcome) => void) {
    this.keepResults = keepResults;
    this.#resolve = resolve;
  }

  hasRoomForResult(): boolean {
    return true;
  }

  result(): boolean {
    return true;
  }

  hasRoom(): boolean {
    return true;
  }

  chunk(): void {}

  paused(outcome: Outcome): void {
    this.#resolve(outcome);
  }

  ended(outcome: Outcome): void {
    this.#resolve(outcome);
  }
}
