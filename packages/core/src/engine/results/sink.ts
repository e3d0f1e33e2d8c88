import type { Message } from "../../message/message.ts";
import type { Outcome } from "../../message/outcome.ts";
import type { TraceSink } from "../state/trace.ts";

/** Sink of `call`: settles with the first result. No outcome is built for a completed trace. */
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

/** Sink of `outcome`: settles one promise for the whole trace and discards chunks. */
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
