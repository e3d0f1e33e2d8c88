import type { StreamChunk } from "penguiflow";

/** The run of a stream that a reader is at. */
interface Current {
  /** Number of the owner that writes it. */
  readonly epoch: number;
  /** Its number within that owner. */
  readonly run: number;
  /** Its number for the reader. */
  readonly told: number;
}

/**
 * Numbers the runs of the streams of one reader. Each owner of a partition counts from 0, and one that was overtaken may
 * still send chunks: the reader gets ascending runs, and nothing of one after a later one has begun.
 */
export class StreamRuns {
  readonly #current = new Map<string, Current>();

  /** Returns a chunk with the number of its run; `undefined` when a later run has begun. */
  numbered(chunk: StreamChunk, epoch: number): StreamChunk | undefined {
    const { streamId, run } = chunk;
    const last = this.#current.get(streamId);
    if (last !== undefined && (epoch < last.epoch || (epoch === last.epoch && run < last.run))) return undefined;
    const told = last === undefined ? run : last.told + (epoch === last.epoch ? run - last.run : 1 + run);
    this.#current.set(streamId, { epoch, run, told });
    return told === run ? chunk : { ...chunk, run: told };
  }
}
