import { errorPayload } from "../../foundation/flow-error.ts";
import type { FlowEvent } from "../../events/flow-event.ts";
import type { Logger } from "../../events/logger.ts";
import type { Message } from "../../message/message.ts";
import type { Instrument, InstrumentedRun, Probe, ProbedAttempt, ProbedTrace } from "../../ports/instrument.ts";

/**
 * A probe that cannot harm the flow: what it throws is logged, and then everything is as if it had not been
 * asked. Handlers are called once, and what they return or throw goes past it.
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
    this.#ask(undefined, () =>
      this.#probe.handle(attempt, (message) => {
        if (isCalled) return value;
        isCalled = true;
        try {
          value = handler(message);
        } catch (error) {
          hasThrown = true;
          value = error;
        }
        return hasThrown ? undefined : value;
      }),
    );
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
    try {
      return question();
    } catch (error) {
      this.#logger.warn("instrument_failed", { error: errorPayload(error) });
      return otherwise;
    }
  }
}

/** The probe that the flow's instrument has for a run. */
export function probeFor(
  options: { readonly name: string; readonly logger: Logger; readonly instrument: Instrument | undefined },
  stats: InstrumentedRun["stats"],
): SafeProbe | undefined {
  const { instrument, logger, name } = options;
  const probe = instrument?.({ flow: name, stats });
  return probe === undefined ? undefined : new SafeProbe(probe, logger);
}
