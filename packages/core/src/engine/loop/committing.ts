import type { Clock, Moment } from "../../foundation/clock.ts";
import { errorPayload } from "../../foundation/flow-error.ts";
import { styleHint } from "../../graph/node.ts";
import { WM } from "../../message/controller.ts";
import { carry, type Message } from "../../message/message.ts";
import { type Budgets, nextHop } from "../context/budgets.ts";
import type { Effects } from "../context/effects.ts";
import type { Emitting } from "../context/emitting.ts";
import type { Fetching } from "../context/fetching.ts";
import type { Logs } from "../context/logs.ts";
import type { Pausing } from "../context/pausing.ts";
import type { Signalling } from "../context/signalling.ts";
import type { Sending } from "../delivery/sending.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import { type Attempt, outermostTrace, State } from "../state/attempt.ts";
import type { Trace } from "../state/trace.ts";
import type { Edge } from "../state/worker.ts";
import type { Ending } from "../termination/ending.ts";
import type { Slots } from "../admission/slots.ts";

interface CommittingHost {
  /** Captures the async context of the trace's caller. Call it only while that context is current. */
  keepScope(trace: Trace): void;
  readonly clock: Clock;
  /** Current time. */
  readonly moment: Moment;
  readonly isWatched: boolean;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly slots: Slots;
  readonly sending: Sending;
  readonly budgets: Budgets;
  readonly emitting: Emitting;
  readonly fetching: Fetching;
  readonly pausing: Pausing;
  readonly effects: Effects;
  readonly logs: Logs;
  readonly signalling: Signalling;
  readonly playbooks: { committed(attempt: Attempt): void };
  readonly ending: Ending;
}

/** Commits attempts whose handler has returned: sends the returned value and waits for its acceptance. */
export class Committing {
  readonly #engine: CommittingHost;

  constructor(engine: CommittingHost) {
    this.#engine = engine;
  }

  /**
   * Sends the handler's return value, to all successors unless it is routed. The attempt commits once everything it sent
   * is accepted.
   */
  finish(attempt: Attempt, message: Message | null, routed?: readonly Edge[]): void {
    const { worker, trace } = attempt;
    const { slots } = this.#engine;
    this.#engine.keepScope(trace);
    attempt.extras?.timer?.cancel();
    // a handler that failed asked for no pause: only one that returned says that it asks no more
    if (trace.lasting !== null && attempt.extras?.failure === undefined && !this.#engine.pausing.mayFinish(attempt))
      return;
    if (this.#engine.isWatched) attempt.more.returnedAt = this.#engine.clock.now();
    let edges: readonly Edge[] = routed ?? worker.onward;
    let sent = message;
    if (message !== null && worker.loop !== undefined && message.payload instanceof WM) {
      const step = nextHop(attempt, message.payload, this.#engine);
      if (!(step instanceof WM)) {
        attempt.endWaits();
        attempt.commitDraws();
        this.#engine.ending.exhaust(trace, step, attempt);
        return;
      }
      sent = step === message.payload ? message : carry(message, step);
      edges = [worker.loop];
    }
    attempt.beginSending();
    // a result that waits for room must not hold the permit: the messages that fill the edge may need it
    if (worker.limit !== undefined) slots.endPermit(attempt);
    attempt.endWaits();
    const { extras } = attempt;
    if (extras !== null && extras.unsentChunks > 0) {
      // the streamed chunks precede the returned value: sending now would overtake the blocked ones
      const onChunksSent = (): void => this.#sendOn(attempt, sent, edges);
      extras.onChunksSent = onChunksSent;
      return;
    }
    this.#sendOn(attempt, sent, edges);
  }

  #sendOn(attempt: Attempt, sent: Message | null, edges: readonly Edge[]): void {
    const { trace } = attempt;
    const { ledger, emitting, sending } = this.#engine;
    if (attempt.state !== State.SENDING) return;
    if (attempt.extras?.writesStreams) {
      for (const chunk of trace.extras?.streams?.endAll(attempt, "done") ?? []) trace.sink.chunk(chunk);
    }
    ledger.finishing(attempt);
    emitting.release(attempt);
    // this call emitted fewer messages than the earlier one: without this the returned value would be taken for one of
    // those
    if (attempt.extras !== null && attempt.outputs < attempt.extras.alreadySent)
      attempt.outputs = attempt.extras.alreadySent;
    if (sent !== null && trace.isOpen) sending.send(trace, attempt, sent, edges, null);
    ledger.allSent();
    // sending may have ended the trace, and its attempts with it
    if (!isSending(attempt)) return;
    if ((attempt.extras?.outbox.length ?? 0) === 0) this.commit(attempt);
    else ledger.commitWaits(attempt);
  }

  /** Commits an attempt: everything it sent was accepted, so its message is done. */
  commit(attempt: Attempt): void {
    const { worker, trace } = attempt;
    const { ledger, reporter, slots, ending } = this.#engine;
    attempt.end();
    if (!trace.isOpen) return;
    if (reporter.hasListeners) {
      const { failure, because } = attempt.extras ?? NO_FAILURE;
      if (failure === undefined) reporter.succeeded(attempt, this.#engine.moment);
      else
        reporter.node(attempt, {
          type: "node_fallback",
          error: errorPayload(failure),
          reason: because ?? failure.code,
        });
    }
    if (attempt.extras?.refetch !== undefined) this.#engine.fetching.giveBack(attempt);
    if (trace.extras?.account !== undefined) attempt.commitDraws();
    const { lasting } = trace;
    ledger.committed(attempt, lasting?.log === undefined ? 0 : this.#engine.logs.committed(attempt));
    if (lasting !== null) {
      this.#engine.pausing.committed(attempt);
      if (lasting.effectCount > 0) this.#engine.effects.committed(attempt);
      if (lasting.calls !== undefined) this.#engine.playbooks.committed(attempt);
    }
    slots.leave(attempt);
    const outer = trace.origin === null ? trace : outermostTrace(trace);
    if (outer.lasting !== null && outer.lasting.signals.length > 0) this.#engine.signalling.committed(attempt);
    if (attempt.outputs === 0) {
      trace.more.lastNode = worker.name;
      trace.more.lastReason =
        worker.node.kind === "router"
          ? `router "${worker.name}" sent its message nowhere`
          : `node "${worker.name}" returned nothing${styleHint(worker.node)}`;
    }
    if (trace.live === 0) ending.finish(trace);
    else if (trace.joined > 0 || trace.fetching > 0 || trace.lasting !== null || trace.extras?.closed !== undefined)
      ending.checkStarved(trace);
  }
}

const NO_FAILURE = { failure: undefined, because: undefined };

function isSending(attempt: Attempt): boolean {
  return attempt.state === State.SENDING;
}
