import type { FlowEvent } from "../events/flow-event.ts";
import type { Message } from "../message/message.ts";

/** A run of a flow as an {@link Instrument} sees it. */
export interface InstrumentedRun {
  /** The flow's name; that of a playbook is `parent/playbook`. */
  readonly flow: string;
  /** What the flow holds now. */
  stats(): RunFigures;
}

/** The part of a flow's `stats()` that instruments read. */
export interface RunFigures {
  readonly traces: number;
  readonly nodes: readonly { readonly name: string; readonly queued: number; readonly running: number }[];
}

/** A trace as a {@link Probe} sees it: the same object from its first event to its last. */
export interface ProbedTrace {
  readonly id: string;
  readonly tenant: string;
}

/** The skill of an agent that a remote node calls. */
export interface RemoteSkill {
  readonly agentUrl: string;
  readonly skill: string;
}

/** An attempt as a {@link Probe} sees it: the same object from its first event to its last. */
export interface ProbedAttempt {
  readonly trace: ProbedTrace;
  readonly node: string;
  readonly attempt: number;
  readonly message: Message;
  readonly idempotencyKey: string;
  /** What the attempt calls, at a remote node. @defaultValue none */
  readonly remote?: RemoteSkill | undefined;
}

/**
 * Follows one run of a flow. It is called at once where middlewares are told in batches, so that it can
 * stand around handlers and have messages carry a context along. It must not call back into the flow; what
 * it throws is logged (`instrument_failed`) and changes nothing.
 */
export interface Probe {
  /** A trace begins with a message, in the async context of whoever sent it. */
  begin(trace: ProbedTrace, message: Message): void;
  /** Answers what enters the trace in place of a message from outside: the same with another meta. */
  enter(trace: ProbedTrace, message: Message): Message;
  /**
   * Calls a handler, once, with the attempt's message or the same with another meta. It is answered what the
   * handler returned, often a promise; nothing when it threw.
   */
  handle(attempt: ProbedAttempt, handler: (message: Message) => unknown): void;
  /** A running handler took a further message. */
  fetched(attempt: ProbedAttempt, message: Message): void;
  /** Answers what a join makes of several messages in place of `group`: the same with another meta. */
  gather(group: Message, parts: readonly Message[]): Message;
  /** Something happened: in a trace, or in an attempt when that is given. */
  event(event: FlowEvent, trace: ProbedTrace, attempt: ProbedAttempt | undefined): void;
  /** The run is over. */
  stop(): void;
}

/**
 * What follows the runs of a flow from inside: tracers and profilers. Answers the probe for a run, or
 * nothing when it is not worth it; then it costs nothing.
 */
export type Instrument = (run: InstrumentedRun) => Probe | undefined;
