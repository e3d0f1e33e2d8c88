import type { Message } from "../../message/message.ts";
import type { Outcome, PauseTicket } from "../../message/outcome.ts";
import type { StreamChunk, StreamChunkBase } from "../../message/stream-chunk.ts";
import type { Sending } from "../delivery/sending.ts";
import type { LogItems } from "../state/trace-log.ts";
import { StreamTable, type StreamTap, type StreamWriter } from "../state/stream-table.ts";
import type { Opening, Origin, Trace, TraceSink } from "../state/trace.ts";
import type { Edge } from "../state/worker.ts";
import type { CancelReport } from "../termination/ending.ts";

/** Run of a playbook, as seen by its parent. */
export interface ChildRun {
  readonly options: { readonly name: string };
  readonly workshop: { readonly entries: readonly Edge[] };
  readonly ending: { cancel(trace: Trace, reason: unknown): Promise<CancelReport> };
  open(opening: Opening): Trace;
  enter(trace: Trace, message: Message, edges: readonly Edge[], settle: null): boolean;
  close(): Promise<{ readonly abandoned: number }>;
}

/** Engine parts of the calling flow that a {@link PlaybookSink} uses. */
export interface PlaybookSinkHost {
  readonly sending: Sending;
  readonly tap: StreamTap | undefined;
}

/** Callbacks for what becomes of a playbook's trace. */
export interface PlaybookFate {
  opened?(trace: Trace): void;
  /** Called when the trace waits only for answers and sleeps, in a durable flow. */
  rests?(): void;
  ended(outcome: Outcome): void;
}

/**
 * Sink of a playbook's trace: passes its end to the calling handler, chunks and pauses to the calling trace.
 *
 * States: free ⇄ blocked (its writers wait for room as one entry of the parent's queue).
 */
export class PlaybookSink implements TraceSink {
  readonly keepResults = 1;
  onRoom: (() => void) | null = null;
  readonly #engine: PlaybookSinkHost;
  readonly #origin: Origin;
  readonly #fate: PlaybookFate;
  readonly #writers = new Map<string, StreamWriter>();
  #isInLine = false;
  #isAdmitted = false;

  constructor(engine: PlaybookSinkHost, origin: Origin, fate: PlaybookFate) {
    this.#engine = engine;
    this.#origin = origin;
    this.#fate = fate;
  }

  opened(trace: Trace): void {
    this.#fate.opened?.(trace);
  }

  hasRoomForResult(): boolean {
    return true;
  }

  result(_message: Message): boolean {
    return true;
  }

  /** Whether there is room. If not, joins the parent's queue once for all writers. */
  hasRoom(): boolean {
    const { trace } = this.#origin.parent;
    if (!trace.isOpen) return true;
    const mayTry = this.#isAdmitted || !trace.isUnread;
    if (mayTry && trace.sink.hasRoom()) return true;
    if (this.#isInLine) return false;
    this.#isInLine = true;
    this.#engine.sending.whenRoom(trace, () => {
      if (!trace.sink.hasRoom()) return false;
      this.#isInLine = false;
      this.#isAdmitted = true;
      this.onRoom?.();
      this.#isAdmitted = false;
      return true;
    });
    return false;
  }

  chunk(chunk: StreamChunk): void {
    const { trace } = this.#origin.parent;
    if (!trace.isOpen) return;
    const own = this.#asParents(chunk);
    if (own !== undefined) trace.sink.chunk(own);
  }

  pause(pause: PauseTicket): void {
    this.#origin.parent.trace.sink.pause?.(pause);
  }

  logged(items: LogItems, path: readonly string[]): void {
    const { parent, name } = this.#origin;
    if (parent.trace.isOpen) parent.trace.sink.logged?.(items, [name, ...path]);
  }

  rests(): void {
    this.#fate.rests?.();
  }

  ended(outcome: Outcome): void {
    this.#fate.ended(outcome);
  }

  #asParents(chunk: StreamChunk): StreamChunk | undefined {
    const { parent, name } = this.#origin;
    const { trace } = parent;
    const streams = (trace.more.streams ??= StreamTable.of(trace, this.#engine.tap));
    let writer = this.#writers.get(chunk.streamId);
    if (writer === undefined) {
      writer = {
        node: `${parent.node}/${chunk.node ?? ""}`,
        attempt: parent.attempt,
        path: [name, ...(chunk.path ?? [])],
      };
      this.#writers.set(chunk.streamId, writer);
    }
    if (chunk.end !== undefined) {
      this.#writers.delete(chunk.streamId);
      if (chunk.end !== "done" && chunk.text === "") return streams.endAll(writer, chunk.end)[0];
    }
    const { text, kind, data }: StreamChunkBase = chunk;
    return streams.next(writer, {
      text,
      kind,
      data,
      streamId: undefined,
      seq: undefined,
      done: chunk.done,
      parentMeta: chunk.meta,
      meta: undefined,
    });
  }
}
