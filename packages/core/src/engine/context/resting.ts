import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { PausedOutcome } from "../../message/outcome.ts";
import type { DurableRun } from "../durability.ts";
import type { Reporter } from "../observe/reporter.ts";
import { LeftSink, type Rookery } from "../results/rookery.ts";
import { isActive, type Lasting, type Trace } from "../state/trace.ts";
import type { Ending } from "../termination/ending.ts";
import { isOpenPause, ticketsOf } from "./open-pause.ts";

/** Engine parts that {@link Resting} calls. */
export interface RestingHost {
  readonly options: { readonly limits: { readonly maxResults: number } };
  readonly durable: DurableRun | undefined;
  readonly reporter: Reporter;
  readonly rookery: Rookery;
  readonly ending: Ending;
  /** Called when a trace waits only for answers. */
  traceRests(trace: Trace): void;
  /** Called when such a trace goes on. */
  traceWakes(trace: Trace): void;
}

/**
 * Rest of traces. A trace is quiet while it waits only for answers, sleeps and signals, and asleep while it waits for no
 * answer.
 */
export class Resting {
  readonly #engine: RestingHost;
  /** Number of quiet traces and, in a durable flow, of those asleep. */
  count = 0;

  constructor(engine: RestingHost) {
    this.#engine = engine;
  }

  /**
   * Notes that a trace waits only for answers, sleeps and signals. The callers of a playbook's trace may then rest, too.
   * If it waits for an answer, its callers are notified. A trace asleep continues without them, so its callers keep
   * waiting.
   */
  rests(trace: Trace): void {
    const engine = this.#engine;
    const lasting = trace.lasting as Lasting;
    for (const call of lasting.calls?.values() ?? []) if (isActive(call)) return;
    if (trace.origin !== null) {
      if (lasting.rest === "asleep") return;
      lasting.rest = "asleep";
      trace.sink.rests?.();
      return;
    }
    const rest = [...lasting.pauses.values()].some(isOpenPause) ? "quiet" : "asleep";
    // without a checkpoint store a trace asleep is lost when the flow stops, so that draining must wait for it
    if (lasting.rest === rest || (rest === "asleep" && engine.durable === undefined)) return;
    if (lasting.rest === "none") this.count += 1;
    lasting.rest = rest;
    if (rest === "quiet" && !lasting.wasTold) this.#notify(trace, lasting);
    engine.traceRests(trace);
  }

  #notify(trace: Trace, lasting: Lasting): void {
    const engine = this.#engine;
    const outcome = this.pausedOutcome(trace);
    const pauses = outcome.pauses.length;
    if (engine.reporter.hasListeners) engine.reporter.trace(trace, { type: "trace_pause", pauses });
    const { sink } = trace;
    if (sink.isLeft !== true) {
      trace.sink = new LeftSink(engine.rookery, engine.options.limits.maxResults, trace);
      sink.paused?.(outcome);
    }
    for (const watcher of lasting.watchers.splice(0)) watcher(outcome);
  }

  /** Returns the outcome that a paused trace has for its callers. */
  pausedOutcome(trace: Trace): PausedOutcome<unknown> {
    const pauses = ticketsOf(trace);
    const error = new FlowError({
      code: FlowErrorCode.TRACE_PAUSED,
      message: `Trace "${trace.id}" waits for ${pauses.length === 1 ? "an answer" : `${pauses.length} answers`}: ${pauses.map(({ node, reason }) => `${reason} (node "${node}")`).join("; ")}; call resume`,
      traceId: trace.id,
      tenant: trace.tenant,
      details: { pauses },
    });
    return Object.freeze({ status: "paused", ...this.#engine.ending.baseOf(trace), error, pauses });
  }

  /** Marks a resting trace and its callers as active again. */
  stir(trace: Trace): void {
    const { lasting, origin } = trace;
    if (lasting !== null && lasting.rest !== "none") {
      lasting.rest = "none";
      lasting.wasTold = false;
      if (origin === null) {
        this.count -= 1;
        this.#engine.traceWakes(trace);
      }
    }
    if (origin !== null) this.stir(origin.parent.trace);
  }

  /** Notes that a trace at rest is unloaded. */
  unloaded(trace: Trace): void {
    (trace.lasting as Lasting).rest = "none";
    this.count -= 1;
  }
}
