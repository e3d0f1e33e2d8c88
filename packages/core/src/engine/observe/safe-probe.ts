import { errorPayload } from "../../foundation/flow-error.ts";
import type { FlowEvent } from "../../events/flow-event.ts";
import type { Logger } from "../../events/logger.ts";
import type { Message } from "../../message/message.ts";
import type { Instrument, InstrumentedRun, Probe, ProbedAttempt, ProbedTrace } from "../../ports/instrument.ts";

/**
 * Isolates the flow from its probe. Errors of the probe are logged and otherwise ignored. A handler is called exactly
 * once, and the probe cannot alter its result or error.
 */
export class SafeProbe {
  readonly #probe: Probe;
  readonly #logger: Logger;

  constructor(probe: Probe, logger: Logger) {
    this.#probe = probe;
    this.#logger = logger;
  }

  begin(trace: ProbedTrace, message: Message): void {
    this.#ask(undefined, () => this.#probe.begin(trace, message));
  }

  enter(trace: ProbedTrace, message: Message): Message {
    return this.#ask(message, () => this.#probe.enter(trace, message));
  }

  handle(attempt: ProbedAttempt, handler: (message: Message) => unknown): unknown {
    let isCalled = false;
    let hasThrown = false;
    let value: unknown;
    this.#ask<unknown>(undefined, () => {
      const answer: unknown = this.#probe.handle(attempt, (message) => {
        if (isCalled) return value;
        isCalled = true;
        try {
          value = handler(message);
        } catch (error) {
          hasThrown = true;
          value = error;
        }
        return hasThrown ? undefined : value;
      });
      // the handler's own promise is awaited by the engine: returning it here would log the handler's failure as the
      // probe's
      return answer === value ? undefined : answer;
    });
    if (!isCalled) return handler(attempt.message);
    if (hasThrown) throw value;
    return value;
  }

  fetched(attempt: ProbedAttempt, message: Message): void {
    this.#ask(undefined, () => this.#probe.fetched(attempt, message));
  }

  gather(group: Message, parts: readonly Message[]): Message {
    return this.#ask(group, () => this.#probe.gather(group, parts));
  }

  event(event: FlowEvent, trace: ProbedTrace, attempt: ProbedAttempt | undefined): void {
    this.#ask(undefined, () => this.#probe.event(event, trace, attempt));
  }

  stop(): void {
    this.#ask(undefined, () => this.#probe.stop());
  }

  #ask<Value>(otherwise: Value, question: () => Value): Value {
    const failed = (error: unknown): void => this.#logger.warn("instrument_failed", { error: errorPayload(error) });
    try {
      const answer = question();
      // a probe may be async: without a `catch` its rejection would end the process
      if (answer instanceof Promise) answer.catch(failed);
      return answer;
    } catch (error) {
      failed(error);
      return otherwise;
    }
  }
}

/** Creates the probe of a run from the flow's instrument. */
export function probeFor(
  options: { readonly name: string; readonly logger: Logger; readonly instrument: Instrument | undefined },
  stats: InstrumentedRun["stats"],
): SafeProbe | undefined {
  const { instrument, logger, name } = options;
  const probe = instrument?.({ flow: name, stats });
  return probe === undefined ? undefined : new SafeProbe(probe, logger);
}
