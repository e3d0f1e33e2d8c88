import type { Budget } from "../../message/budget.ts";
import type { Message } from "../../message/message.ts";
import type { Outcome, PauseTicket } from "../../message/outcome.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { LogItems } from "../state/trace-log.ts";
import type { TraceSink } from "../state/trace.ts";

/**
 * Item that `flow.stream` yields: a chunk, a result, or a pause that waits for an answer. A pause is yielded as soon as
 * its handler is parked, while other branches of the trace go on.
 */
export type StreamItem<Result> =
  | { readonly type: "chunk"; readonly chunk: StreamChunk }
  | { readonly type: "result"; readonly result: Result; readonly message: Message<Result> }
  | { readonly type: "pause"; readonly pause: PauseTicket };

/**
 * Item of a stream with the option `log`: what an attempt has appended to the log of the trace, yielded once the attempt
 * has committed and, in a durable flow, once it is stored.
 */
export interface LoggedItem {
  readonly type: "log";
  /** Position of the first of `items`. */
  readonly at: number;
  readonly items: readonly unknown[];
  /** Names of the playbooks whose log it is, outermost first; empty for the trace itself. */
  readonly path: readonly string[];
}

type AnyItem = StreamItem<unknown> | LoggedItem;

interface Reader {
  readonly resolve: (item: AnyItem | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sink of `stream`: a window of unread items between the trace and one reader. A full window blocks the trace's
 * producers and no other trace.
 *
 * States: open → ended (items remain) → drained; open → detached when the reader leaves.
 */
export class StreamSink implements TraceSink {
  // the reader receives the results: keeping them as well would hold them until the trace ends
  /** More than 0 where the outcome is kept: it must be whole. */
  keepResults = 0;
  onRoom: (() => void) | null = null;
  /** Called when its trace has ended. */
  onEnd: ((outcome: Outcome) => void) | undefined;
  /** Amounts that the trace has spent, once it has ended. */
  spent: Budget = {};
  #items: (AnyItem | undefined)[] = [];
  #first = 0;
  /** End of the trace: `error` is `undefined` if it completed. */
  #end: { readonly error: unknown } | undefined;
  #reader: Reader | undefined;
  #isDetached = false;
  readonly #window: number;
  readonly #hasLog: boolean;

  /**
   * Creates a sink.
   *
   * @param hasLog - whether its reader receives what is logged
   */
  constructor(window: number, hasLog = false) {
    this.#window = window;
    this.#hasLog = hasLog;
  }

  get unread(): number {
    return this.#items.length - this.#first;
  }

  hasRoomForResult(): boolean {
    return this.hasRoom();
  }

  result(message: Message): boolean {
    if (!this.hasRoom()) return false;
    this.#take({ type: "result", result: message.payload, message });
    return true;
  }

  hasRoom(): boolean {
    return this.#isDetached || this.#reader !== undefined || this.unread < this.#window;
  }

  /** Adds results produced before there was a reader. They do not count against the window. */
  begin(results: Iterable<Message>): void {
    for (const message of results) this.#take({ type: "result", result: message.payload, message });
  }

  chunk(chunk: StreamChunk): void {
    this.#take({ type: "chunk", chunk });
  }

  /** Adds a pause. It does not count against the window: its message is parked, so it cannot be repeated. */
  pause(pause: PauseTicket): void {
    this.#take({ type: "pause", pause });
  }

  /** Adds committed items of a log. They do not count against the window: their attempt is over. */
  logged({ at, items }: LogItems, path: readonly string[]): void {
    if (this.#hasLog) this.#take({ type: "log", at, items, path });
  }

  /** Ends the stream with an error, for a reader whose request cannot be met. */
  fail(error: unknown): void {
    this.close(error);
    this.#isDetached = true;
  }

  /** Ends the stream with the pauses to answer. */
  paused(outcome: Outcome): void {
    this.#told(outcome);
    this.#isDetached = true;
  }

  ended(outcome: Outcome): void {
    this.#told(outcome);
    this.onEnd?.(outcome);
  }

  /** Ends the stream, with `error` if the trace did not complete. */
  close(error: unknown): void {
    this.#end ??= { error };
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader !== undefined) this.#tellEnd(reader);
  }

  /** Returns the next item if it is buffered. */
  take(): AnyItem | undefined {
    if (this.unread === 0) return undefined;
    const item = this.#items[this.#first] as AnyItem;
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length) {
      this.#items = [];
      this.#first = 0;
    } else if (this.#first >= 1024) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    // waking producers for every item would cost a flush for each
    if (this.onRoom !== null && this.unread <= this.#window >> 1) this.onRoom();
    return item;
  }

  /**
   * Resolves with the next item, or `undefined` after the last. Rejects with the error of a trace that did not
   * complete.
   */
  next(): Promise<AnyItem | undefined> {
    return new Promise((resolve, reject) => {
      const item = this.take();
      if (item !== undefined) resolve(item);
      else if (this.#end !== undefined) this.#tellEnd({ resolve, reject });
      else this.#reader = { resolve, reject };
    });
  }

  /** Detaches the reader. The trace continues; its further items are discarded. */
  detach(): void {
    this.#isDetached = true;
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
    this.#items = [];
    this.#first = 0;
    this.onRoom?.();
  }

  #told(outcome: Outcome): void {
    this.spent = outcome.spent;
    this.close(outcome.status === "completed" ? undefined : outcome.error);
  }

  #take(item: AnyItem): void {
    const reader = this.#reader;
    if (this.#isDetached) return;
    if (reader === undefined) {
      this.#items.push(item);
    } else {
      this.#reader = undefined;
      reader.resolve(item);
    }
  }

  #tellEnd({ resolve, reject }: Reader): void {
    const { error } = this.#end ?? {};
    if (error === undefined) resolve(undefined);
    else reject(error);
  }
}
