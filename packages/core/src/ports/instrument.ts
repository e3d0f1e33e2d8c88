import type { FlowEvent } from "../events/flow-event.ts";
import type { Message } from "../message/message.ts";

/** A run of a flow, as passed to an {@link Instrument}. */
export interface InstrumentedRun {
  /** The flow's name; for a playbook, `parent/playbook`. */
  readonly flow: string;
  /** Returns the flow's current figures. */
  stats(): RunFigures;
}

/** The part of a flow's `stats()` that instruments read. */
export interface RunFigures {
  readonly traces: number;
  readonly nodes: readonly { readonly name: string; readonly queued: number; readonly running: number }[];
}

/** A trace, as passed to a {@link Probe}: the same object from its first event to its last. */
export interface ProbedTrace {
  readonly id: string;
  readonly tenant: string;
}

/** The skill of an agent that a remote node calls. */
export interface RemoteSkill {
  readonly agentUrl: string;
  readonly skill: string;
}

/** An attempt, as passed to a {@link Probe}: the same object from its first event to its last. */
export interface ProbedAttempt {
  readonly trace: ProbedTrace;
  readonly node: string;
  readonly attempt: number;
  readonly message: Message;
  readonly idempotencyKey: string;
  /** The skill that a remote node calls. @defaultValue none */
  readonly remote?: RemoteSkill | undefined;
}

/**
 * Follows one run of a flow. Its methods are called synchronously, whereas middlewares receive batches, so a probe can
 * wrap handlers and attach a context to messages. It must not call back into the flow. Its errors are logged
 * (`instrument_failed`) and change nothing.
 */
export interface Probe {
  /** Called when a trace begins with a message, in the async context of the sender. */
  begin(trace: ProbedTrace, message: Message): void;
  /** Returns the message that enters the trace in place of one from outside: the same with different meta. */
  enter(trace: ProbedTrace, message: Message): Message;
  /**
   * Calls a handler, once, with the attempt's message or the same with different meta. `handler` returns the value of
   * the handler, often a promise; nothing when it threw.
   */
  handle(attempt: ProbedAttempt, handler: (message: Message) => unknown): void;
  /** Called when a running handler has fetched a further message. */
  fetched(attempt: ProbedAttempt, message: Message): void;
  /** Returns the message that replaces `group`, a join's result: the same with different meta. */
  gather(group: Message, parts: readonly Message[]): Message;
  /** Receives an event of a trace, and its attempt if it belongs to one. */
  event(event: FlowEvent, trace: ProbedTrace, attempt: ProbedAttempt | undefined): void;
  /** Called at the end of the run. */
  stop(): void;
}

/**
 * Follows the runs of a flow from inside, for tracers and profilers. Returns a probe for a run, or nothing to ignore
 * the run at no cost.
 */
export type Instrument = (run: InstrumentedRun) => Probe | undefined;
