import type { AsyncScope } from "../../foundation/async-scope.ts";
import type { Clock } from "../../foundation/clock.ts";
import { type Channel, subscribedTap } from "../../events/diagnostics-channels.ts";
import type { ObservedBase, ObservedChunk, ObservedRecord } from "../../ports/observed.ts";
import type { TraceRecord } from "../../ports/trace-recorder.ts";

/** Options of the flow that a {@link Tap} needs. */
interface TapOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly homeScope: AsyncScope;
}

/** Number of runs that were observed in this process. */
let runs = 0;

/**
 * Publishes the records and chunks of a run on diagnostics channels, as they happen: a payload is published before a
 * handler can change it. Exists only if one of the channels had a subscriber when the run began.
 */
export class Tap {
  /** Number of the run, unique in its process. */
  readonly run: number;
  /** Channel of the run's begin and end. */
  readonly runs: Channel | undefined;
  readonly #records: Channel | undefined;
  readonly #chunks: Channel | undefined;
  readonly #options: TapOptions;
  readonly #seq: { last: number };

  /** @param outer - tap of the parent run, for a playbook */
  constructor(options: TapOptions, seq: { last: number }, outer?: Tap) {
    this.#options = options;
    this.#seq = seq;
    this.run = outer === undefined ? (runs += 1) : outer.run;
    this.runs = outer === undefined ? subscribedTap("run") : outer.runs;
    this.#records = outer === undefined ? subscribedTap("record") : outer.#records;
    this.#chunks = outer === undefined ? subscribedTap("chunk") : outer.#chunks;
  }

  /** Opens the tap of an outermost run, if a channel has a subscriber. */
  static open(options: TapOptions, seq: { last: number }): Tap | undefined {
    const tap = new Tap(options, seq);
    return tap.runs === undefined && !tap.takesRecords && !tap.takesChunks ? undefined : tap;
  }

  get takesRecords(): boolean {
    return this.#records !== undefined;
  }

  get takesChunks(): boolean {
    return this.#chunks !== undefined;
  }

  record(record: TraceRecord): void {
    this.#publish(this.#records, { ...this.#base(), record });
  }

  chunk(chunk: ObservedChunk["chunk"], stream: ObservedChunk["stream"]): void {
    this.#publish(this.#chunks, { ...this.#base(), chunk, stream });
  }

  #base(): ObservedBase {
    const { name, clock } = this.#options;
    this.#seq.last += 1;
    return { run: this.run, flow: name, seq: this.#seq.last, at: clock.epochNow(), now: clock.now() };
  }

  // the async context of a trace is its caller's: a subscriber belongs to none of them
  #publish(channel: Channel | undefined, item: ObservedRecord | ObservedChunk): void {
    this.#options.homeScope.runInAsyncScope(() => channel?.publish(item), undefined);
  }
}
