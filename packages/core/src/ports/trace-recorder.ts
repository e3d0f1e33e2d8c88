import type { Message } from "../message/message.ts";
import type { FinalOutcome } from "../message/outcome.ts";

/** Which message of which trace a record is about. */
export interface RecordPlace {
  /** Tells apart traces that share a business trace id. */
  readonly run: string;
  readonly traceId: string;
  readonly tenant: string;
  readonly node: string;
  /** Where in the trace the message comes from; the same after a retry or a restart. */
  readonly lineage: string;
}

/** One change of a trace's state. */
export type TraceRecord =
  /** A message from outside was accepted by an entry node's edge. */
  | (RecordPlace & { readonly type: "accepted"; readonly message: Message })
  /** A message that was accepted before a restart is there again. */
  | (RecordPlace & { readonly type: "restored"; readonly attempt: number; readonly message: Message })
  /** A handler is about to be called. */
  | (RecordPlace & { readonly type: "started"; readonly attempt: number })
  /** An attempt sent a message before its end. */
  | (RecordPlace & { readonly type: "emitted"; readonly attempt: number; readonly outputs: readonly RecordedOutput[] })
  /** An attempt succeeded; its message is done and these take its place. */
  | (RecordPlace & {
      readonly type: "committed";
      readonly attempt: number;
      readonly outputs: readonly RecordedOutput[];
    })
  /** A message waits outside of edge and attempt. */
  | (RecordPlace & { readonly type: "parked"; readonly why: "backoff" | "join" | "pause" })
  /** A message that waited goes on: with its next attempt, as part of a group, or in line again after a fetch. */
  | (RecordPlace & { readonly type: "resumed"; readonly why: "backoff" | "join" | "fetch" | "pause" })
  /** A running attempt took a message that waited for its node. */
  | (RecordPlace & { readonly type: "fetched" })
  /** A message was given up because its trace ended. */
  | (RecordPlace & { readonly type: "dropped" })
  | {
      readonly type: "ended";
      readonly run: string;
      readonly traceId: string;
      readonly tenant: string;
      readonly outcome: FinalOutcome;
    };

/** A message that an attempt sent, and where to. */
export interface RecordedOutput {
  /** The target's name; `Rookery` for results. */
  readonly node: string;
  readonly lineage: string;
  readonly message: Message;
}

/**
 * Is told of every change of every trace's state, synchronously and in order: what a journal writes
 * down and a simulation checks. It must not call back into the flow; what it throws is logged (`recorder_failed`) and
 * changes nothing.
 */
export type TraceRecorder = (record: TraceRecord) => void;
