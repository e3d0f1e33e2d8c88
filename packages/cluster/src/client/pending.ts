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
  /** `revision` is that of the stored result, and `digest` that of the input; empty where it is not known. */
  | {
      readonly type: "outcome";
      readonly outcome: FinalOutcome;
      readonly digest: string;
      readonly revision: number | undefined;
    }
  /** `nonce` is that of the refused call. */
  | { readonly type: "refused"; readonly error: Error; readonly nonce?: string | undefined }
  /** `epoch` is the number of the owner that has sent it. */
  | { readonly type: "chunk"; readonly chunk: StreamChunk; readonly epoch: number }
  | { readonly type: "pauses"; readonly digest: string; readonly pauses: readonly ClusterPause[] };

/** Reads a note to a client. Answers to commands are none. */
export function heardFrom(note: Note): Heard | undefined {
  switch (note.kind) {
    case "outcome":
      return { type: "outcome", outcome: readOutcome(note.outcome), digest: note.digest, revision: note.revision };
    case "refused":
      return { type: "refused", error: readError(note.error), nonce: note.nonce };
    case "chunk":
      return { type: "chunk", chunk: readValue(note.chunk) as StreamChunk, epoch: note.epoch };
    case "pause":
      return { type: "pauses", digest: note.digest, pauses: [pauseFrom(note.pause, note.id)] };
    case "done":
    case "undone":
      return undefined;
  }
}

/** Reads a stored result. */
export function heardFromResult(body: Kept<ResultBody>, id: string): Heard {
  const { digest, revision } = body;
  if (body.kind === "outcome") return { type: "outcome", outcome: readOutcome(body.outcome), digest, revision };
  return { type: "pauses", digest, pauses: body.pauses.map((pause) => pauseFrom(pause, id)) };
}

function pauseFrom(text: string, traceId: string): ClusterPause {
  return { ...(readValue(text) as PauseTicket), traceId };
}
