import { describeThrown, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { RemoteCallResult, RemoteStreamEvent } from "../ports/remote-transport.ts";

/** Where an answer comes from and where its parts go. */
export interface AnswerReading {
  readonly agentUrl: string;
  readonly open: () => AsyncIterable<RemoteStreamEvent>;
  /** Whether the answer goes on with a text of which the beginning was told before. @defaultValue false */
  readonly goesOn?: boolean | undefined;
  /** Whether the task is known, so that its answer can be opened again. */
  readonly canReopen: () => boolean;
  readonly reopen: () => AsyncIterable<RemoteStreamEvent>;
  /** How often in all a broken answer is opened again. */
  readonly maxResubscribes: number;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** Called for each event, before its text. */
  readonly onEvent?: ((event: RemoteStreamEvent) => void) | undefined;
  /** Called with each piece of text, in order and once; reading waits for it. */
  readonly onText?: ((text: string) => unknown) | undefined;
}

/** How often a broken answer is opened again where nothing else is said. */
export const MAX_RESUBSCRIBES = 3;
/** Milliseconds before a broken answer is opened again for the first time; each further wait is twice as long. */
const FIRST_WAIT_MS = 100;
/** How many pieces that came too early are kept. */
const MOST_EARLY = 1000;

/**
 * Reads an answer to its last event, and opens it again where it breaks off or a piece is missing.
 *
 * @throws FlowError `REMOTE_CUT` when it cannot be had to its end; what the transport throws when that is final or
 * there is no task yet
 */
export async function readAnswer(reading: AnswerReading): Promise<RemoteCallResult> {
  const pieces = new PiecesInOrder(reading.goesOn === true ? undefined : 0);
  let events = reading.open();
  for (let times = 0; ; times += 1) {
    const end = await readOn(events, pieces, reading);
    if ("answer" in end) return end.answer;
    const { fault } = end;
    // a task that the agent does not know any more is no reason to say that it refused the call
    const isGone = times > 0 && fault instanceof FlowError && fault.code === FlowErrorCode.REMOTE_REFUSED;
    if (isFinal(fault) && !isGone) throw fault;
    const isKnown = reading.canReopen();
    if (!isKnown && fault instanceof Error) throw fault;
    if (!isKnown || isGone || times >= reading.maxResubscribes) {
      const why = fault === undefined ? "it ended too early" : describeThrown(fault);
      throw new FlowError({
        code: FlowErrorCode.REMOTE_CUT,
        message: `The answer of agent "${reading.agentUrl}" broke off, and was taken up again ${times} times in vain: ${why}`,
        cause: fault,
        retryable: true,
      });
    }
    await reading.sleep(FIRST_WAIT_MS * 2 ** times);
    events = reading.reopen();
  }
}

/** Whether an error of a transport says that there is no task, or that it is over. */
export function isFinal(error: unknown): error is FlowError {
  return (
    error instanceof FlowError &&
    (error.code === FlowErrorCode.REMOTE_FAILED || error.code === FlowErrorCode.REMOTE_REFUSED)
  );
}

/** Reads until the answer is there, or something is in the way. */
async function readOn(
  events: AsyncIterable<RemoteStreamEvent>,
  pieces: PiecesInOrder,
  { onEvent, onText }: AnswerReading,
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
      if (pieces.early > MOST_EARLY || (event.done && pieces.early > 0)) {
        pieces.forgetEarly();
        return { fault: new Error("a part of its text is missing") };
      }
      if (event.done) return { answer: { ...event, result: event.result } };
    }
  } finally {
    // nobody waits for how it is closed
    if (isOpen) void (async () => await iterator.return?.())().catch(() => {});
  }
}

/** Pieces of a text that come twice, overlapping or out of order, each passed on once and in order. */
class PiecesInOrder {
  /** How much of the text was passed on; not known before the first piece of one that goes on. */
  #length: number | undefined;
  /** By place: what came before its turn. */
  readonly #early = new Map<number, string>();

  constructor(length: number | undefined) {
    this.#length = length;
  }

  /** How many pieces wait for one that is missing. */
  get early(): number {
    return this.#early.size;
  }

  forgetEarly(): void {
    this.#early.clear();
  }

  /** What can be passed on now that a piece has come. */
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
