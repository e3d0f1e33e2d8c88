import type { CheckValue } from "./policies/validation.ts";
import type { ErrorPayload, FlowError } from "../foundation/flow-error.ts";
import type { Message } from "../message/message.ts";
import type { Outcome } from "../message/outcome.ts";
import type { StreamItem, StreamSink } from "./results/stream-sink.ts";
import type { Pause, Trace } from "./state/trace.ts";
import type { Attempt } from "./state/attempt.ts";
import type { Source } from "./results/trace-reader.ts";

/** What makes a flow durable; made by `durable` of `penguiflow/durable`. */
export interface Durability {
  readonly "~durability": true;
}

/** What a flow found in its journal. */
export interface Recovery {
  /** Traces that go on, or of which results are left. */
  readonly resumed: number;
  /** Traces that failed earlier and wait until they are tried again. */
  readonly failed: number;
  /**
   * Traces that do not fit the flow any more, and what was done with them. Asked later, `ready` lists those found since
   * then, too; of these it keeps the last `maxFailed`.
   */
  readonly changed: readonly ChangedTrace[];
}

/** Something an earlier run asked for that its handler does not ask for any more. */
export interface UnaskedPause {
  /** The pause's name, if it was given one. */
  readonly name: string | undefined;
  readonly reason: string;
  readonly payload: unknown;
  /** The answer, if there is one. */
  readonly answer: { readonly value: unknown } | undefined;
}

/** A trace in the journal that does not fit the flow any more. */
export interface ChangedTrace {
  readonly tenant: string;
  readonly traceId: string;
  /** Where its message was. */
  readonly node: string;
  /** What does not fit. */
  readonly problem: string;
  /** What was done: it has failed, or it stays in the journal for a later run. */
  readonly action: "failed" | "parked";
}

/** A trace that a durable flow has not finished. */
export interface UnfinishedTrace {
  readonly tenant: string;
  readonly traceId: string;
  /** `failed` and `parked` wait for somebody: see `retryFailed`, and the recovery's `changed`. */
  readonly status: "running" | "paused" | "failed" | "parked";
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Where its messages are, each node once. */
  readonly nodes: readonly string[];
  /** Why it failed: as it was thrown, in at most `maxPayloadBytes` as JSON. */
  readonly error: ErrorPayload | undefined;
}

/** Where what leaves a durable flow waits until all that came before is stored. */
export interface Gate {
  /** Has values wait. `refuse` is called with why, when that cannot be stored. */
  value<Value>(tell: (value: Value) => void, refuse: (failure: Error) => void): (value: Value) => void;
  /** The same for outcomes: one that could not be stored counts as `stopped`. */
  outcome(tell: (outcome: Outcome) => void): (outcome: Outcome) => void;
  /** What the reader of a stream gets of the trace that `begin` begins when the run is ready. */
  stream<Result>(
    sink: StreamSink,
    begin: () => Trace | undefined,
    leave: (trace: Trace | undefined) => Promise<void>,
  ): Source<StreamItem<Result>>;
}

/** A durable run, as the engine sees it. */
export interface DurableRun {
  readonly gate: Gate;
  /** Whether what the journal had is under way again. */
  readonly isReady: boolean;
  /** Whether results are no longer given out, since that could not be stored. */
  readonly isClosing: boolean;
  /** Rejects when the journal cannot be read, or belongs to another. */
  readonly ready: Promise<Recovery>;
  /** What the journal had, and what was found to have changed since. Complete when {@link DurableRun.ready} is. */
  readonly recovery: Recovery;
  /** Why nothing can be stored any more, if that is so. */
  readonly failure: Error | undefined;
  /** Something of a trace is not as it was when it was last written down. */
  changed(trace: Trace): void;
  /** A node is done with a message. */
  done(attempt: Attempt): void;
  /** A trace is about to fail at an attempt: what there is of it is kept, to be tried again. */
  failing(trace: Trace, error: FlowError, attempt: Attempt | undefined): void;
  /**
   * A handler has returned without asking for pauses that an earlier run made. `attempt` is its message, set aside until
   * `onChanged` has said what happens to it.
   */
  notAsked(attempt: Attempt, pauses: readonly Pause[]): void;
  /** Calls `told` when all that has changed so far is stored, or with why it never will be. */
  afterStored(told: (failure: Error | undefined) => void): void;
  /** The same as a promise. */
  stored(): Promise<void>;
  /** The check of what a node sends, with that of the journal behind it. */
  checked(node: string, check: CheckValue | undefined): CheckValue;
  /** @throws FlowError `NOT_SERIALISABLE`, `PAYLOAD_TOO_LARGE` */
  requireFit(value: unknown, what: string, node?: string): void;
  /** The same for a message of the outside. */
  requireFitMessage(message: Message): void;
  /** An error as the journal keeps it. */
  kept(error: unknown): ErrorPayload;
  unfinished(): UnfinishedTrace[];
  /**
   * Puts the traces of that id which failed back as they were written down, and answers whether there was one.
   *
   * @throws FlowError `GRAPH_CHANGED` when one does not fit: it stays failed
   */
  retryFailed(traceId: string, tenant: string): Promise<boolean>;
  /** Gives up the traces of that id which failed or are parked. Answers how many there were, when that is stored. */
  discard(traceId: string, tenant: string): Promise<number>;
  /** Stores what there is now; later changes are not stored, and who waits for them is refused. */
  seal(): Promise<void>;
  /** Gives the journal up. */
  close(): Promise<void>;
}
