import type { EmitOptions, FinalOutcome, Message, PausedOutcome, StreamChunk } from "penguiflow";
import type { ClusterPause } from "./pending.ts";

/** A flow as clients know it: its name and version, and its types. A flow of the program is one, of version `"1"`. */
export interface FlowRef<in Input, out Result> {
  readonly name: string;
  readonly version?: string | undefined;
  readonly "~flow"?: { readonly input: (input: Input) => void; readonly result: Result } | undefined;
}

/** Options of a call on a cluster. */
export interface ClusterCallOptions extends Omit<EmitOptions, "traceId" | "signal"> {
  /** Gives up waiting, not the trace: `client.cancel` ends that. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of reading a trace on a cluster. */
export type TraceReadOptions = Pick<ClusterCallOptions, "tenant" | "timeoutMs" | "signal">;

/** An item of a stream on a cluster. */
export type ClusterStreamItem<Result> =
  | { readonly type: "chunk"; readonly chunk: StreamChunk }
  | { readonly type: "pause"; readonly pause: ClusterPause }
  | { readonly type: "result"; readonly result: Result; readonly message: Message<Result> };

/** An outcome as a cluster tells it. It is `paused` as soon as a pause is stored. */
export type ClusterOutcome<Result> =
  | FinalOutcome<Result>
  | (Omit<PausedOutcome<Result>, "pauses"> & { readonly pauses: readonly ClusterPause[] });
