import type { Message } from "../../message/message.ts";
import type { Outcome } from "../../message/outcome.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { TraceSink } from "../state/trace.ts";

/** What `flow.stream` yields: pieces of streams while the trace runs, and its results. */
export type StreamItem<Result> =
  | { readonly type: "chunk"; readonly chunk: StreamChunk }
  | { readonly type: "result"; readonly result: Result; readonly message: Message<Result> };

interface Reader {
  readonly resolve: (item: StreamItem<unknown> | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * For `stream`: a window of unread items between the trace and one reader. When the window is full the
 * trace's producers wait, and nobody else.
 *
 * States: open → ended (items left to read) → drained.
 */
export class StreamSink implements TraceSink {
  // results are handed to the reader, so none are kept beside
  readonly keepResults = 0;
  onRoom: (() => void) | null = null;
  #items: (StreamItem<unknown> | undefined)[] = [];
  #first = 0;
  /** How it ended: with an error, unless the trace completed. */
  #end: { readonly error: unknown } | undefined;
  #reader: Reader | undefined;
  #isDetached = false;
  readonly #window: number;

  constructor(window: number) {
    this.#window = window;
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

  /** What the trace has produced before it was read: it has room of its own. */
  begin(results: Iterable<Message>): void {
    for (const message of results) this.#take({ type: "result", result: message.payload, message });
  }

  chunk(chunk: StreamChunk): void {
    this.#take({ type: "chunk", chunk });
  }

  /** Nothing comes of what the reader wanted, and it is told why. */
  fail(error: unknown): void {
    this.close(error);
    this.#isDetached = true;
  }

  /** The reader learns what to answer, and reads no further. */
  paused(outcome: Outcome): void {
    this.ended(outcome);
    this.#isDetached = true;
  }

  ended(outcome: Outcome): void {
    this.close(outcome.status === "completed" ? undefined : outcome.error);
  }

  /** Nothing more comes; with `error`, that is why. */
  close(error: unknown): void {
    this.#end ??= { error };
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader !== undefined) this.#tellEnd(reader);
  }

  /** The next item, if it is there already. */
  take(): StreamItem<unknown> | undefined {
    if (this.unread === 0) return undefined;
    const item = this.#items[this.#first] as StreamItem<unknown>;
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length) {
      this.#items = [];
      this.#first = 0;
    } else if (this.#first >= 1024) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    // producers are woken once for half a window, not for every item
    if (this.onRoom !== null && this.unread <= this.#window >> 1) this.onRoom();
    return item;
  }

  /** The next item; `undefined` after the last. Rejects with the error of a trace that did not complete. */
  next(): Promise<StreamItem<unknown> | undefined> {
    return new Promise((resolve, reject) => {
      const item = this.take();
      if (item !== undefined) resolve(item);
      else if (this.#end !== undefined) this.#tellEnd({ resolve, reject });
      else this.#reader = { resolve, reject };
    });
  }

  /** The reader has left and the trace goes on: from now on everything is taken and nothing kept. */
  detach(): void {
    this.#isDetached = true;
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
    this.#items = [];
    this.#first = 0;
    this.onRoom?.();
  }

  #take(item: StreamItem<unknown>): void {
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
