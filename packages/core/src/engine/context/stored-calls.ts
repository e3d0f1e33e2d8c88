import { detached } from "../../foundation/detached.ts";
import { BudgetExhausted, FlowErrorCode } from "../../foundation/flow-error.ts";
import { lineageText } from "../../foundation/lineage.ts";
import type { Logger } from "../../events/logger.ts";
import type { Message } from "../../message/message.ts";
import type { Outcome } from "../../message/outcome.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { DurableRun } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import { type Attempt, outermost } from "../state/attempt.ts";
import { type CallEnd, Lasting, type Origin, type StoredCall, type Trace, unknownCall } from "../state/trace.ts";
import type { Ending } from "../termination/ending.ts";
import type { HandlerWaits } from "./handler-waits.ts";
import { type ChildRun, PlaybookSink, type PlaybookSinkHost } from "./playbook-sink.ts";

/** Engine parts that {@link StoredCalls} calls. */
export interface StoredCallsHost extends PlaybookSinkHost {
  readonly options: { readonly name: string; readonly logger: Logger };
  readonly durable: DurableRun | undefined;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly waits: HandlerWaits;
  readonly ending: Ending;
  readonly pausing: {
    readonly parking: { park(attempt: Attempt): void; wakeCaller(trace: Trace, call: StoredCall): void };
  };
}

/**
 * Calls of playbooks in a durable flow. A call belongs to the message whose handler made it and outlives the handler:
 * the next one that makes the same call is given its trace or its end.
 *
 * States of a call: left (by an earlier process) → running ⇄ resting → ended → removed, when its message commits.
 */
export class StoredCalls {
  readonly #engine: StoredCallsHost;
  readonly #durable: DurableRun;

  constructor(engine: StoredCallsHost) {
    this.#engine = engine;
    this.#durable = engine.durable as DurableRun;
  }

  /** Makes a call, or continues the same call of an earlier handler of the message. Resolves with its result. */
  call(run: ChildRun, origin: Origin, message: Message): Promise<unknown> {
    const { parent } = origin;
    const calls = ((parent.trace.lasting ??= new Lasting()).calls ??= new Map<string, StoredCall>());
    const key = `${parent.lineage}/${lineageText(origin.high, origin.low)}@${origin.flow}`;
    const known = calls.get(key);
    if (known?.end !== undefined) {
      // the account of this process does not know a refusal that an earlier one has stored
      if ("error" in known.end && known.end.error instanceof BudgetExhausted)
        outermost(parent).trace.extras?.account?.refuses(known.end.error);
      return detached(settled(known.end));
    }
    const call = known ?? unknownCall(key);
    return this.#engine.waits.wait<unknown>(
      parent,
      (resolve, reject) => {
        const settle = (end: CallEnd): void => ("error" in end ? reject(end.error) : resolve(end.result));
        call.settle = settle;
        this.#engine.slots.lend(parent);
        if (call.origin !== undefined) this.#join(call, call.origin, parent);
        else {
          try {
            this.#begin(run, call, origin, message);
          } catch (error) {
            parent.trace.lasting?.calls?.delete(key);
            reject(error);
          }
        }
        return () => {
          call.settle = undefined;
        };
      },
      { lendsPermit: true },
    );
  }

  /** Removes the calls of a message that is done. Cancels those its handler has not awaited. */
  committed(attempt: Attempt): void {
    const { name: flow, logger } = this.#engine.options;
    for (const call of this.#callsOf(attempt)) {
      const { trace, traceId, tenant, node } = attempt;
      if (call.left !== undefined && call.origin === undefined)
        logger.warn("playbook_not_called", { flow, traceId, tenant, node, call: call.key });
      trace.lasting?.calls?.delete(call.key);
      call.cancel?.("its caller no longer waits for it");
    }
  }

  /** Cancels the running calls of an attempt that has failed, and removes the failed ones: the next makes them anew. */
  failed(attempt: Attempt): void {
    for (const call of this.#callsOf(attempt)) {
      if (call.trace === undefined && (call.end === undefined || "result" in call.end)) continue;
      attempt.trace.lasting?.calls?.delete(call.key);
      call.cancel?.(attempt.extras?.reason ?? "its caller no longer waits for it");
    }
  }

  #callsOf(attempt: Attempt): StoredCall[] {
    return [...(attempt.trace.lasting?.calls?.values() ?? [])].filter(({ key }) =>
      key.startsWith(`${attempt.lineage}/`),
    );
  }

  /** Waits for a call that an earlier handler of the message has made. */
  #join(call: StoredCall, origin: Origin, parent: Attempt): void {
    origin.parent = parent;
    if (call.trace?.lasting?.rest === "asleep") this.#parkSoon(origin);
  }

  /** Parks the caller of a playbook that rests. */
  #parkSoon(origin: Origin): void {
    const { agenda, pausing } = this.#engine;
    // its handler may be about to call others: parking now would hide them, and what they ask for
    agenda.beforeRunning(() => pausing.parking.park(origin.parent));
  }

  #begin(run: ChildRun, call: StoredCall, origin: Origin, message: Message): void {
    const { trace: caller } = origin.parent;
    const calls = caller.lasting?.calls as Map<string, StoredCall>;
    let forget = (): unknown => undefined;
    const sink = new PlaybookSink(this.#engine, origin, {
      opened: (trace) => {
        call.trace = trace;
        const cancel = (reason: unknown): void => {
          if (trace.isOpen) this.#engine.ending.alsoAwait(caller, run.ending.cancel(trace, reason));
        };
        call.cancel = cancel;
        forget = caller.onEnd((reason) => call.cancel?.(reason));
      },
      rests: () => {
        if (call.settle === undefined) this.#engine.ending.checkStarved(caller);
        else this.#parkSoon(origin);
      },
      ended: (outcome) => {
        const { deadlineAt } = call.trace as Trace;
        call.trace = undefined;
        forget();
        if (caller.isOpen && calls.get(call.key) === call) this.#ended(call, caller, outcome, deadlineAt);
      },
    });
    call.origin = origin;
    if (call.left !== undefined) {
      const isWanted = (): boolean => caller.isOpen && calls.get(call.key) === call;
      this.#durable.restoreCall(run, call.left, origin, sink, isWanted);
      return;
    }
    calls.set(call.key, call);
    const trace = run.open({ message, idNumber: undefined, origin, sink, signal: undefined, isOpenEnded: false });
    run.enter(trace, message, run.workshop.entries, null);
  }

  #ended(call: StoredCall, caller: Trace, outcome: Outcome, deadlineAt: number | undefined): void {
    const { ending, ledger, pausing } = this.#engine;
    if (outcome.status === "completed") call.end = { result: outcome.result };
    else if (outcome.error.code === FlowErrorCode.DEADLINE_EXCEEDED && deadlineAt === caller.deadlineAt) {
      // the caller's own deadline has passed: rejecting here would fail the node, and its policy would retry it
      ending.exhaust(caller, FlowErrorCode.DEADLINE_EXCEEDED);
      return;
    } else call.end = { error: outcome.error, kept: this.#durable.kept(outcome.error) };
    call.left = undefined;
    ledger.changed(caller);
    if (call.settle === undefined) pausing.parking.wakeCaller(caller, call);
    else call.settle(call.end);
  }
}

function settled(end: CallEnd): Promise<unknown> {
  return "error" in end ? Promise.reject(end.error) : Promise.resolve(end.result);
}
