import type { Budget } from "../message/budget.ts";
import type { Message } from "../message/message.ts";
import type { FinalOutcome } from "../message/outcome.ts";

/** The trace and message of a record. */
export interface RecordPlace {
  /** Id that distinguishes traces with the same business trace id. */
  readonly run: string;
  readonly traceId: string;
  readonly tenant: string;
  readonly node: string;
  /** Identifies the message's origin within the trace; the same after a retry or a restart. */
  readonly lineage: string;
}

/** A state change of a trace. */
export type TraceRecord =
  /** The edge of an entry node accepted a message from outside. */
  | (RecordPlace & {
      readonly type: "accepted";
      readonly message: Message;
      /** Present when the caller gave the trace's id as `id`, for which no other trace may be accepted. */
      readonly hasGivenId?: true;
    })
  /** A message that was accepted before a restart, or before its trace was unloaded, has been restored. */
  | (RecordPlace & { readonly type: "restored"; readonly attempt: number; readonly message: Message })
  /** A handler is about to be called. */
  | (RecordPlace & { readonly type: "started"; readonly attempt: number })
  /** An attempt sent a message before its end. */
  | (RecordPlace & { readonly type: "emitted"; readonly attempt: number; readonly outputs: readonly RecordedOutput[] })
  /** An attempt succeeded; its message is done and its outputs take its place. */
  | (RecordPlace & {
      readonly type: "committed";
      readonly attempt: number;
      readonly outputs: readonly RecordedOutput[];
      /** Number of items that it has appended to the trace's log, if any. */
      readonly logged?: number;
    })
  /** A message waits outside of edges and attempts: `pause` is a pause or a sleep of its handler. */
  | (RecordPlace & {
      readonly type: "parked";
      readonly why: "backoff" | "join" | "pause";
      /** Keys of the pauses and sleeps that begin now. */
      readonly begins?: readonly string[];
    })
  /** A waiting message continues: with its next attempt, as part of a group, or queued again after a fetch. */
  | (RecordPlace & { readonly type: "resumed"; readonly why: "backoff" | "join" | "fetch" | "pause" })
  /** A handler received the answer to a pause, checked by its schema, or the value of an expired one. */
  | (RecordPlace & {
      readonly type: "answered";
      /** Key of the pause. */
      readonly pause: string;
      readonly reason: string;
      readonly value: unknown;
      /** Present if there was no answer in time. */
      readonly isExpired?: true;
    })
  /** A running attempt fetched a message that was queued for its node. */
  | (RecordPlace & { readonly type: "fetched" })
  /** A message was dropped because its trace ended. */
  | (RecordPlace & { readonly type: "dropped" })
  /** An attempt of the trace, or of a playbook below it, spent part of the budget. */
  | {
      readonly type: "spent";
      readonly run: string;
      readonly traceId: string;
      readonly tenant: string;
      readonly node: string;
      readonly amounts: Budget;
      /** Amounts that the trace has spent so far. */
      readonly spent: Budget;
      readonly limits: Budget;
    }
  /**
   * A handler received a signal. The signals of its last call are consumed when the message commits; the others can be
   * received again.
   */
  | (RecordPlace & {
      readonly type: "received";
      /** Identifies the receiver: the message or, in a playbook, the playbook's message. */
      readonly by: string;
      /** Number of signals of that name that the call has received before. */
      readonly position: number;
      readonly signal: string;
      readonly value: unknown;
    })
  /** A trace accepted a signal. */
  | (Omit<RecordPlace, "node" | "lineage"> & {
      readonly type: "signalled";
      readonly signal: string;
      readonly value: unknown;
    })
  /** A durable trace at rest left memory. Its messages are `restored` when it is loaded again. */
  | { readonly type: "unloaded"; readonly run: string; readonly traceId: string; readonly tenant: string }
  | (Omit<RecordPlace, "node" | "lineage"> & {
      readonly type: "ended";
      readonly outcome: FinalOutcome;
      /** Number of signals that no handler has consumed. */
      readonly unreadSignals?: number;
    });

/** A message that an attempt sent, and its target. */
export interface RecordedOutput {
  /** The target's name; `Rookery` for results. */
  readonly node: string;
  readonly lineage: string;
  readonly message: Message;
}

/**
 * Receives every state change of every trace, synchronously and in order: a checkpoint store stores them and a
 * simulation checks them. It must not call back into the flow. Its errors are logged (`recorder_failed`) and change
 * nothing.
 */
export type TraceRecorder = (record: TraceRecord) => void;
