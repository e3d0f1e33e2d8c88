import type { CheckValue } from "./policies/validation.ts";
import type { ErrorPayload, FlowError } from "../foundation/flow-error.ts";
import type { Message } from "../message/message.ts";
import type { OpenPause, Outcome } from "../message/outcome.ts";
import type { TraceKey } from "../ports/state-store.ts";
import type { KeptOutcome, UnreadableOutcome } from "./results/kept-outcomes.ts";
import type { StreamSink } from "./results/stream-sink.ts";
import type { Origin, Pause, Trace, TraceSink } from "./state/trace.ts";
import type { Attempt } from "./state/attempt.ts";
import type { LogItems } from "./state/trace-log.ts";
import type { Source } from "./results/trace-reader.ts";

/** Durability of a flow, made by `durable` of `penguiflow/durable`. */
export interface Durability {
  readonly "~durability": true;
  /** Present if its checkpoint store ends with the process. */
  readonly "~isVolatile"?: true;
}

/** Contents of the checkpoint store at the start of a run. */
export interface Recovery {
  /** Number of traces that continue, or that have results left. Traces at rest are among them, and are not read yet. */
  readonly resumed: number;
  /** Number of traces that failed earlier and wait for a retry. */
  readonly failed: number;
  /**
   * Traces that no longer fit the flow, and the action taken. A later `ready` also lists traces found since, such as
   * traces at rest when they are loaded; of these it keeps the last `maxFailed`.
   */
  readonly changed: readonly ChangedTrace[];
}

/** Pause that an earlier run requested and its handler no longer requests. */
export interface UnaskedPause {
  /** Name of the pause, if it has one. */
  readonly name: string | undefined;
  readonly reason: string;
  readonly payload: unknown;
  /** The answer, if there is one. */
  readonly answer: { readonly value: unknown } | undefined;
}

/** Trace in the checkpoint store that no longer fits the flow. */
export interface ChangedTrace {
  readonly tenant: string;
  readonly traceId: string;
  /** Node of its message. */
  readonly node: string;
  /** Description of the mismatch. */
  readonly problem: string;
  /** Action taken: the trace has failed, or it stays in the checkpoint store for a later run. */
  readonly action: "failed" | "parked";
}

/** Trace that a durable flow has not finished. */
export interface UnfinishedTrace {
  readonly tenant: string;
  readonly traceId: string;
  /** Status of the trace. `failed` and `parked` need an action: see `retryFailed`, and the recovery's `changed`. */
  readonly status: "running" | "paused" | "failed" | "parked";
  /** Start in epoch milliseconds. */
  readonly startedAt: number;
  /** Nodes of its messages, each once. */
  readonly nodes: readonly string[];
  /** Error it failed with, in at most `maxPayloadBytes` as JSON. */
  readonly error: ErrorPayload | undefined;
}

/** Run of a trace, with its id. */
export interface RunKey extends TraceKey {
  readonly run: number;
}

/** Selection of unloaded traces: by their run, or by their id. */
export type UnloadedFilter =
  | { readonly run: number }
  | { readonly traceId: string; readonly tenant: string | undefined };

/** Barrier for everything that leaves a durable flow: it waits until the preceding state is stored. */
export interface Gate {
  /** Delays values. Calls `refuse` with the error if the state cannot be stored. */
  value<Value>(tell: (value: Value) => void, refuse: (failure: Error) => void): (value: Value) => void;
  /** Delays outcomes. An outcome whose state could not be stored becomes `stopped`. */
  outcome(tell: (outcome: Outcome) => void): (outcome: Outcome) => void;
  /** Makes the source of a stream whose trace `begin` starts once the run is ready. */
  stream<Item>(
    sink: StreamSink,
    begin: () => Trace | undefined | Promise<Trace | undefined>,
    leave: (trace: Trace | undefined) => Promise<void>,
  ): Source<Item>;
}

/**
 * Lease of a durable run by the clock of its own process. A process that was suspended must not start handlers while
 * another one may have its partition.
 */
export interface Lease {
  /** The clock's `now()` from which on no handler may start. Counts from when the last renewal was requested. */
  readonly leaseEndsAt: number;
  /** Renews the lease at once. Stays pending until that succeeds, for ever if another process has the partition. */
  renewedLease(): Promise<void>;
}

/** Position of an item in an intake. */
export interface Position {
  /** Number of the lane, from 0. Positions of a lane ascend. */
  readonly lane: number;
  readonly sequence: number;
}

