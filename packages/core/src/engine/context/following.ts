import type { Outcome } from "../../message/outcome.ts";
import type { StreamSink } from "../results/stream-sink.ts";
import { LeftSink, type Rookery, RookerySink } from "../results/rookery.ts";
import type { TraceTable } from "../state/trace-table.ts";
import type { Trace } from "../state/trace.ts";
import { ticketsOf } from "./open-pause.ts";
import type { PauseTable } from "./pause-table.ts";
import type { Resting } from "./resting.ts";

/** Engine parts that {@link Following} calls. */
export interface FollowingHost {
  readonly traces: TraceTable;
  readonly rookery: Rookery;
}

/** Gives the output of traces whose callers are gone to new readers. */
export class Following {
  readonly #engine: FollowingHost;
  readonly #pauses: PauseTable;
  readonly #resting: Resting;

  constructor(engine: FollowingHost, pauses: PauseTable, resting: Resting) {
    this.#engine = engine;
    this.#pauses = pauses;
    this.#resting = resting;
  }

  /**
   * Answers a pause and redirects the trace's further output to `sink`, after the other pauses that are open.
   *
   * @throws FlowError as {@link PauseTable.find}; TypeError if the trace's results go to `fetch`
   */
  resumeInto(token: string, value: unknown, tenant: string, sink: StreamSink): Trace {
    const found = this.#pauses.find(token, tenant);
    const { trace } = found;
    const before = requireLeft(trace);
    for (const ticket of ticketsOf(trace)) if (ticket.token !== token) sink.pause(ticket);
    this.#redirect(trace, sink);
    const refuse = (error: unknown): void => {
      if (trace.sink === sink) trace.sink = before;
      sink.fail(error);
    };
    try {
      this.#pauses.answer(found, value, () => {}, refuse);
    } catch (error) {
      trace.sink = before;
      throw error;
    }
    return trace;
  }

  /**
   * Whether a trace without a caller is in flight or has left results.
   *
   * @throws TypeError if its results go elsewhere
   */
  canFollow(traceId: string, tenant: string): boolean {
    const { traces, rookery } = this.#engine;
    const trace = traces.find(traceId, tenant).find(({ isOpen }) => isOpen);
    if (trace !== undefined) requireLeft(trace);
    return trace !== undefined || rookery.hasLeft(traceId, tenant);
  }

  /**
   * Redirects a trace's earlier and further output to `sink`, if its caller is gone.
   *
   * @throws FlowError `TRACE_UNKNOWN`; TypeError if the trace's results go elsewhere
   */
  follow(traceId: string, tenant: string, sink: StreamSink): Trace | undefined {
    const engine = this.#engine;
    const trace = engine.traces.find(traceId, tenant).find(({ isOpen }) => isOpen);
    if (trace === undefined) {
      engine.rookery.readLeft(traceId, tenant, sink).then(
        () => sink.close(undefined),
        (error: unknown) => sink.close(error),
      );
      return undefined;
    }
    requireLeft(trace);
    return this.readInto(trace, sink);
  }

  /** Redirects the earlier and further output of a trace whose caller is gone. */
  readInto(trace: Trace, sink: StreamSink): Trace {
    sink.begin(trace.results ?? []);
    for (const ticket of ticketsOf(trace)) sink.pause(ticket);
    if (trace.lasting?.rest === "quiet") sink.paused(this.#resting.pausedOutcome(trace));
    else this.#redirect(trace, sink);
    return trace;
  }

  /** Gives a trace another reader. An outcome that is kept for an id, or that a fetch waits for, stays whole. */
  #redirect(trace: Trace, sink: StreamSink): void {
    const { rookery } = this.#engine;
    const isAwaited = rookery.isAwaited(trace);
    if (isAwaited || trace.extras?.given !== undefined) sink.keepResults = trace.sink.keepResults;
    const onEnd = (outcome: Outcome): void => {
      if (rookery.isAwaited(trace)) rookery.keep(trace, outcome);
    };
    if (isAwaited) sink.onEnd = onEnd;
    trace.sink = sink;
  }
}

/**
 * Returns the sink of a trace whose caller is gone.
 *
 * @throws TypeError if the results go elsewhere
 */
function requireLeft({ id, sink }: Trace): LeftSink {
  if (sink instanceof LeftSink) return sink;
  throw new TypeError(
    `Cannot read the stream of trace "${id}": its results go to ${sink instanceof RookerySink ? "fetch" : "another reader"}`,
  );
}
