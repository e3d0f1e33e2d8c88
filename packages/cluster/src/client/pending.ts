import type { PauseTicket, StreamChunk } from "penguiflow";
import { readError, readOutcome, readValue } from "penguiflow/durable";
import type { FinalOutcome } from "penguiflow";
import type { Note, ResultBody } from "../form/command.ts";
import type { Kept } from "../form/kept.ts";

/** A pause of a trace on a cluster: its token leads to its partition. */
export interface ClusterPause extends PauseTicket {
  readonly traceId: string;
}

/** News of a trace for a listener. */
export type Heard =
  /** `revision` is that of the stored result. */
  | { readonly type: "outcome"; readonly outcome: FinalOutcome; readonly revision: number | undefined }
  /** Of the call with this digest, or of every call of the id. */
  | { readonly type: "refused"; readonly error: Error; readonly digest?: string | undefined }
  /** `epoch` is the number of the owner that has sent it. */
  | { readonly type: "chunk"; readonly chunk: StreamChunk; readonly epoch: number }
  | { readonly type: "pauses"; readonly pauses: readonly ClusterPause[] };

/** Reads a note to a client. Answers to commands are none. */
export function heardFrom(note: Note): Heard | undefined {
  switch (note.kind) {
    case "outcome":
      return { type: "outcome", outcome: readOutcome(note.outcome), revision: note.revision };
    case "refused":
      return { type: "refused", error: readError(note.error), digest: note.digest };
    case "chunk":
      return { type: "chunk", chunk: readValue(note.chunk) as StreamChunk, epoch: note.epoch };
    case "pause":
      return { type: "pauses", pauses: [pauseFrom(note.pause, note.id)] };
    case "done":
    case "undone":
      return undefined;
  }
}

/** Reads a stored result. */
export function heardFromResult(body: Kept<ResultBody>, id: string): Heard {
  if (body.kind === "outcome") return { type: "outcome", outcome: readOutcome(body.outcome), revision: body.revision };
  return { type: "pauses", pauses: body.pauses.map((pause) => pauseFrom(pause, id)) };
}

function pauseFrom(text: string, traceId: string): ClusterPause {
  return { ...(readValue(text) as PauseTicket), traceId };
}