/** Durable run, as seen by the engine. */
export interface DurableRun extends Lease {
  readonly gate: Gate;
  /** Whether the traces of the checkpoint store are in flight again. */
  readonly isReady: boolean;
  /** Whether results are withheld because their delivery could no longer be stored. */
  readonly isClosing: boolean;
  /** Recovery at the start. Rejects if the checkpoint store cannot be read or has another owner. */
  readonly ready: Promise<Recovery>;
  /** Traces recovered so far, and mismatches found since. Complete once {@link DurableRun.ready} resolves. */
  readonly recovery: Recovery;
  /** Error that prevents all further storing. */
  readonly failure: Error | undefined;
  /** Marks a trace as changed since it was last stored. A playbook's is part of the outermost one. */
  changed(trace: Trace): void;
  /** Marks a message as done at its node. */
  done(attempt: Attempt): void;
  /** Stores the state of a trace that is about to fail, so that it can be retried. */
  failing(trace: Trace, error: FlowError, attempt: Attempt | undefined): void;
  /**
   * Handles a handler that has returned without requesting the pauses of an earlier run. `attempt` is its message, set
   * aside until `onChanged` decides. `engine` is the run of its flow.
   */
  notAsked(engine: object, attempt: Attempt, pauses: readonly Pause[]): void;
  /**
   * Restores a playbook's trace that an earlier process left, unless it is unwanted by then. If it no longer fits, the
   * outermost trace ends as `onChanged` decides.
   *
   * @param engine - the playbook's run
   */
  restoreCall(engine: object, left: object, origin: Origin, sink: TraceSink, isWanted: () => boolean): void;
  /** Calls `told` once every change so far is stored, or with the error that prevents it. */
  afterStored(told: (failure: Error | undefined) => void): void;
  /** Resolves once every change so far is stored. */
  stored(): Promise<void>;
  /**
   * Resolves once a trace is stored with its changes so far, or has ended. Nothing of a trace is stored before an edge has
   * accepted its first message.
   */
  storedTrace(trace: Trace): Promise<void>;
  /** Makes the check of a node's output: `check`, then that of the checkpoint store. */
  checked(node: string, check: CheckValue | undefined): CheckValue;
  /**
   * Checks that a value can be stored.
   *
   * @throws FlowError `NOT_SERIALISABLE`, `PAYLOAD_TOO_LARGE`
   */
  requireFit(value: unknown, what: string, node?: string): void;
  /** Checks that a message from outside can be stored. */
  requireFitMessage(message: Message): void;
  /** Converts fit items of a trace's log to their stored form. */
  textOf(items: readonly unknown[]): string;
  /** Reads the stored items of a trace's log. */
  storedLog(of: RunKey): Promise<readonly LogItems[]>;
  /** Reads the log of a kept trace that is not in flight; `undefined` when there is none of that id. */
  logOf(traceId: string, tenant: string): Promise<readonly unknown[] | undefined>;
  /** Converts an error to its stored form. */
  kept(error: unknown): ErrorPayload;
  unfinished(): Promise<UnfinishedTrace[]>;
  /** Number of traces at rest that are in the store alone. */
  readonly unloaded: number;
  /** Number of traces that wait only for answers, signals or instants, unloaded or not. 0 if all stay in memory. */
  readonly waiting: number;
  /** Number of unloaded traces whose ids are not known to {@link DurableRun.holds}. */
  readonly unlisted: number;
  /**
   * Loads the unloaded traces that fit. Use them as soon as this resolves: they may be unloaded again later.
   */
  load(which: UnloadedFilter): Promise<void>;
  /** Returns the open pauses of a tenant's traces, of all or of those with one id, in memory or not. */
  openPauses(tenant: string | undefined, traceId: string | undefined): Promise<OpenPause[]>;
  /** Called when a trace waits only for answers or instants. */
  rests(trace: Trace): void;
  /** Called when such a trace continues or has ended. */
  wakes(trace: Trace): void;
  /**
   * Restores the failed traces of that id as they were stored. Returns whether there was one.
   *
   * @throws FlowError `GRAPH_CHANGED` if one no longer fits: it stays failed
   */
  retryFailed(traceId: string, tenant: string): Promise<boolean>;
  /** Discards the failed and parked traces of that id. Resolves with their number once that is stored. */
  discard(traceId: string, tenant: string): Promise<number>;
  /** Reads the stored outcomes of these ids, including expired ones. */
  keptOutcomes(keys: readonly TraceKey[]): Promise<readonly (KeptOutcome | UnreadableOutcome)[]>;
  /** Positions of the intake that are stored, or are with the next batch, by lane. */
  readonly consumed: ReadonlyMap<number, number>;
  /**
   * Notes an item of the intake that is about to be taken. Returns the function to call in the step that takes it: its
   * position is stored with that step. Returns `undefined` if the position was recorded before.
   */
  expect(position: Position): (() => void) | undefined;
  /** Lets no handler start before every change of this step is stored: it may end the process at once. */
  storeFirst(): void;
  /** Does what `storeFirst` does, where lost owners are counted: before what may start a handler of a known trace. */
  beCareful(): void;
  /** Whether a position is stored, or is with the next batch. */
  hasRecorded(position: Position): boolean;
  /** Returns the number of items before this one in its lane whose positions are not recorded. */
  waitingBefore(position: Position): number;
  /** Whether a failed or parked trace of that id is kept, or one that waits for its turn as a suspect. */
  holds(traceId: string, tenant: string): boolean;
  /** Stores the current state. Later changes are not stored, and waits for them reject. */
  seal(): Promise<void>;
  /** Resolves once the store has confirmed that this run has the partition. Rejects when another one has it. */
  confirm(): Promise<void>;
  /** Releases the checkpoint store. */
  close(): Promise<void>;
}
