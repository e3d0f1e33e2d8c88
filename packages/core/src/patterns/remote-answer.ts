import { describeThrown, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { RemoteCallResult, RemoteChunk, RemoteStreamEvent } from "../ports/remote-transport.ts";

/** The source of an answer and the callbacks for its parts. */
export interface AnswerReading {
  readonly agentUrl: string;
  readonly open: () => AsyncIterable<RemoteStreamEvent>;
  /** Whether the answer continues a text whose beginning has been delivered before. @defaultValue false */
  readonly goesOn?: boolean | undefined;
  /** Whether the task is known, so that its answer can be reopened. */
  readonly canReopen: () => boolean;
  readonly reopen: () => AsyncIterable<RemoteStreamEvent>;
  /** Maximum number of times in total that an interrupted answer is reopened. */
  readonly maxResubscribes: number;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** Called for each event, before its text is delivered. */
  readonly onEvent?: ((event: RemoteStreamEvent) => void) | undefined;
  /** Called with each piece of text, in order and once; reading waits for its result. */
  readonly onText?: ((text: string) => unknown) | undefined;
  /** Called with each chunk with data, in order and once; reading waits for its result. */
  readonly onChunk?: ((chunk: RemoteChunk) => unknown) | undefined;
}

/** Default number of times that an interrupted answer is reopened. */
export const MAX_RESUBSCRIBES = 3;
/** Delay before an interrupted answer is first reopened, in milliseconds; it doubles each time. */
const FIRST_WAIT_MS = 100;
/** Maximum number of early pieces that are buffered. */
const MOST_EARLY = 1000;

/**
 * Reads an answer to its last event. Reopens it when it is interrupted or a piece is missing.
 *
 * @throws FlowError `REMOTE_CUT` when it cannot be read to its end; the transport's error when that is final or no task
 *   is known yet
 */
export async function readAnswer(reading: AnswerReading): Promise<RemoteCallResult> {
  const start = reading.goesOn === true ? undefined : 0;
  const pieces = new PiecesInOrder(start);
  const chunks = new ChunksInOrder(start);
  let events = reading.open();
  for (let times = 0; ; times += 1) {
    const end = await readOn(events, pieces, chunks, reading);
    if ("answer" in end) return end.answer;
    const { fault } = end;
    // a task that the agent no longer knows does not mean that it refused the call
    const isGone = times > 0 && fault instanceof FlowError && fault.code === FlowErrorCode.REMOTE_REFUSED;
    if (isFinal(fault) && !isGone) throw fault;
    const isKnown = reading.canReopen();
    if (!isKnown && fault instanceof Error) throw fault;
    if (!isKnown || isGone || times >= reading.maxResubscribes) {
      const why = fault === undefined ? "it ended before its last event" : describeThrown(fault);
      throw new FlowError({
        code: FlowErrorCode.REMOTE_CUT,
        message: `Cannot read the answer of agent "${reading.agentUrl}": it was interrupted and resuming failed ${times} times: ${why}`,
        cause: fault,
        retryable: true,
      });
    }
    await reading.sleep(FIRST_WAIT_MS * 2 ** times);
    events = reading.reopen();
  }
}

/** Whether a transport's error means that there is no task, or that the task is over. */
export function isFinal(error: unknown): error is FlowError {
  return (
    error instanceof FlowError &&
    (error.code === FlowErrorCode.REMOTE_FAILED || error.code === FlowErrorCode.REMOTE_REFUSED)
  );
}

/** Reads until the answer is complete or cannot be continued. */
async function readOn(
  events: AsyncIterable<RemoteStreamEvent>,
  pieces: PiecesInOrder,
  chunks: ChunksInOrder,
  { onEvent, onText, onChunk }: AnswerReading,
): Promise<{ readonly answer: RemoteCallResult } | { readonly fault: unknown }> {
  const iterator = events[Symbol.asyncIterator]();
  let isOpen = true;
  try {
    for (;;) {
      let step: IteratorResult<RemoteStreamEvent, unknown>;
      try {
        step = await iterator.next();
      } catch (fault) {
        isOpen = false;
        return { fault };
      }
      if (step.done === true) {
        isOpen = false;
        return { fault: undefined };
      }
      const event = step.value;
      onEvent?.(event);
      const text = event.text === undefined ? "" : pieces.take(event.text, event.at);
      if (text !== "") await onText?.(text);
      const ready = event.chunk === undefined ? [] : chunks.take(event.chunk, event.chunkAt);
      for (const chunk of ready) await onChunk?.(chunk);
      const early = pieces.early + chunks.early;
      if (early > MOST_EARLY || (event.done && early > 0)) {
        pieces.forgetEarly();
        chunks.forgetEarly();
        return { fault: new Error("a part of its text or data is missing") };
      }
      if (event.done) return { answer: { ...event, result: event.result } };
    }
  } finally {
    // not awaited: the result of closing the stream does not matter
    if (isOpen) void (async () => await iterator.return?.())().catch(() => {});
  }
}

/** Delivers pieces of a text once and in order, although they arrive twice, overlapping or out of order. */
class PiecesInOrder {
  /** Length of the delivered text; unknown before the first piece of a continued one. */
  #length: number | undefined;
  /** Early pieces by position. */
  readonly #early = new Map<number, string>();

  constructor(length: number | undefined) {
    this.#length = length;
  }

  /** Number of pieces that wait for a missing one. */
  get early(): number {
    return this.#early.size;
  }

  forgetEarly(): void {
    this.#early.clear();
  }

  /** Returns the text that can be delivered after a piece has arrived. */
  take(text: string, at: number | undefined): string {
    if (at === undefined) return text;
    if (text.length > (this.#early.get(at)?.length ?? 0)) this.#early.set(at, text);
    let length = this.#length ?? at;
    let ready = "";
    for (let isMore = true; isMore;) {
      isMore = false;
      for (const [place, piece] of this.#early) {
        if (place > length) continue;
        this.#early.delete(place);
        const fresh = piece.slice(length - place);
        ready += fresh;
        length += fresh.length;
        isMore = true;
      }
    }
    this.#length = length;
    return ready;
  }
}

/** Delivers chunks with data once and in order, although they arrive twice or out of order. */
class ChunksInOrder {
  /** Number of the next chunk; unknown before the first chunk of a continued answer. */
  #next: number | undefined;
  /** Early chunks by number. */
  readonly #early = new Map<number, RemoteChunk>();

  constructor(next: number | undefined) {
    this.#next = next;
  }

  /** Number of chunks that wait for a missing one. */
  get early(): number {
    return this.#early.size;
  }

  forgetEarly(): void {
    this.#early.clear();
  }

  /** Returns the chunks that can be delivered after one has arrived. */
  take(chunk: RemoteChunk, at: number | undefined): RemoteChunk[] {
    if (at === undefined) return [chunk];
    let next = this.#next ?? at;
    if (at >= next) this.#early.set(at, chunk);
    const ready: RemoteChunk[] = [];
    for (let found = this.#early.get(next); found !== undefined; found = this.#early.get(next)) {
      this.#early.delete(next);
      ready.push(found);
      next += 1;
    }
    this.#next = next;
    return ready;
  }
}
