import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { formatIssues, issuePath, type Schema, type SchemaResult } from "../../foundation/schema.ts";
import type { PauseInit } from "../../graph/handler.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import { type Attempt, outermost } from "../state/attempt.ts";
import type { Pause, PauseAnswer } from "../state/trace.ts";
import type { HandlerWaits } from "./handler-waits.ts";
import { disarm, expiredError, ticketOf } from "./open-pause.ts";
import type { Parking } from "./parking.ts";
import type { PauseTable } from "./pause-table.ts";

/** Engine parts that {@link PauseAnswers} calls. */
export interface PauseAnswersHost {
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly waits: HandlerWaits;
}

/** Gives handlers the answers to their pauses: checks an answer, and makes the value of an expired pause. */
export class PauseAnswers {
  readonly #engine: PauseAnswersHost;
  readonly #pauses: PauseTable;
  readonly #parking: Parking;

  constructor(engine: PauseAnswersHost, pauses: PauseTable, parking: Parking) {
    this.#engine = engine;
    this.#pauses = pauses;
    this.#parking = parking;
  }

  /** Returns the answer to a pause once it is checked; parks the message again if the answer does not fit. */
  async accept(root: Attempt, pause: Pause, init: PauseInit<unknown>): Promise<unknown> {
    const { value, isExpired } = pause.answer as PauseAnswer;
    const { resumeSchema } = init;
    if (isExpired) return await this.#continued(root, pause, init);
    if (resumeSchema === undefined) return this.#accepted(root, pause, value);
    const result = await this.#checked(root, checkedBy(resumeSchema, value));
    if (result.issues === undefined) {
      this.#parking.park(root);
      return this.#accepted(root, pause, result.value);
    }
    const { refuse } = pause;
    const { trace } = outermost(root);
    this.#pauses.reopen(trace, pause);
    const error = new FlowError({
      code: FlowErrorCode.RESUME_INVALID,
      message: `The answer to "${pause.reason}" (node "${pause.node}") does not fit: ${formatIssues(result.issues)}`,
      traceId: root.traceId,
      tenant: root.tenant,
      node: pause.node,
      details: { issues: result.issues.map((issue) => ({ path: issuePath(issue), message: issue.message })) },
    });
    refuse?.(error);
    root.more.asked.push(pause);
    this.#parking.park(root);
    if (trace.isOpen) trace.sink.reopened?.(ticketOf(pause));
    // the attempt is over by now, unless another of its answers is being checked
    root.requireRunning("pause");
    return await this.#engine.waits.wait(root, () => undefined);
  }

  /** Awaits the check or the making of an answer. Parking waits for it: only then are the missing answers known. */
  async #checked<Value>(root: Attempt, check: Promise<Value>): Promise<Value> {
    const { more } = root;
    more.checking += 1;
    try {
      const value = await this.#engine.waits.waitFor(root, check);
      more.checking -= 1;
      return value;
    } catch (error) {
      more.checking -= 1;
      // a handler that catches the error and waits for other answers would never be parked
      this.#parking.park(root);
      throw error;
    }
  }

  /** Returns the value of an expired pause. Fails the trace if the handler, of a later release, has none. */
  async #continued(root: Attempt, pause: Pause, { ifExpired }: PauseInit<unknown>): Promise<unknown> {
    if (ifExpired === undefined) {
      const error = expiredError(pause, root.trace);
      this.#parking.failSoon(root, error);
      throw error;
    }
    if (typeof ifExpired !== "function") return this.#accepted(root, pause, ifExpired);
    const value = await this.#checked(root, called(ifExpired as () => unknown));
    this.#parking.park(root);
    return this.#accepted(root, pause, value);
  }

  #accepted(root: Attempt, pause: Pause, value: unknown): unknown {
    // the trace may have ended in the same turn as the check of the answer
    root.requireRunning("accept an answer");
    disarm(pause);
    pause.refuse = undefined;
    const { reason, answer } = pause;
    this.#engine.ledger.answered(root, pause, value);
    if (this.#engine.reporter.hasListeners)
      this.#engine.reporter.node(root, {
        type: "node_resume",
        reason,
        ...(answer?.isExpired === true ? { isExpired: true } : {}),
      });
    return value;
  }
}

/** Validates an answer. An error thrown by the schema reaches the handler. */
async function checkedBy(schema: Schema<unknown, unknown>, value: unknown): Promise<SchemaResult<unknown>> {
  return await schema["~standard"].validate(value);
}

/** Calls the function for an expired pause. An error it throws reaches the handler. */
async function called(ifExpired: () => unknown): Promise<unknown> {
  return await ifExpired();
}
