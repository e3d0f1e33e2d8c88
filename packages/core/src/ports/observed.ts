import type { Meta } from "../message/meta.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";
import type { TraceRecord } from "./trace-recorder.ts";

/** Fields of what a run publishes on diagnostics channels beside its events. */
export interface ObservedBase {
  /** Number of the run, unique in its process. */
  readonly run: number;
  /** The flow's name; for a playbook, `parent/playbook`. */
  readonly flow: string;
  /** Position among what the run reports. Events, records and chunks share the numbers. */
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Monotonic milliseconds with fractions, for durations. */
  readonly now: number;
}

/** A state change of a trace, on the channel `penguiflow:record`. */
export interface ObservedRecord extends ObservedBase {
  readonly record: TraceRecord;
}

/** A chunk for the reader of a trace, on the channel `penguiflow:chunk`. It is published also where no caller reads it. */
export interface ObservedChunk extends ObservedBase {
  readonly chunk: StreamChunk;
  /** Meta and kind of the first chunk since the stream was opened. The chunk that ends it has neither. */
  readonly stream: { readonly meta: Meta; readonly kind: string | undefined };
}
